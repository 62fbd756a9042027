"""The clock of a training, and who looks at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import GRAPH, PIXELS, Pixels, images
from torch import nn

from nas.errors import UserError
from nas.networks.classifier import Classifier
from nas.training import Curves, Part, Recipe, State, train

SEEDS = [5, 9]
PLAIN = Recipe(epochs=5, batch=4, shift=0, learning_rate=0.3, momentum=0.8, weight_decay=0.2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the loop's clock."""
    now = [100.0]
    monkeypatch.setattr("nas.training.loop.perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize(("training", "steps"), [(True, 3), (False, 4)])
def test_the_time_limit_ends_a_step_or_an_epoch_that_goes_beyond(
    clock: list[float], training: bool, steps: int
) -> None:
    modes = []

    def slow(module: nn.Module) -> None:
        modes.append(module.training)
        clock[0] += 2 * (module.training == training)

    def run(limit: float) -> None:
        train(GRAPH, images(valid=5), Pixels(hook=slow), replace(PLAIN, epochs=2), [0], time_limit=limit)

    with pytest.raises(TimeoutError, match=r"^not trained within 3.5 seconds$"):
        run(3.5)
    assert sum(modes) == steps - training
    run(8)  # two epochs, of two slow batches each or of one


def test_seconds_are_those_since_the_start_and_go_on_with_a_state(clock: list[float]) -> None:
    def slow(module: nn.Module) -> None:
        clock[0] += 1

    skeleton = Pixels(hook=slow)
    once, _ = train(GRAPH, images(valid=5), skeleton, PLAIN, [0])
    np.testing.assert_array_equal(once.seconds, [3, 6, 9, 12, 15])  # two steps, and valid; test is nobody's
    _, state = train(GRAPH, images(valid=5), skeleton, PLAIN, [0], until=3)
    clock[0] += 1000
    curves, _ = train(GRAPH, images(valid=5), skeleton, PLAIN, [0], state=state)
    np.testing.assert_array_equal(curves.seconds, once.seconds)
    with pytest.raises(TimeoutError):
        train(GRAPH, images(valid=5), skeleton, PLAIN, [0], state=state, time_limit=9)


def test_after_each_epoch_what_was_seen_is_told() -> None:
    told: list[Curves] = []
    states: list[State] = []

    def tell(seen: Curves, state: Callable[[], State]) -> None:
        told.append(seen)
        states.append(state())

    curves, state = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, until=3, on_epoch=tell)
    assert [len(seen.seconds) for seen in told] == [1, 2, 3]
    np.testing.assert_array_equal(told[1].valid_loss, curves.valid_loss[:, :2])
    assert [one.epochs for one in states] == [1, 2, 3]
    again, last = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, until=3, state=states[0])
    np.testing.assert_array_equal(again.valid_loss, curves.valid_loss)
    np.testing.assert_array_equal(last.tensors["weights.dense.weight"], state.tensors["weights.dense.weight"])
    told.clear()
    train(GRAPH, images(), Pixels(), PLAIN, SEEDS, until=4, state=state, on_epoch=tell)
    assert [len(seen.seconds) for seen in told] == [4]


def test_what_happens_after_an_epoch_and_the_scoring_of_test_images_take_no_time(clock: list[float]) -> None:
    scored: list[int] = []

    def look(module: nn.Module) -> None:
        scored.append(not module.training)
        clock[0] += 1

    def wait(seen: Curves, state: Callable[[], State]) -> None:
        clock[0] += 100

    data = images(valid=5)
    curves, state = train(GRAPH, data, Pixels(hook=look), PLAIN, [0], on_epoch=wait)
    np.testing.assert_array_equal(curves.seconds, [3, 6, 9, 12, 15])
    assert sum(scored) == 5 + 1  # validation images after each epoch, test images once
    assert state.seconds == 15
    untested, _ = train(GRAPH, data, Pixels(hook=look), PLAIN, [0], test=False)
    assert sum(scored) == 2 * 5 + 1
    assert curves.images == (8, 5, 5)
    assert untested.images == (8, 5, 0)
    assert np.isnan(untested.accuracy("test")).all()


class Sums:
    """Remembers how many steps and epochs there were, and the sum of the weights at each."""

    def __init__(self) -> None:
        self.seen = np.zeros(3)

    def after_step(self, network: Classifier) -> None:
        assert network.training
        self.seen += [1, 0, float(network.dense.weight.detach().sum())]

    def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> Mapping[str, torch.Tensor]:
        assert not network.training
        assert [len(part) for part in parts.values()] == [10, 300, 5]
        self.seen[1] += 1
        return {"sum": torch.full((network.copies,), self.seen[2]), "epoch": torch.arange(2) + self.seen[1]}

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {"observer.seen": self.seen.copy()}

    def restore(self, state: State) -> None:
        self.seen = state.tensor("observer.seen", (3,), np.dtype(np.float64)).copy()


def test_an_observer_sees_each_step_and_epoch_and_goes_on_with_a_state() -> None:
    observer, unseen = Sums(), train(GRAPH, images(), Pixels(), PLAIN, SEEDS)[0]
    whole, _ = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, observer=observer)
    np.testing.assert_array_equal(observer.seen[:2], [10, 5])
    np.testing.assert_array_equal(whole.observed["epoch"], [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]])
    np.testing.assert_array_equal(whole.valid_loss, unseen.valid_loss)
    _, state = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, until=2, observer=Sums())
    on, _ = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, state=state, observer=Sums())
    for name, seen in whole.observed.items():
        np.testing.assert_array_equal(on.observed[name], seen)
    _, blind = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, until=2)
    with pytest.raises(UserError, match=r"^the state's observer\.seen is missing"):
        train(GRAPH, images(), Pixels(), PLAIN, SEEDS, state=blind, observer=Sums())


def test_its_seconds_are_the_trainings(clock: list[float]) -> None:
    class Slow(Sums):
        def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> Mapping[str, torch.Tensor]:
            clock[0] += 7
            return {}

    curves, _ = train(GRAPH, images(), Pixels(), PLAIN, SEEDS, observer=Slow())
    np.testing.assert_array_equal(curves.seconds, [7, 14, 21, 28, 35])


def test_augmentation_in_parts_is_augmentation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(PLAIN, epochs=2, batch=2, shift=1, flip=True, cutout=2)
    whole, _ = train(GRAPH, images(), Pixels(), recipe, SEEDS)
    monkeypatch.setattr("nas.training.loop._AUGMENTED", 2 * 2 * 2 * PIXELS)  # two batches of two images, two copies
    parts, _ = train(GRAPH, images(), Pixels(), recipe, SEEDS)
    np.testing.assert_array_equal(parts.train_loss, whole.train_loss)


def test_images_stay_on_the_device() -> None:
    data = images()
    first, second = data.on("cpu"), data.on("cpu")
    assert first is second
    assert all((data.part(name)[0] == tensor.numpy()).all() for name, (tensor, _) in first.items())


def test_what_a_callback_raises_ends_the_training() -> None:
    told: list[int] = []

    def stop(seen: Curves, state: Callable[[], State]) -> None:
        told.append(len(seen.seconds))
        if len(seen.seconds) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(GRAPH, images(), Pixels(), PLAIN, [0], on_epoch=stop)
    assert told == [1, 2]
