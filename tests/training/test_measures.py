"""What a training is measured by, against its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import GRAPH, Pixels, images

from nas.datasets import Images
from nas.errors import UserError
from nas.training import Recipe, train
from nas.training.measures import measure_of, measured

RECIPE = Recipe(epochs=4, batch=5, shift=0, learning_rate=0.3)


def test_measures_are_what_their_definitions_say() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    predicted = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [1, 0], [0, 0], [2, 0], [2, 0]])
    np.testing.assert_allclose(measured("accuracy", predicted, labels), [6 / 8, 4 / 8])
    np.testing.assert_allclose(measured("balanced_accuracy", predicted, labels), [(3 / 4 + 1 / 2 + 1) / 3, 1 / 3])
    f1 = [(2 * 3 / (4 + 4) + 2 * 1 / (2 + 2) + 1) / 3, (2 * 4 / (8 + 4)) / 3]
    np.testing.assert_allclose(measured("macro_f1", predicted, labels), f1)
    values = np.array([1.0, 2.0, 4.0])
    told = np.array([[1.0, 7 / 3, np.nan], [2.0, 7 / 3, 0.0], [3.0, 7 / 3, 0.0]])
    r2 = measured("r2", told, values)
    np.testing.assert_allclose(r2[:2], [1 - 1 / (16 / 9 + 1 / 9 + 25 / 9), 0], atol=1e-12)
    assert np.isnan(r2[2])
    assert np.isnan(measured("accuracy", predicted[:0], labels[:0])).all()


def test_a_measure_must_fit_the_target() -> None:
    assert (measure_of("class", None), measure_of("value", None)) == ("accuracy", "r2")
    with pytest.raises(UserError, match="measure is r2, but the target is a class: must be accuracy or balanced_acc"):
        measure_of("class", "r2")


def values_of(data: Images) -> Images:
    """The same images, to be told a linear function of their pixels."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=data.x_train[0].size).astype(np.float32)
    parts = {
        f"y_{part}": data.part(part)[0].reshape(-1, len(weight)) @ weight / 4 for part in ("train", "valid", "test")
    }
    return replace(data, names=None, **parts)


def test_values_are_learned_by_squared_error() -> None:
    data = values_of(images(train=200))
    recipe = Recipe(epochs=30, batch=10, shift=0, learning_rate=0.02, weight_decay=0.0)
    curves, _ = train(GRAPH, data, Pixels(classes=1), recipe, [0, 1])
    assert curves.measure == "r2"
    assert curves.valid_loss.shape == curves.valid_value.shape == (2, 30)
    np.testing.assert_allclose(curves.valid_value, 1 - curves.valid_loss / data.y_valid.var(), atol=1e-4)
    np.testing.assert_allclose(curves.test_value, 1 - curves.test_loss / data.y_test.var(), atol=1e-4)
    assert (curves.valid_value[:, -1] > 0.95).all()
    assert not curves.valid_correct.any()


def test_classes_of_equal_weight_are_each_learned() -> None:
    """Of 300 images 30 are of the two rare classes: weighted, more of these are told correctly."""
    rng = np.random.default_rng(1)
    data = images(train=300, valid=300)
    labels = {"y_train": rng.permutation(np.repeat([0, 1, 2], [270, 15, 15]))}
    data = replace(data, **labels, x_train=data.x_train + labels["y_train"][:, None, None, None].astype(np.float32))
    shifted = data.x_valid + data.y_valid[:, None, None, None].astype(np.float32)
    data = replace(data, x_valid=shifted)
    recipe = replace(RECIPE, batch=30, learning_rate=0.02)
    plain, _ = train(GRAPH, data, Pixels(), recipe, [0], measure="balanced_accuracy")
    fair, _ = train(GRAPH, data, Pixels(), replace(recipe, class_weights="balanced"), [0], measure="balanced_accuracy")
    assert fair.valid_value[0, -1] > plain.valid_value[0, -1] + 0.1


def test_the_weights_of_the_best_epoch_are_those_that_are_tested() -> None:
    data = images(train=10, valid=40)
    recipe = replace(RECIPE, epochs=8, learning_rate=2.0)  # too much: it goes up and down
    last, _ = train(GRAPH, data, Pixels(), recipe, [3])
    place = int(last.valid_value[0].argmax())
    assert place < 7, "choose a seed of which the last epoch is not the best"
    kept, whole = train(GRAPH, data, Pixels(), recipe, [3], keep_best=True)
    there, _ = train(GRAPH, data, Pixels(), recipe, [3], until=place + 1)
    assert kept.test_loss == there.test_loss != last.test_loss
    np.testing.assert_array_equal(kept.valid_value, last.valid_value)
    _, half = train(GRAPH, data, Pixels(), recipe, [3], keep_best=True, until=place + 2)
    again, end = train(GRAPH, data, Pixels(), recipe, [3], keep_best=True, state=half)
    assert again.test_loss == kept.test_loss
    assert end.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert name == "curves.seconds" or np.array_equal(tensor, end.tensors[name])


def test_a_recipe_tells_what_it_always_had_and_what_is_not_as_it_was() -> None:
    assert "warmup" not in Recipe().told()
    assert Recipe(warmup=2).told()["warmup"] == 2
    assert list(Recipe().told())[:2] == ["epochs", "batch"]
