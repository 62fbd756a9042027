from __future__ import annotations

import ast
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path

import pytest
from calls import (
    LocalError,
    Odd,
    OddError,
    die,
    fail,
    generator,
    give,
    hang,
    has_mark,
    raise_after,
    slowly_fail,
    where,
)

from nas.errors import UserError
from nas.evaluators.processes import SpawnedProcesses
from nas.types import Outcome


@pytest.fixture(scope="module")
def pool() -> Iterator[SpawnedProcesses]:
    with SpawnedProcesses(2) as executor:
        yield executor


def test_several_workers_are_other_processes_at_once(pool: SpawnedProcesses) -> None:
    pids = {future.result() for future in [pool.submit(where) for _ in range(4)]}
    assert len(pids) == 2
    assert os.getpid() not in pids
    with pytest.raises(ValueError, match="no such thing"):
        pool.submit(fail).result()


def test_workers_are_spawned_and_not_forked(pool: SpawnedProcesses) -> None:
    where.forked = True  # type: ignore[attr-defined]  # a forked process would have it
    try:
        assert not pool.submit(has_mark).result()
    finally:
        del where.forked  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (partial(raise_after, error=LocalError), "LocalError: the disk fell off, which cannot be passed between"),
        (partial(raise_after, error=partial(OddError, 7, "disk")), "OddError: disk has code 7, which cannot be passed"),
        (partial(give, result=generator), "a result of type generator, which cannot be passed between processes (Type"),
        (partial(give, result=Odd), "a result of type Odd, which cannot be passed between processes (ValueError: inv"),
        (partial(raise_after, error=partial(SystemExit, 3)), "SystemExit: 3"),
    ],
)
def test_what_cannot_be_passed_on_is_told_as_what_it_is_and_not_run_again(
    call: Callable, told: str, tmp_path: Path, pool: SpawnedProcesses
) -> None:
    before = pool.deaths
    beside = pool.submit(where)
    with pytest.raises(RuntimeError) as caught:
        pool.submit(call, str(tmp_path)).result()
    assert str(caught.value).startswith(told)
    assert beside.result()
    assert len(list(tmp_path.iterdir())) == 1
    assert pool.deaths == before


def test_arguments_that_cannot_be_pickled_are_told_at_once(pool: SpawnedProcesses) -> None:
    with pytest.raises(
        UserError, match=r"what a worker is to do cannot be pickled \(TypeError: cannot pickle '_thread.lo"
    ):
        pool.submit(print, threading.Lock())


def test_arguments_that_a_worker_cannot_load_are_told_and_the_worker_lives(pool: SpawnedProcesses) -> None:
    pids = {future.result() for future in [pool.submit(where) for _ in range(4)]}
    with pytest.raises(UserError, match=r"a worker cannot load what it is to do \(ValueError: invalid literal for int"):
        pool.submit(print, Odd()).result()
    assert pool.submit(where).result() in pids


def test_a_call_outlives_the_death_of_its_process_and_harms_no_other(tmp_path: Path, caplog) -> None:
    with SpawnedProcesses(2) as executor, caplog.at_level(logging.WARNING):
        dying = executor.submit(die, str(tmp_path), 2)
        others = [executor.submit(where) for _ in range(3)]
        assert dying.result() == "alive"
        assert all(other.result() for other in others)
        assert len(list(tmp_path.iterdir())) == 3
        assert executor.deaths == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"a worker process died (SIGKILL: often too little memory): its call is run again ({n} of 3)" for n in (1, 2)
    ]


def test_an_idle_process_that_dies_costs_nothing_but_a_new_one() -> None:
    with SpawnedProcesses(1) as executor:
        first = executor.submit(where, 0).result()
        os.kill(first, signal.SIGKILL)
        time.sleep(0.2)
        assert executor.submit(where, 0).result() != first
        assert executor.deaths == 1


def test_a_call_that_always_kills_its_process_fails_with_the_reason(tmp_path: Path) -> None:
    with SpawnedProcesses(2) as executor:
        dying = executor.submit(die, str(tmp_path), 100)
        assert executor.submit(where).result()
        with pytest.raises(RuntimeError, match="its worker process died 4 times"):
            dying.result()
        assert len(list(tmp_path.iterdir())) == 4
        assert executor.submit(where).result()
        assert executor.deaths == 4


def test_a_call_that_hangs_is_ended_from_outside_and_the_next_goes_on(tmp_path: Path) -> None:
    with SpawnedProcesses(1, time_limit=0.5, grace=0.25) as executor:
        with pytest.raises(TimeoutError, match=r"over 0.5 seconds, and after 0.25 more its worker was killed"):
            executor.submit(hang).result(timeout=120)
        assert executor.submit(where, 0).result()
        assert executor.deaths == 0


