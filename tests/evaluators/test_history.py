"""What a history of outputs tells of real trainings."""

from __future__ import annotations

import numpy as np
import pytest

from nas.datasets import Digits
from nas.encoders import EarlyCurve
from nas.errors import UserError
from nas.evaluators import TrainingEvaluator
from nas.networks import Skeleton
from nas.spaces import NB101
from nas.training import HISTORIES, History, Recipe, train

RECIPE, DATA = Recipe(epochs=4), Digits(96, 64)


@pytest.fixture(scope="module")
def space() -> NB101:
    return NB101(max_vertices=4)


@pytest.fixture(scope="module")
def evaluator(space: NB101) -> TrainingEvaluator:
    return TrainingEvaluator(space, DATA, Skeleton(4, 1, 1), RECIPE, device="cpu")


def test_it_is_what_an_observer_of_the_same_training_sees(space: NB101, evaluator: TrainingEvaluator) -> None:
    batch = space.batch(space.sample(2, np.random.default_rng(3)))
    for name in HISTORIES:
        curves, seconds = evaluator.early(batch, name, 3)
        assert (seconds > 0).all()
        for part, curve in zip(batch.split(1), curves, strict=True):
            images = DATA.load()
            seen, _ = train(
                part.graphs, images, evaluator.skeleton, RECIPE, [0], until=3, observer=History(images, 3), test=False
            )
            np.testing.assert_allclose(curve, seen.observed[name][0], atol=1e-6)


def test_its_last_epoch_is_a_coordinate_of_an_embedding(space: NB101, evaluator: TrainingEvaluator) -> None:
    batch = space.batch(space.sample(2, np.random.default_rng(3)))
    found = EarlyCurve(space, evaluator, metric="consensus_loss", epochs=2).embed(batch)
    curves, _ = evaluator.early(batch, "consensus_loss", 2)
    np.testing.assert_allclose(found.values[:, 0], -curves[:, -1], rtol=1e-6)
    assert (found.seconds > 0).all()


def test_curves_without_it_cost_no_history(space: NB101, evaluator: TrainingEvaluator) -> None:
    batch = space.batch(space.sample(1, np.random.default_rng(3)))
    [part] = [evaluator.training.run(batch.graphs, 2, curves_only=True)]
    assert part.details is not None
    assert not {*HISTORIES} & part.details["epochs"].keys()


def test_more_images_than_there_are_are_refused_before_anything_is_trained(space: NB101) -> None:
    with pytest.raises(UserError, match=r"history_images is 65, must be at most 64"):
        TrainingEvaluator(space, DATA, Skeleton(4, 1, 1), RECIPE, device="cpu", history_images=65)
