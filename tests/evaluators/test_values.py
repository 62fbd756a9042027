"""The value of a training: by which measure, of which epoch, of which target."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from trained import make, one

import nas
from nas.datasets import NpzFile, remarks
from nas.errors import UserError
from nas.spaces import NB101
from nas.training import Recipe


@pytest.fixture
def unequal(tmp_path: Path) -> NpzFile:
    """Nine of ten images are of the first class."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [180, 20])
    pixels = rng.normal(size=(200, 6, 6)) + 1.5 * labels[:, None, None]
    np.savez(tmp_path / "unequal.npz", x=pixels, y=labels, classes=np.array(["common", "rare"]))
    return NpzFile(str(tmp_path / "unequal.npz"), split=0.3)


def test_the_value_is_what_the_measure_says(unequal: NpzFile) -> None:
    space = NB101(max_vertices=4)
    batch = space.batch(space.sample(1, np.random.default_rng(0)))
    found = {}
    for measure in ("accuracy", "balanced_accuracy", "macro_f1"):
        evaluator = make(space, dataset=unequal, recipe=Recipe(epochs=3, batch=16), measure=measure)
        outcome = one(evaluator, batch).result()
        found[measure] = outcome.values["validation"]
        curve = (outcome.details or {})["epochs"]
        assert curve["valid_accuracy"][-1] == pytest.approx(found["accuracy"], abs=1e-6)
        assert (f"valid_{measure}" in curve) or measure == "accuracy"
        assert evaluator.identity().get("signal") == (None if measure == "accuracy" else f"validation {measure}")
    assert len({round(value, 6) for value in found.values()}) > 1
    with pytest.raises(UserError, match="measure is r2, but the target is a class"):
        make(space, dataset=unequal, recipe=Recipe(epochs=3, batch=16), measure="r2")


def test_the_value_may_be_that_of_the_best_epoch() -> None:
    space = NB101(max_vertices=5)
    batch = space.batch(space.sample(6, np.random.default_rng(1)))
    recipe = Recipe(epochs=6, batch=8, learning_rate=0.3)  # too much: it goes up and down
    rises = 0
    for row in range(6):
        last = one(make(space, recipe=recipe), batch, row).result()
        best = one(make(space, recipe=recipe, value="best"), batch, row).result()
        curve = (last.details or {})["epochs"]["valid_accuracy"]
        assert last.values["validation"] == pytest.approx(curve[-1], abs=1e-6)
        assert best.values["validation"] == pytest.approx(max(curve), abs=1e-6)
        rises += max(curve) > curve[-1]
    assert rises


def test_a_search_learns_values(tmp_path: Path) -> None:
    """How bright an image is: no class, but a number."""
    rng = np.random.default_rng(0)
    bright = rng.uniform(0, 10, 300).astype(np.float32)
    np.savez(tmp_path / "bright.npz", x=bright[:, None, None] + rng.normal(size=(300, 6, 6)), y=bright)
    options = ("space.max_vertices=4", "evaluator=training", "dataset=npz", f"dataset.path={tmp_path / 'bright.npz'}")
    given = ("dataset.split=0.2", "dataset.target=value", "evaluator.recipe.epochs=10", "budget=3", "estimator=none")
    result = nas.run(*options, *given, "strategy=random", folder=tmp_path / "run")
    assert 0.5 < result.best.values["validation"] <= 1
    assert 0.5 < (result.test_accuracy or 0) <= 1
    assert result.record["measured_on"]["signal"] == "validation r2"
    with pytest.raises(UserError, match=r"the data set has values .* but classes are needed"):
        nas.run(*options, *given, "encoder=[graph,history]", "estimator=emprox", folder=tmp_path / "history")


def test_what_is_remarkable_of_a_data_set_is_said_once(unequal: NpzFile, caplog) -> None:
    told = remarks(unequal.load())
    assert told[0].startswith("the classes are unequal: 72 training images of 'common', 8 of 'rare'")
    assert "60 validation images only" in told[1]
    with caplog.at_level(logging.INFO, "nas"):
        make(NB101(max_vertices=4), dataset=unequal, recipe=Recipe(epochs=1, batch=16))
    assert caplog.text.count("the classes are unequal") == 1
