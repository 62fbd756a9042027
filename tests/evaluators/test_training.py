from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.datasets import Digits, Images, NpzFile
from nas.errors import UserError
from nas.evaluators import LocalExecutor, TrainingEvaluator
from nas.evaluators.candidate import train_candidate
from nas.networks import Skeleton
from nas.spaces import NB101
from nas.training import Recipe
from nas.types import Outcome

QUICK = Recipe(epochs=2)


def make(space: NB101, **options: object) -> TrainingEvaluator:
    given = {"dataset": Digits(64, 50), "skeleton": Skeleton(4, 2, 1), "recipe": QUICK, "device": "cpu", **options}
    return TrainingEvaluator(space, **given)  # type: ignore[arg-type]


@pytest.fixture
def archs(small_space: NB101) -> np.ndarray:
    return small_space.sample(3, np.random.default_rng(0))


def test_values_are_the_last_validation_accuracies_and_repeat_bit_for_bit(small_space: NB101, archs) -> None:
    evaluator = make(small_space)
    evaluation = evaluator.evaluate(archs)
    for arch, value, cost in zip(archs, evaluation.value, evaluation.cost, strict=True):
        outcome = evaluator.submit(arch).result()
        assert (outcome.value, outcome.error) == (value, None)
        assert min(outcome.cost, cost) > 0
        assert outcome.details is not None
        assert outcome.details["epochs"]["valid_accuracy"][-1] == pytest.approx(value, abs=1e-6)
        assert outcome.details["epochs"]["seconds"][-1] == pytest.approx(outcome.cost, abs=1e-6)
    again = make(small_space).evaluate(archs[::-1])
    np.testing.assert_array_equal(again.value[::-1], evaluation.value)
    assert (make(small_space, seed=1).evaluate(archs).value != evaluation.value).any()


def test_test_accuracy_is_told_with_the_outcome_where_there_are_test_images(
    small_space: NB101, archs, tmp_path: Path
) -> None:
    accuracy = make(small_space).submit(archs[0]).result().details["test_accuracy"]
    assert round(accuracy * (1797 - 114), 2) % 1 == 0  # a count of the 1,683 test images
    images = Digits(64, 50).load()
    parts = {name: getattr(images, name) for name in ("x_train", "y_train", "x_valid", "y_valid")}
    np.savez(tmp_path / "set.npz", **parts)
    evaluator = make(small_space, dataset=NpzFile(str(tmp_path / "set.npz")))
    assert evaluator.submit(archs[0]).result().details["test_accuracy"] is None
    assert np.isfinite(evaluator.evaluate(archs[:1]).value).all()
    assert evaluator.test(archs) is None
    assert evaluator.reference() is None


def test_details_are_plain_and_complete(small_space: NB101, archs) -> None:
    details = make(small_space).submit(archs[0]).result().details
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "test_accuracy", "seconds"):
        assert len(details["epochs"][name]) == QUICK.epochs
    assert details["test_accuracy"] == details["epochs"]["test_accuracy"][-1]


def test_divergence_is_an_outcome_with_its_reason(small_space: NB101, archs) -> None:
    evaluator = make(small_space, recipe=replace(QUICK, learning_rate=1e30))
    outcome = evaluator.submit(archs[0]).result()
    assert outcome.value is None
    assert outcome.error == "the loss became NaN or infinite"
    assert None in outcome.details["epochs"]["valid_loss"]
    json.dumps(outcome.details, allow_nan=False)
    assert np.isnan(evaluator.evaluate(archs[:1]).value).all()
    assert np.isfinite(evaluator.evaluate(archs[:1]).cost).all()
    assert outcome.details["test_accuracy"] is None


@dataclass(frozen=True)
class Broken:
    """Fails as a candidate that is too large would."""

    def load(self) -> Images:
        raise RuntimeError("out of\nmemory")


def test_what_a_candidate_raises_is_its_outcome(small_space: NB101, archs) -> None:
    job = make(small_space).job(archs[:1])
    outcome = train_candidate(job[0], Broken(), *job[2:])
    assert outcome == Outcome(None, error="RuntimeError: out of memory")


def test_a_mistake_of_the_user_is_none_of_the_candidate(small_space: NB101, archs) -> None:
    job = make(small_space).job(archs[:1])
    with pytest.raises(UserError, match="no data set at"):
        train_candidate(job[0], NpzFile("nowhere.npz"), *job[2:])


