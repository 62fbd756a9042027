from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calls import fail, where

from nas.errors import UserError
from nas.evaluators.executors import InProcess, LocalExecutor
from nas.evaluators.processes import SpawnedProcesses


def test_one_worker_is_this_process() -> None:
    executor = LocalExecutor().open(1)
    assert executor.submit(where, 0).result() == os.getpid()
    with pytest.raises(ValueError, match="no such thing"):
        executor.submit(fail).result()
    assert isinstance(executor, InProcess)


def test_several_workers_and_one_that_may_have_to_be_killed_are_other_processes() -> None:
    assert isinstance(LocalExecutor().open(2), SpawnedProcesses)
    assert isinstance(LocalExecutor().open(1, time_limit=5), SpawnedProcesses)


def test_a_grace_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"grace is 0.0, must be above 0"):
        LocalExecutor(0.0)


SEARCH = """
import numpy as np
from nas.evaluators import DaskExecutor, TrainingEvaluator
from nas.spaces import NB101

space = NB101(max_vertices=5)
evaluator = TrainingEvaluator(space, workers=2, executor={executor})
try:
    print(evaluator.evaluate(space.batch(space.sample(2, np.random.default_rng(0)))))
except Exception:
    print("a script that catches everything")
"""


@pytest.mark.parametrize("executor", ["None", "DaskExecutor(None)"])
def test_a_script_that_lacks_its_guard_is_told_so_in_one_line(executor: str, tmp_path: Path) -> None:
    if executor != "None":
        pytest.importorskip("distributed")
    (tmp_path / "script.py").write_text(SEARCH.format(executor=executor))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, "script.py"]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.stderr == (
        "error: worker processes import the script that starts them, and this one starts the search as it is imported: "
        'put that below `if __name__ == "__main__":`\n'
    )
    assert done.returncode == 1
