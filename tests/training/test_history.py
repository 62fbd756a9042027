"""What the history of outputs tells, against the same by hand; it goes on with a state; it fits in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cells import graph
from numpy.typing import NDArray
from tiny import CLASSES, GRAPH, PIXELS, Pixels
from tiny import images as noise

from nas.datasets import Images
from nas.errors import UserError
from nas.networks import Skeleton
from nas.training import History, Recipe, State, load_state, save_state, train

SEEDS = [5, 9]
RECIPE = Recipe(epochs=5, batch=4, shift=0, learning_rate=0.3, momentum=0.8)
NAMES = ("fresh_accuracy", "fresh_loss", "consensus_accuracy", "consensus_loss")


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    likely = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = likely / likely.sum(axis=-1, keepdims=True)
    return shares


def by_hand(state: State, data: Images, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Soft-max outputs `(copies, images, classes)` behind a batch norm with statistics of all training images."""
    weight = state.tensors["weights.dense.weight"].reshape(len(SEEDS), CLASSES, PIXELS).astype(np.float64)
    bias = state.tensors["weights.dense.bias"].reshape(len(SEEDS), 1, CLASSES)
    mean, variance = (
        moment[None, :, None, None] for moment in (data.x_train.mean((0, 2, 3)), data.x_train.var((0, 2, 3), ddof=1))
    )
    scale, shift = (
        state.tensors[f"weights.features.0.{name}"].reshape(len(SEEDS), 1, -1, 1, 1) for name in ("weight", "bias")
    )
    normed = (data.x_valid[rows].astype(np.float64) - mean) / np.sqrt(variance + 1e-5) * scale + shift
    return softmax(np.einsum("snp,scp->snc", normed.reshape(len(SEEDS), len(rows), -1), weight) + bias)


@pytest.mark.parametrize("images", [None, 7])
def test_it_tells_of_the_last_outputs_and_of_the_mean_of_the_later_half(images: int | None) -> None:
    data = noise()
    rows = np.arange(300) if images is None else np.array([0, 42, 85, 128, 171, 214, 257])
    states: list[State] = []
    curves, _ = train(
        GRAPH, data, Pixels(normed=True), RECIPE, SEEDS, observer=History(data, 5, 2, images=images),
        on_epoch=lambda seen, state: states.append(state()),
    )  # fmt: skip
    unseen, _ = train(GRAPH, data, Pixels(normed=True), RECIPE, SEEDS)
    np.testing.assert_array_equal(curves.valid_loss, unseen.valid_loss)
    assert tuple(curves.observed) == NAMES
    outputs, labels = [by_hand(state, data, rows) for state in states], data.y_valid[rows]
    for epoch, first in enumerate([0, 1, 1, 2, 2]):  # epochs 1; 2; 2-3; 3-4; 3-5
        for name, mean in (("fresh", outputs[epoch]), ("consensus", np.mean(outputs[first : epoch + 1], axis=0))):
            np.testing.assert_allclose(
                curves.observed[f"{name}_accuracy"][:, epoch], (mean.argmax(axis=2) == labels).mean(axis=1)
            )
            loss = -np.log(mean[:, np.arange(len(labels)), labels]).mean(axis=1)
            np.testing.assert_allclose(curves.observed[f"{name}_loss"][:, epoch], loss, rtol=1e-4)
        kept = states[epoch].tensors["observer.outputs"]
        assert kept.shape == (epoch + 1 - first, len(rows), 2, CLASSES)
        np.testing.assert_allclose(kept[-1].transpose(1, 0, 2), outputs[epoch], rtol=1e-3, atol=1e-6)


def test_four_epochs_are_two_and_two_bit_for_bit(tmp_path: Path) -> None:
    data, recipe = noise(40, 30, 20, shape=(1, 8, 8), classes=10), Recipe(epochs=4, batch=16, shift=1)
    cell = graph([(0, 1), (0, 2), (1, 2), (2, 3)], 0, 2)
    given: tuple[Any, ...] = (cell, data, Skeleton(4, 2, 1, 10, 1), recipe, SEEDS)
    whole, end = train(*given, observer=History(data, 4, 2))
    _, half = train(*given, until=2, observer=History(data, 4, 2))
    save_state(tmp_path / "state", half)
    curves, again = train(*given, state=load_state(tmp_path / "state"), observer=History(data, 4, 2))
    for name in NAMES:
        np.testing.assert_array_equal(curves.observed[name], whole.observed[name])
    np.testing.assert_array_equal(again.tensors["observer.outputs"], end.tensors["observer.outputs"])
    np.testing.assert_array_equal(curves.valid_loss, whole.valid_loss)


def test_a_state_of_another_history_is_refused() -> None:
    data, short = noise(), replace(RECIPE, epochs=3)
    _, state = train(GRAPH, data, Pixels(), short, SEEDS, until=2, observer=History(data, 3, 2))
    with pytest.raises(
        UserError, match=r"^the state's observer\.outputs is float32 \(1, 300, 2, 3\), must be .* \(1, 9"
    ):
        train(GRAPH, data, Pixels(), short, SEEDS, state=state, observer=History(data, 3, 2, images=9))
    _, blind = train(GRAPH, data, Pixels(), short, SEEDS, until=2)
    with pytest.raises(UserError, match=r"^the state's observer\.outputs is missing"):
        train(GRAPH, data, Pixels(), short, SEEDS, state=blind, observer=History(data, 3, 2))


def test_a_history_that_does_not_fit_is_refused_before_it_starts() -> None:
    data = noise()
    image = 3 * 3 * 2 * 4  # epochs kept, classes, copies, bytes
    History(data, 5, 2, memory=300 * image / 2**30)
    with pytest.raises(UserError) as refused:
        History(data, 5, 2, memory=299.5 * image / 2**30)
    assert str(refused.value) == (
        "a history of 300 images, 3 classes, 5 epochs (the later half is kept) and 2 copies takes 2.01e-05 GiB, "
        "but 2.0083e-05 GiB are allowed: record at most 299 of the validation images"
    )
    History(data, 5, 2, images=299, memory=299.5 * image / 2**30)
    with pytest.raises(UserError, match=r"but 1e-09 GiB are allowed: allow more$"):
        History(data, 5, 2, memory=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 301}, r"^images is 301, must be 1\.\.300, the validation images$"),
        ({"images": 0}, r"^images is 0, must be at least 1, or null$"),
        ({"memory": 0.0}, r"^memory is 0\.0, must be above 0$"),
        ({"epochs": 0}, r"^epochs is 0, must be at least 1$"),
    ],
)
def test_options_out_of_their_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        History(noise(), **{"epochs": 2, **options})