@dataclass(frozen=True)
class Incomplete:
    """What a worker meets that lacks a library."""

    def load(self) -> Images:
        raise ImportError("no libcudart")


def test_a_worker_that_cannot_train_anything_is_no_fault_of_the_candidate(small_space: NB101, archs) -> None:
    evaluator = make(small_space)
    evaluator.dataset = Incomplete()  # type: ignore[assignment]
    with pytest.raises(UserError, match="a worker cannot train .ImportError: no libcudart.: mend it, and continue"):
        evaluator.submit(archs[0]).result()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_worker_without_the_device_of_the_search_is_refused(small_space: NB101, archs) -> None:
    job = make(small_space).job(archs[:1])
    with pytest.raises(
        UserError, match=r"device 'cuda:1' does not exist: PyTorch sees no CUDA device on \S+; cpu and aut"
    ):
        train_candidate(*job[:6], ("cuda:1",), "cuda", *job[8:])


def test_a_worker_with_another_kind_of_device_than_the_search_is_refused(small_space: NB101, archs) -> None:
    job = make(small_space).job(archs[:1])
    with pytest.raises(
        UserError, match="a worker would train on cpu, but the search began with cuda: give all workers"
    ):
        train_candidate(*job[:6], ("cpu",), "cuda", *job[8:])


def test_a_worker_that_finds_another_data_set_is_refused(small_space: NB101, archs) -> None:
    job = make(small_space).job(archs[:1])
    with pytest.raises(UserError, match=r"Digits\(train=64, valid=51\) was loaded by a worker with SHA-256 .*, by the"):
        train_candidate(job[0], Digits(64, 51), *job[2:])


@pytest.mark.slow
def test_another_process_finds_the_same(small_space: NB101, archs) -> None:
    evaluator = make(small_space)
    job = evaluator.job(archs[:1])
    assert len(pickle.dumps(job)) < 10_000  # the images do not travel
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        outcome = pool.submit(train_candidate, *job).result()
    assert outcome.value == evaluator.evaluate(archs[:1]).value[0]


