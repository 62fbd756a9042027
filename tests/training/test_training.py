from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nas.datasets import Digits, Images
from nas.errors import UserError
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.spaces import NB101
from nas.training import Curves, Recipe, train

SKELETON = Skeleton(4, 2, 1, 10, 1)
RECIPE = Recipe(epochs=2, shift=1, noise=0.1, cutout=2, flip=True)


@pytest.fixture(scope="module")
def images() -> Images:
    images = Digits(train=160, valid=100).load()
    return replace(images, x_test=images.x_test[:100], y_test=images.y_test[:100])


@pytest.fixture(scope="module")
def graph() -> Graphs:
    space = NB101(max_vertices=5)
    return space.graphs(space.enumerate()[1294:1295])


def same(one: Curves, other: Curves) -> bool:
    return all(
        np.array_equal(value, vars(other)[name])
        for name, value in vars(one).items()
        if name not in ("seconds", "images")
    )


def test_same_seeds_give_the_same_result_bit_for_bit(graph: Graphs, images: Images) -> None:
    torch.manual_seed(1)
    one, _ = train(graph, images, SKELETON, RECIPE, [3, 4])
    torch.manual_seed(2)
    assert same(one, train(graph, images, SKELETON, RECIPE, [3, 4])[0])
    assert not same(one, train(graph, images, SKELETON, RECIPE, [3, 5])[0])


def test_jointly_is_apart_up_to_rounding(graph: Graphs, images: Images) -> None:
    together, _ = train(graph, images, SKELETON, replace(RECIPE, epochs=1), [3, 4])
    for copy, seed in enumerate([3, 4]):
        apart, _ = train(graph, images, SKELETON, replace(RECIPE, epochs=1), [seed])
        np.testing.assert_allclose(together.train_loss[copy], apart.train_loss[0], rtol=0.01)
        np.testing.assert_allclose(together.valid_loss[copy], apart.valid_loss[0], rtol=0.05)
    assert together.parameters == apart.parameters == SKELETON.parameters(graph)[0]


def test_copies_with_the_same_seed_are_the_same(graph: Graphs, images: Images) -> None:
    curves, _ = train(graph, images, SKELETON, RECIPE, [3, 3])
    np.testing.assert_allclose(curves.valid_loss[0], curves.valid_loss[1], rtol=1e-3)


def test_it_learns(graph: Graphs, images: Images) -> None:
    curves, _ = train(graph, images, Skeleton(8, 2, 1, 10, 1), Recipe(epochs=12, learning_rate=0.1, shift=0), [0])
    assert curves.accuracy("valid")[0, -1] > 0.3  # guessing has 0.1
    assert curves.accuracy("test")[0] > 0.3
    assert curves.train_loss[0, -1] < 0.8 * curves.train_loss[0, 0]
    assert np.all(np.diff(curves.seconds) > 0)


def test_accuracy_is_the_share_of_the_images_seen(graph: Graphs, images: Images) -> None:
    curves, _ = train(graph, images, SKELETON, replace(RECIPE, batch=100), [0])  # 160 images: one batch of 100
    assert curves.images == (100, 100, len(images.y_test))
    np.testing.assert_array_equal(curves.accuracy("train"), curves.train_correct / 100)
    assert curves.train_correct.shape == (1, 2)


def test_without_test_images_its_accuracy_is_unknown(graph: Graphs, images: Images) -> None:
    curves, _ = train(graph, replace(images, x_test=images.x_test[:0], y_test=images.y_test[:0]), SKELETON, RECIPE, [0])
    assert np.isnan(curves.accuracy("test")).all()
    assert np.isfinite(curves.accuracy("valid")).all()
    assert not curves.diverged


def test_divergence_of_one_copy_is_seen_and_leaves_the_others_alone(graph: Graphs, images: Images) -> None:
    curves, _ = train(graph, images, SKELETON, Recipe(epochs=2, learning_rate=1e30), [0])
    assert curves.diverged


def test_other_cells_get_other_random_numbers(images: Images) -> None:
    space = NB101(max_vertices=5)
    archs = space.enumerate()
    first, second = archs[(SKELETON.parameters(space.graphs(archs)) == 342).nonzero()[0]][:2]
    one, _ = train(space.graphs(first[None]), images, SKELETON, Recipe(epochs=1), [0])
    other, _ = train(space.graphs(second[None]), images, SKELETON, Recipe(epochs=1), [0])
    assert not same(one, other)


def test_the_same_cell_in_a_larger_space_trains_the_same(images: Images) -> None:
    curves = []
    for vertices in (5, 7):
        space = NB101(max_vertices=vertices)
        arch = np.zeros((1, len(space.genes)), dtype=np.uint8)
        names = [gene.name for gene in space.genes]
        arch[0, [names.index("0->1"), names.index(f"1->{vertices - 1}")]] = 1
        curves.append(train(space.graphs(arch), images, SKELETON, RECIPE, [0])[0])
    assert same(*curves)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "^epochs is 0, must be at least 1"),
        ({"batch": 1}, "^batch is 1, must be at least 2"),
        ({"learning_rate": 0.0}, "^learning_rate is 0.0, must be above 0"),
        ({"momentum": 1.0}, "^momentum is 1.0, must be at least 0 and below 1"),
        ({"noise": float("nan")}, "^noise is nan, must be a finite number"),
    ],
)
def test_recipe_refuses_what_is_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Recipe(**options)


@pytest.mark.parametrize(
    ("skeleton", "batch", "message"),
    [
        (Skeleton(4, 1, 1, 10, 3), 32, "^image_channels is 3, but the images need 1"),
        (Skeleton(4, 1, 1, 9, 1), 32, "^classes is 9, but the images need 10"),
        (SKELETON, 161, "^batch is 161, must be at most 160"),
    ],
)
def test_what_does_not_fit_is_refused(
    graph: Graphs, images: Images, skeleton: Skeleton, batch: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(graph, images, skeleton, Recipe(batch=batch), [0])


def test_patience_stops_a_training_that_gets_no_better(graph: Graphs, images: Images) -> None:
    recipe = Recipe(epochs=6, learning_rate=1e-12)  # nothing is learned; only the running statistics settle
    full, _ = train(graph, images, SKELETON, recipe, [0, 1])
    stopped, _ = train(graph, images, SKELETON, recipe, [0, 1], patience=1)
    epochs = stopped.valid_correct.shape[1]
    assert stopped.seconds.shape == (epochs,)
    np.testing.assert_array_equal(stopped.valid_correct, full.valid_correct[:, :epochs])
    loss = full.valid_loss.mean(axis=0)
    worse = [loss[epoch] >= loss[:epoch].min() for epoch in range(1, 6)]
    assert epochs == (worse.index(True) + 2 if any(worse) else 6)
