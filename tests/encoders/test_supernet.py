"""Accuracy with shared weights as a feature with a price."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nas.datasets import Digits
from nas.encoders import SharedWeights, supernet
from nas.errors import UserError
from nas.estimators import Score
from nas.networks import Skeleton
from nas.spaces import NB101, NB201, Constrained, Gene, Rows
from nas.training import SupernetRecipe
from nas.types import Batch, Space

SHORT = {"skeleton": Skeleton(4, 2, 1), "recipe": SupernetRecipe(epochs=2), "dataset": Digits(256, 100)}


SPACES = [
    NB101(max_vertices=3),
    Constrained(NB201(), lambda archs: ~archs[:, [0, 2, 4]].any(axis=1) & archs.any(axis=1), "node 1 is not used", ""),
]


def cells(space: Space, n: int = 6) -> Batch:
    found = space.enumerate()
    return space.batch(found[np.random.default_rng(0).permutation(len(found))[:n]])


@pytest.mark.parametrize("paths", ["one", "all"])
@pytest.mark.parametrize("space", SPACES, ids=["nb101", "nb201"])
def test_training_raises_accuracy_far_above_chance(space: Space, paths: str) -> None:
    batch = cells(space, 20)
    recipes = SupernetRecipe(epochs=1, learning_rate=1e-9), SupernetRecipe(epochs=30, learning_rate=0.05)
    before, after = (SharedWeights(space, paths=paths, recipe=recipe).embed(batch).values for recipe in recipes)
    assert before.max() < 0.2
    assert after.max() > 0.5
    assert after.mean() > 2 * before.mean()


@pytest.mark.parametrize("space", [NB101(max_vertices=4), NB201()], ids=["nb101", "nb201"])
def test_an_accuracy_is_the_networks_whoever_is_asked_before_and_beside(space: Space) -> None:
    batch = cells(space)
    mutants = space.mutate(batch, np.random.default_rng(1))
    both = SharedWeights(space, **SHORT).embed(space.batch(mutants.canonical[::-1])).values
    encoder = SharedWeights(space, **SHORT)
    encoder.embed(batch)
    alone = np.concatenate([encoder.embed(one).values for one in mutants.split(1)])
    assert (alone == both[::-1]).all()
    assert (SharedWeights(space, **SHORT, seed=1).embed(mutants).values != alone).any()
    assert (SharedWeights(space, **SHORT, paths="all").embed(mutants).values != alone).any()


def test_a_part_of_a_space_trains_its_own_cells() -> None:
    whole = NB101(max_vertices=4)
    part = Constrained(whole, lambda archs: archs[:, 0] == 1, "an edge", "")
    options = {**SHORT, "recipe": SupernetRecipe(epochs=10, batch=32, learning_rate=0.05)}
    found = [SharedWeights(space, **options).embed(space.batch(part.enumerate())).values for space in (whole, part)]
    assert (found[0] != found[1]).any()


def test_training_is_charged_once_and_each_query_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def slow(name: str, seconds: float) -> None:
        real = getattr(supernet, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            clock[0] += seconds
            return real(*args, **kwargs)

        monkeypatch.setattr(supernet, name, call)

    monkeypatch.setattr(supernet, "perf_counter", lambda: clock[0])
    slow("train_supernet", 100)
    slow("shared_accuracy", 1)
    space = NB101(max_vertices=4)
    batch = cells(space)
    prepared = SharedWeights(space, **SHORT)
    assert prepared.prepare() == 100
    assert prepared.prepare() == 0
    assert (prepared.embed(batch).seconds == 1).all()
    assert not prepared.embed(batch).seconds.any()
    at_once = SharedWeights(space, **SHORT)
    assert at_once.embed(batch.take(slice(0))).values.shape == (0, 1)
    assert sorted(at_once.embed(batch).seconds) == [1] * (len(batch) - 1) + [101]  # one is charged for the training
    estimator = Score(space, SharedWeights(space, **SHORT))
    estimator.prepare()
    estimator.fit(batch.take(slice(0)), np.empty(0))
    assert estimator.predict(batch).seconds == 100 + len(batch)
    assert estimator.predict(batch).seconds == 0


def test_identities_differ_with_what_the_accuracies_depend_on() -> None:
    space = NB101(max_vertices=4)
    changes = [{}, {"seed": 1}, {"paths": "all"}, {"recipe": SupernetRecipe(epochs=3)}, {"skeleton": Skeleton(5, 2, 1)}]
    changes += [{"dataset": Digits(256, 99)}, {"device": "cuda"}]
    found = [SharedWeights(space, **{**SHORT, **change}).identity() for change in [*changes, {}]]
    assert len(set(found)) == len(changes)
    assert found[0] == found[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": "two"}, "^paths is 'two', must be one or all$"),
        (
            {"recipe": SupernetRecipe(batch=257)},
            "^recipe.batch is 257, must be at most 256: there are no",
        ),
        ({"device": "abacus"}, "^device is 'abacus'"),
        ({"seed": -1}, "^seed is -1, must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(options, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SharedWeights(NB101(max_vertices=4), **{**SHORT, **options}).prepare()


def test_rows_of_a_table_are_no_networks() -> None:
    with pytest.raises(UserError, match="no networks"):
        SharedWeights(Rows((Gene("a", ("x", "y")),), np.array([[0], [1]], dtype=np.uint8)))
