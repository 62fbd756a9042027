from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import table_arrays

from nas.spaces import NB101

ROOT = Path(__file__).parents[1]


def measure(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.estimators", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, small_space: NB101) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "nasbench101.npz"
    np.savez_compressed(path, **table_arrays(small_space, small_space.enumerate(), validated=True))
    return path


def test_estimators_are_measured_once_and_after_a_kill_only_what_is_missing(labelled: Path, tmp_path: Path) -> None:
    options = [
        "space.max_vertices=5", "estimators=[ridge,knn_onehot]", "sizes=[50,100]", "splits=2", "first_split=1000",
        "test_cells=400", f"path={labelled}", f"folder={tmp_path}",
    ]  # fmt: skip
    first = measure(*options)
    assert first.returncode == 0, first.stderr
    journal = tmp_path / "journal.jsonl"
    lines = journal.read_text().splitlines()
    assert len(lines) == 8
    assert 0.1 < json.loads(lines[-1])["measures"]["tau"] < 1
    journal.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])
    again = measure(*options)
    assert [json.loads(line)["what"] for line in journal.read_text().splitlines()] == [
        json.loads(line)["what"] for line in lines
    ]
    taus = [[row.split("|")[2:4] for row in done.stdout.splitlines()] for done in (first, again)]
    assert taus[0] == taus[1]
    assert measure(*options).stdout == again.stdout  # from the journal alone, timings and all


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    done = measure("estimators=[magic]", f"path={tmp_path / 'none.npz'}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no benchmark table at")
    assert done.stderr.count("\n") == 1