def test_identity_tells_apart_what_must_not_be_mixed(small_space: NB101) -> None:
    identities = [
        make(small_space, **changes).identity()
        for changes in (
            {},
            {"seed": 1},
            {"dataset": Digits(64, 51)},
            {"recipe": replace(QUICK, epochs=3)},
            {"skeleton": Skeleton(8, 2, 1)},
            {"threads": 2},
            {"patience": 1},
        )
    ]
    assert len({tuple(identity.items()) for identity in identities}) == len(identities)
    assert make(small_space).identity() == identities[0]
    assert all(type(value) is str for value in identities[0].values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, r"^seed is -1, must be at least 0"),
        ({"threads": 0}, r"^threads is 0, must be at least 1"),
        ({"device": "tpu"}, r"device 'tpu' is unknown, must be auto, cpu, cuda or one CUDA device such as cuda:1"),
        ({"device": "cuda:99"}, r"device 'cuda:99' does not exist: PyTorch sees"),
        ({"devices": ["cuda:98", "cuda:99"]}, r"device 'cuda:98' does not exist: PyTorch sees"),
        ({"devices": []}, r"devices are none, must be one or more of one kind"),
        (
            {"devices": ["cpu", "cuda"]},
            r"devices are cpu, cuda, must be one or more of one kind: .* cpu and cuda cannot",
        ),
        ({"devices": ["auto", "cpu"]}, r"devices are auto, cpu: auto stands for one device, name each"),
        ({"recipe": Recipe(batch=65)}, r"recipe\.batch is 65, must be at most 64: there are no more training images"),
        ({"dataset": NpzFile("nowhere.npz")}, r"no data set at nowhere\.npz"),
    ],
)
def test_options_out_of_range_are_refused(small_space: NB101, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(small_space, **options)


def test_workers_find_what_one_finds_and_outlive_their_death(small_space: NB101, archs) -> None:
    alone = make(small_space).evaluate(archs[:3]).value
    evaluator = make(small_space, workers=2)
    try:
        futures = [evaluator.submit(arch) for arch in archs[:3]]
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        children[0].kill()
        assert [future.result().value for future in futures] == alone.tolist()
        assert evaluator.deaths == 1
    finally:
        evaluator.close()


def test_a_candidate_over_its_time_has_failed(small_space: NB101, archs) -> None:
    evaluator = make(small_space, time_limit=1e-6)
    outcome = evaluator.submit(archs[0]).result()
    evaluator.close()
    assert outcome == Outcome(None, error="TimeoutError: not trained within 1e-06 seconds")


@dataclass(frozen=True)
class Stuck:
    """Digits that hang where the images are used, as in a kernel that never returns."""

    parent: int

    def load(self) -> Images:
        if os.getpid() != self.parent and multiprocessing.current_process().name.startswith("nas worker"):
            images = Digits(64, 50).load()
            return _Deaf(*(getattr(images, field.name) for field in fields(images)))
        return Digits(64, 50).load()


class _Deaf(Images):
    def part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name == "test" and "digest" in vars(self):  # the training takes it: no Python code runs any more
            ctypes.PyDLL(None).sleep(300)
        return super().part(name)


def test_a_candidate_that_hangs_beyond_its_time_has_failed_and_the_next_one_is_trained(
    small_space: NB101, archs
) -> None:
    evaluator = make(small_space, dataset=Stuck(os.getpid()), time_limit=0.5, executor=LocalExecutor(grace=0.5))
    try:
        outcomes = [evaluator.submit(arch) for arch in archs[:2]]
        for outcome in outcomes:
            error = "TimeoutError: over 0.5 seconds, and after 0.5 more its worker was killed"
            assert outcome.result(timeout=120) == Outcome(None, error=error)
    finally:
        evaluator.close()


@dataclass(frozen=True)
class NotPicklable:
    """A data set that cannot travel."""

    lock: object

    def load(self) -> Images:
        return Digits(64, 50).load()


def test_a_data_set_that_cannot_travel_to_workers_ends_the_search_with_one_line(small_space: NB101, archs) -> None:
    evaluator = make(small_space, dataset=NotPicklable(threading.Lock()), workers=2)
    with pytest.raises(UserError, match=r"cannot be pickled \(TypeError: cannot pickle '_thread.lock' object\): build"):
        evaluator.submit(archs[0])
    evaluator.close()


FRESH = """
import sys
import numpy as np
from test_training import make
from nas.evaluators import candidate
from nas.spaces import NB101

new, seconds = [], []
train = candidate.train

def watched(*args, **kwargs):
    before = set(sys.modules)
    curves = train(*args, **kwargs)
    new.append(len(set(sys.modules) - before))
    seconds.append(float(curves.seconds[-1]))
    return curves

candidate.train = watched
space = NB101(max_vertices=5)
evaluator = make(space)
outcomes = [evaluator.submit(arch).result() for arch in space.sample(2, np.random.default_rng(0))]
print(new[0] > 0, new[1:], [outcome.cost for outcome in outcomes] == seconds[1:])
"""


def test_what_only_the_first_training_of_a_process_loads_is_not_charged_to_its_candidate() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", FRESH], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True [0, 0] True\n", done.stderr


def test_devices_are_shared_out_and_change_no_value(small_space: NB101, archs) -> None:
    alone = make(small_space).evaluate(archs).value
    evaluator = make(small_space, workers=2, devices=["cpu", "cpu"])
    try:
        np.testing.assert_array_equal(evaluator.evaluate(archs).value, alone)
        assert evaluator.identity() == make(small_space).identity()
        assert evaluator.identity()["device"] == "cpu"
    finally:
        evaluator.close()


def test_patience_ends_a_training_that_no_longer_gains(small_space: NB101, archs) -> None:
    recipe = replace(QUICK, epochs=30, learning_rate=1e-9)  # learns nothing
    evaluator = make(small_space, recipe=recipe, patience=2)
    epochs = evaluator.submit(archs[0]).result().details["epochs"]["valid_loss"]
    assert 3 <= len(epochs) < 30
    assert min(epochs[-2:]) >= min(epochs[:-2])
    assert all(min(epochs[n - 2 : n]) < min(epochs[: n - 2]) for n in range(3, len(epochs)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "^workers is 0, must be at least 1"),
        ({"patience": 0}, "^patience is 0, must be at least 1"),
        ({"time_limit": 0.0}, "^time_limit is 0.0, must be above 0, or null"),
    ],
)
def test_limits_out_of_range_are_refused(options, message, small_space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        make(small_space, **options)