def test_the_start_of_a_process_does_not_count_for_its_first_call(tmp_path: Path) -> None:
    with SpawnedProcesses(1, time_limit=0.4, grace=0.1, prepare=partial(slowly_fail, str(tmp_path))) as executor:
        assert executor.submit(where, 0).result() == executor.submit(where, 0).result()
    assert len(list(tmp_path.iterdir())) == 1


def test_shutdown_waits_only_where_it_is_asked_to_and_may_be_repeated() -> None:
    executor = SpawnedProcesses(1)
    assert executor.submit(where).result()
    running = executor.submit(hang)
    waiting = executor.submit(time.sleep, 300)
    time.sleep(0.5)
    executor.shutdown(wait=False, cancel_futures=True)
    executor.shutdown()
    for future in (running, waiting):
        with pytest.raises(CancelledError):
            future.result(timeout=5)
    patient = SpawnedProcesses(1)
    last = patient.submit(where)
    patient.shutdown(wait=True)
    assert last.result()


PROGRAM = """
import os, sys, time
from concurrent.futures import wait
from calls import where
from nas.evaluators.processes import SpawnedProcesses
from nas.types import Outcome
if __name__ == "__main__":
    executor = SpawnedProcesses(2)
    print({future.result() for future in [executor.submit(where) for i in range(6)]}, flush=True)
    busy = [executor.submit(where, 5) for i in range(2)]
    try:
        print("busy", flush=True)
        wait(busy, 60)
        print([future.result() for future in busy], flush=True)
    except KeyboardInterrupt:
        print([future.result() for future in busy], flush=True)
        executor.shutdown(wait=False)
"""


def start(folder: Path, program: str, *arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(program)
    return subprocess.Popen(
        [sys.executable, *(arguments or [str(folder / "program.py")])],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
def test_workers_end_with_a_program_that_is_killed(tmp_path: Path) -> None:
    parent = start(tmp_path, PROGRAM)
    assert parent.stdout is not None
    workers = ast.literal_eval(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives its program"
        time.sleep(0.05)


def test_an_interrupt_reaches_the_program_and_not_what_the_workers_do(tmp_path: Path) -> None:
    parent = start(tmp_path, PROGRAM)
    assert parent.stdout is not None
    workers = ast.literal_eval(parent.stdout.readline())
    assert parent.stdout.readline() == "busy\n"
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    said, errors = parent.communicate(timeout=60)
    assert set(ast.literal_eval(said)) == workers
    assert errors == ""


SLOW_START = """
import sys, time
if __name__ != "__main__":
    print("starting", flush=True)
    time.sleep(2)
from calls import where
from nas.evaluators.processes import SpawnedProcesses
from nas.types import Outcome
if __name__ == "__main__":
    executor = SpawnedProcesses(1)
    future = executor.submit(where)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print(future.result() > 0, executor.deaths, flush=True)
"""


def test_an_interrupt_does_not_reach_a_worker_that_still_starts(tmp_path: Path) -> None:
    parent = start(tmp_path, SLOW_START)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "starting\n"
    os.killpg(parent.pid, signal.SIGINT)
    said, errors = parent.communicate(timeout=60)
    assert (said, errors) == ("True 0\n", "")


def test_a_main_module_that_cannot_be_imported_by_workers_ends_the_program(tmp_path: Path) -> None:
    program = PROGRAM.replace(
        "import os, sys, time", "import os, sys, time\nassert __name__ == '__main__', 'not this way'"
    )
    said, errors = start(tmp_path, program).communicate(timeout=60)
    assert said == ""
    assert "AssertionError: not this way" in errors
    assert "nas.errors.UserError: a worker process cannot start (exit code 1): it said why above" in errors
    assert errors.count("AssertionError") <= 2  # one of each worker, and none again for each call


def test_a_program_without_a_file_needs_no_guard(tmp_path: Path) -> None:
    program = PROGRAM.replace('if __name__ == "__main__":', "if True:").replace("range(6)", "range(1)")
    parent = start(tmp_path, program, "-", stdin=subprocess.PIPE)
    said, errors = parent.communicate(program, timeout=60)
    assert errors == ""
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    "outcome",
    [Outcome({"validation": 0.9}, 2.0, 3, details={"epochs": [1, 2]}, partial=True), Outcome.failed("no memory", 1)],
)
def test_an_outcome_passes_between_processes(outcome: Outcome) -> None:
    assert pickle.loads(pickle.dumps(outcome)) == outcome
