"""Batch-norm statistics that are computed anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import GRAPH, Pixels, images

from nas.training import Part, Recipe, recalibrated

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
