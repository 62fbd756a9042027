"""Sweeps whose runs are started by launchers that come as extras."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers import SMALL_ENCODER, run_search

from nas.compare.__main__ import main

OPTIONS = ["-m", "space.max_vertices=5", "table=digits", "budget=21", "hydra.sweep.dir=sweep"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.slow
def test_runs_side_by_side_find_what_runs_in_turn_find_and_train_one_encoder(tmp_path: Path, capsys) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    options = [*OPTIONS, *SMALL_ENCODER, "estimator=emprox", "seed=0,1"]
    together = run_search(*options, *JOBLIB, cwd=tmp_path, NAS_CACHE_DIR=str(tmp_path / "cache"))
    assert together.returncode == 0, together.stderr
    assert (together.stdout + together.stderr).count("training the encoder once") == 1
    (tmp_path / "sweep").rename(tmp_path / "together")
    in_turn = run_search(*options, cwd=tmp_path, NAS_CACHE_DIR=str(tmp_path / "cache"))
    assert in_turn.returncode == 0, in_turn.stderr
    for job in ("0", "1"):
        path = Path(job) / "history.jsonl"
        assert (tmp_path / "together" / path).read_bytes() == (tmp_path / "sweep" / path).read_bytes()
    assert main([str(tmp_path / "together"), "--json"]) == 0
    [method] = json.loads(capsys.readouterr().out)["methods"]
    assert (method["method"], method["runs"]) == ("bayesian + emprox", 2)


@pytest.mark.slow
def test_submitit_runs_a_sweep_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    done = run_search(*OPTIONS, "hydra/launcher=submitit_local", "estimator=none", "seed=0,1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = [json.loads((tmp_path / f"sweep/{job}/result.json").read_text()) for job in (0, 1)]
    assert [result["seed"] for result in results] == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit"])
def test_a_mistake_in_a_launched_run_is_one_line(launcher: str, tmp_path: Path) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    name = {"joblib": "joblib", "submitit": "submitit_local"}[launcher]
    done = run_search(*OPTIONS, f"hydra/launcher={name}", "estimator=none", "initial=3000", "budget=2600", cwd=tmp_path)
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if not line.startswith("INFO: ")]
    run = "run 0 (space.max_vertices=5 table=digits budget=2600 estimator=none initial=3000)"
    assert told == [f"error: {run}: budget is 2600, must be at most 2532: the table has no more"]


def test_a_cluster_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if shutil.which("srun"):
        pytest.skip("this is a Slurm cluster")
    done = run_search(*OPTIONS, "hydra/launcher=submitit_slurm", "estimator=none", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith('error: Could not detect "srun"')


def test_a_launcher_that_is_not_installed_is_told_in_one_line(tmp_path: Path) -> None:
    done = run_search(*OPTIONS, "hydra/launcher=nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: hydra/launcher=nowhere is unknown, allowed: basic")
    assert done.stderr.count("\n") == 1
