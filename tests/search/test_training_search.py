"""The program with `evaluator=training`, as a user runs it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import run_search

OPTIONS = [
    "space.max_vertices=5",
    "evaluator=training",
    "estimator=ridge",
    "evaluator.recipe.epochs=1",
    "initial=4",
    "pool=20",
]


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def without_times(folder: Path) -> list[tuple]:
    lines = history(folder)
    return [
        (line["key"], line["value"], line["predicted_mean"], line["details"]["epochs"]["valid_loss"]) for line in lines
    ]


def test_with_one_worker_the_same_seed_gives_the_same_history(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = run_search(*OPTIONS, "budget=6", f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert without_times(tmp_path / "one") == without_times(tmp_path / "two")
    result = json.loads((tmp_path / "one/result.json").read_text())
    best = max(history(tmp_path / "one"), key=lambda line: line["value"])
    assert result["best"]["key"] == best["key"]
    assert result["best"]["test_accuracy"] == best["details"]["test_accuracy"]
    assert result["test_regret"] is None
    assert result["measured_on"]["dataset"] == "Digits"


def test_with_several_a_killed_run_keeps_what_was_recorded_and_trains_again_what_was_in_flight(tmp_path: Path) -> None:
    options = [*OPTIONS, "budget=10", "evaluator.workers=2", "hydra.run.dir=run"]
    program = [sys.executable, "-m", "nas.search", *options]
    path = tmp_path / "run/history.jsonl"
    process = subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (path.exists() and path.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    recorded = path.read_bytes()
    recorded = recorded[: recorded.rfind(b"\n") + 1]
    flying = [entry["arch"] for entry in json.loads((tmp_path / "run/in_flight.json").read_text())]
    assert 1 <= len(flying) <= 2
    done = run_search(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes().startswith(recorded)
    lines = history(tmp_path / "run")
    assert len(lines) == len({line["key"] for line in lines}) == 10
    assert all(genes in [line["genes"] for line in lines] for genes in flying)


def test_candidates_that_fail_do_not_stop_the_search(tmp_path: Path) -> None:
    done = run_search(*OPTIONS, "budget=3", "evaluator.time_limit=0.0001", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: all 3 evaluations failed; the first: TimeoutError: not trained within 0.0001 seconds" in done.stderr
    assert [line["value"] for line in history(tmp_path / "run")] == [None] * 3


def test_a_disk_that_is_full_is_one_line_and_what_was_recorded_is_kept(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nas.search", *OPTIONS, "budget=9", "hydra.run.dir=run"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"error: File too large: make room, and continue with resume={tmp_path / 'run'}: " in done.stderr
    recorded = (tmp_path / "run/history.jsonl").read_bytes()
    done = run_search("resume=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert recorded.count(b"\n") > 0
    assert (tmp_path / "run/history.jsonl").read_bytes().startswith(recorded[: recorded.rfind(b"\n") + 1])
    assert len(history(tmp_path / "run")) == 9


def test_a_space_that_is_used_up_ends_the_search_and_the_summary_counts_what_was_evaluated(tmp_path: Path) -> None:
    done = run_search(*OPTIONS, "space.max_vertices=3", "budget=9", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(history(tmp_path / "run")) == 7
    assert "best after 7 evaluations" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["dataset=npz"], "dataset.path is missing"),
        (
            ["dataset=npz", "dataset.path=nowhere.npz"],
            "no data set at {cwd}/nowhere.npz: name the file with dataset.path=FILE",
        ),
        (["dataset=npz", "dataset.path=nan.npz"], "x_train[3] holds NaN or infinity"),
        (["dataset=svhn"], "dataset=svhn is unknown, allowed: cifar10, cifar100, digits, folder, imagenet16-120, npz"),
        (["evaluator.workers=0"], "evaluator.workers is 0, must be at least 1"),
        (["evaluator.recipe.epochs=0"], "recipe.epochs is 0, must be at least 1"),
        (["executor=slurm"], "executor=slurm is unknown, allowed: dask, local"),
    ],
)
def test_bad_input_is_answered_with_one_line(options: list[str], message: str, refused, tmp_path: Path) -> None:
    images, labels = np.random.default_rng(0).random((40, 8, 8), dtype=np.float32), np.arange(40) % 3
    images[3, 2, 2] = np.nan
    np.savez(tmp_path / "nan.npz", x_train=images[:30], y_train=labels[:30], x_valid=images[30:], y_valid=labels[30:])
    assert message.format(cwd=tmp_path) in refused("evaluator=training", *options)
