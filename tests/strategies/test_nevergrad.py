from __future__ import annotations

import numpy as np
import pytest
from helpers import Mirror, accuracy

from nas.errors import UserError
from nas.spaces import NB101
from nas.strategies import Nevergrad
from nas.strategies.nevergrad import _GenePoints


def make(space: NB101, optimizer: str, over: str = "genes") -> Nevergrad:
    return Nevergrad(space, Mirror(space), 100, optimizer=optimizer, over=over)


@pytest.mark.parametrize("optimizer", ["OnePlusOne", "TwoPointsDE", "DiscreteOnePlusOne"])
@pytest.mark.parametrize("over", ["genes", "latent"])
def test_it_learns_from_what_it_is_told(optimizer: str, over: str, small_space: NB101) -> None:
    """Told that one corner of the space is good, it proposes more from there than it did before."""
    archs = small_space.enumerate()
    convolutions = (small_space.graphs(archs).labels == 3).sum(axis=1)
    strategy = make(small_space, optimizer, over)
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.permutation(np.flatnonzero(convolutions == count))[:25] for count in (0, 3)])
    before = strategy.propose(200, np.random.default_rng(1), None).batch.genes
    strategy.tell(small_space.batch(archs[rows]), np.repeat([0.1, 0.9], 25))
    proposed = strategy.propose(200, np.random.default_rng(1), None).batch.genes
    counts = [(small_space.graphs(some).labels == 3).sum(axis=1).mean() for some in (before, proposed)]
    assert counts[1] > counts[0] + 0.15


def test_points_of_genes_decode_to_the_same_genes(space: NB101) -> None:
    points = _GenePoints(space)
    archs = space.sample(50, np.random.default_rng(0))
    embedded = points.embed(space.batch(archs))
    assert embedded.shape == (50, 21 * 2 + 5 * 3)
    assert (points.decode(embedded) == archs).all()
    assert (points.decode(embedded + np.random.default_rng(0).uniform(0, 0.9, (50, 57))) == archs).all()


def test_its_random_numbers_are_the_searchs(small_space: NB101) -> None:
    strategy = make(small_space, "NGOpt")
    archs = small_space.sample(20, np.random.default_rng(0))
    strategy.tell(small_space.batch(archs), accuracy(small_space, archs))
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again, other = (strategy.ask(20, np.random.default_rng(seed)).batch.genes for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "OnePlusTwo"}, r"^optimizer is 'OnePlusTwo', must be .*, such as .*OnePlusOne"),
        ({"optimizer": "???!"}, r"such as NGOpt, OnePlusOne"),
        ({"optimizer": "Cobyla"}, r"^optimizer is 'Cobyla', which must be told what it asked for"),
        ({"optimizer": "CMA", "over": "time"}, r"^over is 'time', must be genes or latent"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_near(options: dict, message: str, small_space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        make(small_space, **options)
