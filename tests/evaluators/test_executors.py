from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.evaluators.executors import DaskExecutor, InProcess, LocalExecutor, SpawnedProcesses


def where(_: int) -> int:
    time.sleep(0.3)
    return os.getpid()


def die(marks: str, times: int) -> str:
    """Kill the own process the first `times` times."""
    died = len(list(Path(marks).iterdir()))
    if died < times:
        (Path(marks) / str(died)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def fail() -> None:
    raise ValueError("no such thing")


def test_one_worker_is_this_process() -> None:
    executor = LocalExecutor().open(1)
    assert executor.submit(where, 0).result() == os.getpid()
    with pytest.raises(ValueError, match="no such thing"):
        executor.submit(fail).result()
    assert isinstance(executor, InProcess)


def test_several_workers_are_other_processes_at_once() -> None:
    with LocalExecutor().open(2) as executor:
        pids = {future.result() for future in [executor.submit(where, i) for i in range(4)]}
        assert len(pids) == 2
        assert os.getpid() not in pids
        with pytest.raises(ValueError, match="no such thing"):
            executor.submit(fail).result()


def test_a_call_outlives_the_death_of_its_process_and_harms_no_other(tmp_path: Path) -> None:
    with SpawnedProcesses(2) as executor:
        dying = executor.submit(die, str(tmp_path), 2)
        others = [executor.submit(where, i) for i in range(3)]
        assert dying.result() == "alive"
        assert all(other.result() for other in others)
        assert len(list(tmp_path.iterdir())) == 2


def test_shutdown_waits_only_where_it_is_asked_to_and_may_be_repeated() -> None:
    executor = SpawnedProcesses(1)
    assert executor.submit(where, 0).result()
    running = executor.submit(time.sleep, 300)
    executor.submit(time.sleep, 300)
    time.sleep(0.5)
    executor.shutdown(wait=False, cancel_futures=True)
    executor.shutdown()
    with pytest.raises(CancelledError):
        running.result(timeout=5)
    patient = SpawnedProcesses(1)
    last = patient.submit(where, 0)
    patient.shutdown(wait=True)
    assert last.result()


def test_a_call_that_always_kills_its_process_fails_with_the_reason(tmp_path: Path) -> None:
    with SpawnedProcesses(2) as executor:
        dying = executor.submit(die, str(tmp_path), 100)
        assert executor.submit(where, 0).result()
        with pytest.raises(RuntimeError, match="its worker process died 4 times"):
            dying.result()
        assert len(list(tmp_path.iterdir())) == 4
        assert executor.submit(where, 0).result()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
def test_workers_end_with_a_program_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "from test_executors import where\n"
        "from nas.evaluators.executors import SpawnedProcesses\n"
        "if __name__ == '__main__':\n"
        "    executor = SpawnedProcesses(2)\n"
        "    print({future.result() for future in [executor.submit(where, i) for i in range(6)]}, flush=True)\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "program.py"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    workers = ast.literal_eval(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives its program"
        time.sleep(0.05)


def test_a_dask_cluster_is_an_executor() -> None:
    pytest.importorskip("distributed")
    executor = DaskExecutor(None).open(2)
    try:
        assert executor.submit(where, 0).result() != os.getpid()
        with pytest.raises(ValueError, match="no such thing"):
            executor.submit(fail).result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def test_an_address_where_nothing_answers_is_refused() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match="executor.address is 'tcp://127.0.0.1:9', where no Dask scheduler answers"):
        DaskExecutor("tcp://127.0.0.1:9").open(1)
