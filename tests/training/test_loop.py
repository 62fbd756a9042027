"""The loop against its computation by hand, on the smallest network that can be trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from tiny import CLASSES, GRAPH, PIXELS, ByHand, Pixels, images, regression
from torch import nn

from nas.errors import UserError
from nas.training import Recipe, train
from nas.training.curves import Record

SEEDS = [5, 9]


def plain(**options: Any) -> Recipe:
    """A recipe without augmentation."""
    return Recipe(**{"shift": 0, "learning_rate": 0.1, **options})


PLAIN = plain(epochs=5, batch=4, learning_rate=0.3, momentum=0.8, weight_decay=0.2)
STILL = plain(epochs=6, batch=10, learning_rate=1e-30)  # too little to change a float32


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"noise": 0.5}, {"shift": 1}, {"flip": True}, {"cutout": 2}, {"momentum": 0.1, "weight_decay": 0.0},
        {"label_smoothing": 0.3}, {"warmup": 2.5}, {"averaging": 1.5}, {"averaging": 40.0, "label_smoothing": 0.1},
    ],
    ids=str,
)  # fmt: skip
def test_every_step_is_that_of_nesterov_with_weight_decay_on_a_cosine(changes: dict[str, float]) -> None:
    recipe = replace(PLAIN, **changes)
    data = images(train=11)  # 3 of them are left out: a batch less one
    _, state = train(GRAPH, data, Pixels(), recipe, SEEDS, until=1)
    curves, last = train(GRAPH, data, Pixels(), recipe, SEEDS)
    hand = ByHand.of(state)
    assert hand.step == 2  # of 4 images each
    assert (hand.average is None) == (not recipe.averaging)
    for epoch in range(1, recipe.epochs):
        loss, correct = hand.epoch(data, recipe)
        np.testing.assert_allclose(curves.train_loss[:, epoch], loss, rtol=1e-5)
        np.testing.assert_array_equal(curves.train_correct[:, epoch], correct)
        measured = hand.weight if hand.average is None else hand.average
        scored = [regression(weight, *data.part("valid"))[:2] for weight in measured]
        np.testing.assert_allclose(curves.valid_loss[:, epoch], [loss.mean() for loss, _ in scored], rtol=1e-5)
        np.testing.assert_array_equal(curves.valid_correct[:, epoch], [c.sum() for _, c in scored])
    scored = [regression(weight, *data.part("test"))[:2] for weight in measured]
    np.testing.assert_allclose(curves.test_loss, [loss.mean() for loss, _ in scored], rtol=1e-5)
    np.testing.assert_array_equal(curves.test_correct, [c.sum() for _, c in scored])
    then = ByHand.of(last)
    np.testing.assert_allclose(then.weight, hand.weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(then.momentum, hand.momentum, rtol=1e-4, atol=1e-6)
    assert last.tensors["schedule.learning_rate"] == pytest.approx(0, abs=1e-15)
    assert curves.images == (8, 300, 5)
    assert curves.parameters == 39


def test_the_first_step_starts_the_momentum_with_the_gradient() -> None:
    recipe = replace(PLAIN, epochs=1, batch=10)  # all images in one step: their order does not matter
    _, state = train(GRAPH, images(), Pixels(), recipe, SEEDS)
    hand = ByHand.of(state)
    before = hand.weight + recipe.learning_rate * (1 + recipe.momentum) * hand.momentum
    for weight, momentum in zip(before, hand.momentum, strict=True):
        gradient = regression(weight, images().x_train, images().y_train)[2] + recipe.weight_decay * weight
        np.testing.assert_allclose(momentum, gradient, rtol=1e-4, atol=1e-6)


def test_without_momentum_it_is_plain_descent() -> None:
    recipe = replace(PLAIN, epochs=2, batch=10, momentum=0.0, weight_decay=0.0)
    _, state = train(GRAPH, images(), Pixels(), recipe, SEEDS, until=1)
    curves, _ = train(GRAPH, images(), Pixels(), recipe, SEEDS)
    assert not [name for name in state.tensors if name.startswith("momentum.")]
    for copy, flat in enumerate(state.tensors["weights.dense.weight"].reshape(2, CLASSES, PIXELS)):
        bias = state.tensors["weights.dense.bias"].reshape(2, CLASSES, 1)[copy]
        loss, _, _ = regression(np.concatenate([flat, bias], axis=1), images().x_train, images().y_train)
        np.testing.assert_allclose(curves.train_loss[copy, 1], loss.mean(), rtol=1e-5)


def test_a_seed_and_a_graph_decide_the_weights_and_the_order() -> None:
    _, state = train(GRAPH, images(), Pixels(), replace(STILL, epochs=1), SEEDS)
    network = int.from_bytes(bytes([0b01000100, 0, 1, 3, 2]), "little")  # edges row by row; input, convolution, output
    for copy, seed in enumerate(SEEDS):
        weights, order = np.random.SeedSequence([seed, network]).generate_state(2, np.uint64).tolist()
        drawn = torch.empty(CLASSES, PIXELS).uniform_(
            -(PIXELS**-0.5), PIXELS**-0.5, generator=torch.Generator().manual_seed(weights)
        )
        np.testing.assert_array_equal(
            state.tensors["weights.dense.weight"].reshape(2, CLASSES, PIXELS)[copy], drawn.numpy()
        )
        generator = torch.Generator().manual_seed(order)
        torch.randperm(10, generator=generator)
        np.testing.assert_array_equal(state.tensors["orders"][copy], generator.get_state().numpy())


def test_batches_are_normalised_in_training_and_by_what_was_seen_in_scoring() -> None:
    curves, state = train(GRAPH, images(), Pixels(normed=True), STILL, [0])
    x, y = images().x_train, images().y_train
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3), dtype=np.float64)
    weight = np.concatenate(
        [state.tensors["weights.dense.weight"][:, :, 0, 0], state.tensors["weights.dense.bias"][:, None]], axis=1
    )

    def loss(x: np.ndarray, y: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> float:
        scaled = (x - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
        return float(regression(weight, scaled, y)[0].mean())

    running = np.zeros(2), np.ones(2)
    count = x.size / 2
    for epoch in range(STILL.epochs):
        assert curves.train_loss[0, epoch] == pytest.approx(loss(x, y, mean, variance), rel=1e-5)
        running = 0.9 * running[0] + 0.1 * mean, 0.9 * running[1] + 0.1 * variance * count / (count - 1)
        assert curves.valid_loss[0, epoch] == pytest.approx(loss(*images().part("valid"), *running), rel=1e-5)
    assert curves.test_loss[0] == pytest.approx(loss(*images().part("test"), *running), rel=1e-5)
    assert state.tensors["weights.features.0.num_batches_tracked"] == STILL.epochs


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_patience_counts_the_epochs_without_a_lower_loss(patience: int) -> None:
    curves, state = train(GRAPH, images(), Pixels(), STILL, SEEDS, patience=patience)
    assert curves.valid_loss.shape == (2, patience + 1)
    assert state.epochs == patience + 1
    curves, _ = train(GRAPH, images(), Pixels(), STILL, SEEDS, patience=patience, state=state)
    assert curves.valid_loss.shape == (2, patience + 1)


def test_patience_waits_while_the_mean_loss_falls() -> None:
    recipe = replace(PLAIN, batch=10, learning_rate=0.1, momentum=0.0)
    curves, _ = train(GRAPH, images(), Pixels(), recipe, SEEDS, patience=1)
    assert (np.diff(curves.valid_loss.mean(axis=0)) < 0).all()
    assert curves.valid_loss.shape == (2, 5)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_patience_is_over_when_the_best_epoch_is_so_many_epochs_ago(patience: int) -> None:
    for losses in product([1.0, 2.0, 3.0], repeat=5):
        record = Record((1, 1, 1), 1, 1)
        assert not record.stalled(patience)
        for epoch, loss in enumerate(losses):
            record.add("valid", torch.tensor([loss - 1, loss + 1]), torch.zeros(2))
            assert record.stalled(patience) == (epoch - np.argmin(losses[: epoch + 1]) >= patience), losses
            assert not record.stalled(None)


@pytest.mark.parametrize(("threads", "meanwhile"), [({}, 1), ({"threads": 2}, 2), ({"threads": None}, 3)])
def test_threads_are_as_asked_meanwhile_and_as_before_afterwards(
    threads: dict[str, int | None], meanwhile: int
) -> None:
    seen = set()

    def look(module: nn.Module) -> None:
        seen.add(torch.get_num_threads())
        if not module.training:
            raise ArithmeticError

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(ArithmeticError):
            train(GRAPH, images(), Pixels(hook=look), STILL, [0], **threads)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == {meanwhile}


@pytest.mark.parametrize("until", [0, 6])
def test_until_beyond_the_recipe_is_refused(until: int) -> None:
    with pytest.raises(UserError, match=rf"^until is {until}, must be 1..5, the epochs of the state and of the recipe"):
        train(GRAPH, images(), Pixels(), PLAIN, [0], until=until)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_trains_the_same_up_to_half_precision_and_goes_on_from_the_cpu() -> None:
    once, _ = train(GRAPH, images(), Pixels(), PLAIN, SEEDS)
    _, state = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, until=2)
    for start in (None, state):
        curves, last = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, "cuda", state=start)
        np.testing.assert_allclose(curves.train_loss, once.train_loss, rtol=0.05)
        np.testing.assert_allclose(curves.valid_loss, once.valid_loss, rtol=0.05)
        assert last.epochs == 5
