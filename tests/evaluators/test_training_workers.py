"""Training in worker processes: their death, their time, their devices."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from trained import make, one

from nas.datasets import Digits, Images
from nas.errors import UserError
from nas.evaluators import LocalExecutor
from nas.spaces import NB101
from nas.types import Batch, Outcome


@pytest.fixture
def batch(small_space: NB101) -> Batch:
    return small_space.batch(small_space.sample(3, np.random.default_rng(0)))


def test_workers_find_what_one_finds_and_outlive_their_death(small_space: NB101, batch) -> None:
    alone = make(small_space).evaluate(batch).value
    evaluator = make(small_space, workers=2)
    try:
        futures = [one(evaluator, batch, row) for row in range(3)]
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        children[0].kill()
        assert [future.result().values["validation"] for future in futures] == alone.tolist()
        assert evaluator.deaths == 1
    finally:
        evaluator.close()


def test_a_candidate_over_its_time_has_failed(small_space: NB101, batch) -> None:
    evaluator = make(small_space, time_limit=1e-6)
    outcome = one(evaluator, batch).result()
    evaluator.close()
    assert outcome == Outcome.failed("TimeoutError: not trained within 1e-06 seconds")


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
    small_space: NB101, batch
) -> None:
    evaluator = make(small_space, dataset=Stuck(os.getpid()), time_limit=0.5, executor=LocalExecutor(grace=0.5))
    try:
        outcomes = [one(evaluator, batch, row) for row in range(2)]
        for outcome in outcomes:
            error = "TimeoutError: over 0.5 seconds, and after 0.5 more its worker was killed"
            assert outcome.result(timeout=120) == Outcome.failed(error)
    finally:
        evaluator.close()


@dataclass(frozen=True)
class NotPicklable:
    """A data set that cannot travel."""

    lock: object

    def load(self) -> Images:
        return Digits(64, 50).load()


def test_a_data_set_that_cannot_travel_to_workers_ends_the_search_with_one_line(small_space: NB101, batch) -> None:
    evaluator = make(small_space, dataset=NotPicklable(threading.Lock()), workers=2)
    with pytest.raises(UserError, match=r"cannot be pickled \(TypeError: cannot pickle '_thread.lock' object\): build"):
        one(evaluator, batch)
    evaluator.close()


FRESH = """
import sys
import numpy as np
from trained import make, one
from nas.evaluators import candidate
from nas.spaces import NB101

new, seconds = [], []
train = candidate.train

def watched(*args, **kwargs):
    before = set(sys.modules)
    told = train(*args, **kwargs)
    new.append(len(set(sys.modules) - before))
    seconds.append(float(told[0].seconds[-1]))
    return told

candidate.train = watched
space = NB101(max_vertices=5)
evaluator = make(space)
batch = space.batch(space.sample(2, np.random.default_rng(0)))
outcomes = [one(evaluator, batch, row).result() for row in range(2)]
print(new[0] > 0, new[1:], [outcome.seconds for outcome in outcomes] == seconds[1:])
"""


def test_what_only_the_first_training_of_a_process_loads_is_not_charged_to_its_candidate() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", FRESH], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True [0, 0] True\n", done.stderr


def test_devices_are_shared_out_and_change_no_value(small_space: NB101, batch) -> None:
    alone = make(small_space).evaluate(batch).value
    evaluator = make(small_space, workers=2, devices=["cpu", "cpu"])
    try:
        np.testing.assert_array_equal(evaluator.evaluate(batch).value, alone)
        assert evaluator.identity() == make(small_space).identity()
        assert evaluator.platform() == make(small_space).platform()
    finally:
        evaluator.close()
