"""Batch-norm statistics that are computed anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import GRAPH, Pixels, images

from nas.errors import UserError
from nas.training import FreshAccuracy, Part, Recipe, recalibrated, score, train

RECIPE = Recipe(epochs=2, batch=10, shift=0, learning_rate=0.1)


def test_the_statistics_are_those_of_all_training_images_and_afterwards_what_they_were() -> None:
    data = images(train=10)
    network = Pixels(normed=True).network(GRAPH, [torch.Generator().manual_seed(0)] * 2)
    norm = network.features[0]
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    with recalibrated(network, Part(*data.on("cpu")["train"])):
        assert not network.training
        moments = data.x_train.mean((0, 2, 3)), data.x_train.var((0, 2, 3), ddof=1)
        mean, variance = (np.tile(moment, 2) for moment in moments)
        np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(norm.running_var.numpy(), variance, rtol=1e-4)
    assert norm.momentum == 0.1
    for name, buffer in norm.named_buffers():
        assert torch.equal(buffer, before[name])
    assert not network.training


def test_many_images_are_taken_in_parts_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = images(train=600)
    network = Pixels(normed=True).network(GRAPH, [torch.Generator().manual_seed(0)])
    seen: list[int] = []
    network.features[0].register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    with recalibrated(network, Part(*data.on("cpu")["train"])):
        np.testing.assert_allclose(network.features[0].running_mean.numpy(), data.x_train.mean((0, 2, 3)), atol=1e-6)
    assert seen == [200, 200, 200]


def test_it_ends_where_scoring_raises() -> None:
    network = Pixels(normed=True).network(GRAPH, [torch.Generator().manual_seed(0)])
    with pytest.raises(KeyError), recalibrated(network, Part(*images().on("cpu")["train"])):
        raise KeyError
    assert network.features[0].momentum == 0.1
    assert not network.features[0].running_mean.any()


def test_the_fresh_accuracy_is_measured_once_and_changes_nothing() -> None:
    data, recipe = images(train=20), Recipe(epochs=3, batch=10, shift=0, learning_rate=0.1)
    given = GRAPH, data, Pixels(normed=True), recipe, [0, 1]
    blind, _ = train(*given)
    curves, _ = train(*given, observer=FreshAccuracy(2))
    np.testing.assert_array_equal(curves.valid_loss, blind.valid_loss)
    assert np.isnan(curves.observed["fresh_accuracy"]).tolist() == [[True, False, True]] * 2
    first, state = train(*given, until=1, observer=FreshAccuracy(None))
    assert np.isnan(first.observed["fresh_accuracy"]).all()
    on, _ = train(*given, state=state, observer=FreshAccuracy(2))
    np.testing.assert_array_equal(on.observed["fresh_accuracy"], curves.observed["fresh_accuracy"])
    _, second = train(*given, until=2)
    network = given[2].network(GRAPH, [torch.Generator()] * 2)
    network.load_state_dict(
        {name: torch.from_numpy(second.tensors[f"weights.{name}"]) for name in network.state_dict()}
    )
    parts = {name: Part(*tensors) for name, tensors in data.on("cpu").items()}
    with recalibrated(network, parts["train"]):
        fresh = score(network, parts["valid"]).correct / 300
    np.testing.assert_allclose(curves.observed["fresh_accuracy"][:, 1], fresh, rtol=1e-6)


def test_a_state_without_the_fresh_accuracy_that_is_wanted_is_refused() -> None:
    given = GRAPH, images(), Pixels(), RECIPE, [0]
    _, blind = train(*given, until=1)
    with pytest.raises(UserError, match=r"^the state's curves\.observed\.fresh_accuracy is missing"):
        train(*given, state=blind, observer=FreshAccuracy(2))
    _, late = train(*given, until=1, observer=FreshAccuracy(2))
    with pytest.raises(UserError, match=r"^the state has no fresh_accuracy after epoch 1: start without this state$"):
        train(*given, until=1, state=late, observer=FreshAccuracy(1))
