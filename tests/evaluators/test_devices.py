from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest

from nas.evaluators.devices import lease


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.mark.parametrize(("trainings", "devices"), list(product((1, 3, 5, 8), (2, 3))))
def test_trainings_are_spread_evenly(trainings: int, devices: int) -> None:
    names = [f"cuda:{index}" for index in range(devices)]
    with ExitStack() as stack:
        counts = Counter(stack.enter_context(lease(names)) for _ in range(trainings))
    assert sum(counts.values()) == trainings
    assert max(counts.values()) - min(counts[name] for name in names) <= 1


def test_no_device_is_taken_twice_while_another_is_free() -> None:
    names = ["cuda:0", "cuda:1"]
    first, second, third = (ExitStack() for _ in range(3))
    assert [stack.enter_context(lease(names)) for stack in (first, second, third)] == ["cuda:0", "cuda:1", "cuda:0"]
    first.close()
    second.close()
    with lease(names) as given:  # the third still has the first
        assert given == "cuda:1"
    third.close()


def test_a_process_stays_with_its_device_where_that_costs_nothing() -> None:
    names = ["cuda:0", "cuda:1"]
    with lease(names, preferred="cuda:1") as mine, lease(names, preferred="cuda:1") as other:
        assert (mine, other) == ("cuda:1", "cuda:0")


def test_a_device_named_twice_takes_twice_as_much() -> None:
    names = ["cuda:0", "cuda:0", "cuda:1"]
    with ExitStack() as stack:
        counts = Counter(stack.enter_context(lease(names)) for _ in range(6))
    assert counts == {"cuda:0": 4, "cuda:1": 2}


def test_more_than_can_be_counted_are_given_devices_all_the_same() -> None:
    with ExitStack() as stack:
        assert {stack.enter_context(lease(["cpu", "cpu"])) for _ in range(40)} == {"cpu"}


HOLDER = """
import time
from nas.evaluators.devices import lease
with lease(["cuda:0", "cuda:1"]) as device:
    print(device, flush=True)
    time.sleep(60)
"""


def test_other_processes_count_and_one_that_dies_gives_its_device_back() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "cuda:0\n"
    with lease(["cuda:0", "cuda:1"]) as mine:
        assert mine == "cuda:1"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lease(["cuda:0", "cuda:1"]) as mine:
        assert mine == "cuda:0"
