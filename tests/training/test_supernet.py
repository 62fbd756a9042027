"""A supernet's training against one by hand, and what cannot be trained."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from nas.errors import OptionError
from nas.networks.supernet import Supernet
from nas.training import SupernetRecipe, shared_accuracy, train_supernet

RECIPE = SupernetRecipe(
    epochs=3, batch=4, learning_rate=0.5, last_rate=0.1, clip=1.0, momentum=0.8, weight_decay=0.01, shift=0
)


def trained(recipe: SupernetRecipe) -> tuple[Supernet, np.ndarray, np.ndarray]:
    """Softmax regression, its weights before, and images."""
    supernet = Supernet(tiny.PixelNetwork(tiny.GRAPH, tiny.Pixels(), [torch.Generator().manual_seed(3)]))
    before, images = weights(supernet), tiny.images(train=10)
    steps = recipe.epochs * (10 // recipe.batch)
    graphs = tiny.GRAPH.take(np.zeros(steps, dtype=int))
    generator = torch.Generator().manual_seed(4)
    train_supernet(supernet, graphs, images.x_train, images.y_train, recipe, False, generator)
    return supernet, before, weights(supernet)


def weights(supernet: Supernet) -> np.ndarray:
    dense = supernet.network.dense
    parts = dense.weight.detach().reshape(tiny.CLASSES, -1), dense.bias.detach()[:, None]
    return torch.cat(parts, dim=1).double().numpy()


def test_it_is_sgd_with_momentum_clipped_gradients_and_a_cosine() -> None:
    images = tiny.images(train=10)
    _, weight, after = trained(RECIPE)
    generator = torch.Generator().manual_seed(4)
    momentum, clipped = np.zeros_like(weight), 0
    for step in range(6):
        if step % 2 == 0:
            order = torch.randperm(10, generator=generator).numpy()
        rows = order[4 * (step % 2) :][:4]
        _, _, gradient = tiny.regression(weight, images.x_train[rows], images.y_train[rows])
        norm = np.linalg.norm(gradient)
        clipped += norm > 1
        rate = 0.1 + 0.4 * (1 + np.cos(np.pi * step / 6)) / 2
        momentum = 0.8 * momentum + gradient * min(1, 1 / norm) + 0.01 * weight
        weight = weight - rate * momentum
    assert clipped > 0
    assert after == pytest.approx(weight, rel=1e-4, abs=1e-5)


def test_accuracy_is_the_share_of_images_that_are_right() -> None:
    supernet, _, after = trained(RECIPE)
    images = tiny.images(valid=1030)
    _, right, _ = tiny.regression(after, images.x_valid, images.y_valid)
    assert shared_accuracy(supernet, tiny.GRAPH, images.x_valid, images.y_valid) == pytest.approx(right.mean())


def test_a_training_that_diverged_is_told() -> None:
    with pytest.raises(OptionError, match="^recipe.learning_rate is 1e[+]38, with which the training diverged$"):
        trained(SupernetRecipe(epochs=5, batch=4, learning_rate=1e38, clip=1e30))
