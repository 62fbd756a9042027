"""The program as a user runs it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import SMALL_ENCODER, accuracy, run_search

from nas.benchmarks import benchmark_of
from nas.compare.metrics import expected_best_of_random
from nas.search.journal import Journal, read_trials
from nas.spaces import NB101

SMALL = ["space.max_vertices=5", "batch=5", "pool=1000", *SMALL_ENCODER]


@pytest.fixture
def data(small_table: Path) -> dict[str, str]:
    return {"NAS_DATA_DIR": str(small_table.parent)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, small_table: Path) -> Path:
    """A run of the main job on the small table."""
    cwd = tmp_path_factory.mktemp("work")
    done = run_search(*SMALL, "budget=60", "hydra.run.dir=run", cwd=cwd, NAS_DATA_DIR=str(small_table.parent))
    assert done.returncode == 0, done.stderr
    assert "best after 60 evaluations: 0.9" in done.stdout
    assert "signal test_mean" in done.stdout
    return cwd / "run"


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_the_history_tells_each_evaluation_in_order(finished: Path, small_space: NB101) -> None:
    lines = history(finished)
    archs = np.array([line["genes"] for line in lines], dtype=np.uint8)
    assert [line["step"] for line in lines] == list(range(60))
    assert [line["key"] for line in lines] == [f"{key:016x}" for key in small_space.keys(archs)]
    assert len({line["key"] for line in lines}) == 60
    assert [line["values"]["test_mean"] for line in lines] == pytest.approx(accuracy(small_space, archs), abs=1e-6)
    assert {line["seconds"] for line in lines} <= {None, 100.0}
    for line in lines:
        is_initial = line["step"] < 7
        assert (line["predicted_mean"] is None) == (line["predicted_std"] is None) == is_initial
        moves = {"spread"} if is_initial else {"mutation 1", "mutation 2", "mutation 3", "random"}
        assert line["proposed_by"] in moves
    rounds = [lines[start : start + 5] for start in range(7, 60, 5)]
    for chosen in rounds:
        means = [line["predicted_mean"] for line in chosen]
        assert means == sorted(means, reverse=True)


def test_the_result_says_what_was_found_and_on_what(finished: Path, small_space: NB101, evaluator) -> None:
    result = json.loads((finished / "result.json").read_text())
    values = np.array([line["values"]["test_mean"] for line in history(finished)])
    best = result["best"]
    assert best["value"] == values.max() == result["incumbent_value"][-1]
    assert result["incumbent_value"] == np.maximum.accumulate(values).tolist()
    assert best["step"] == values.argmax()
    arch = np.array([best["genes"]], dtype=np.uint8)
    assert f"{small_space.keys(arch)[0]:016x}" == best["key"]
    assert benchmark_of(small_space).names(arch) == [best["digest"]]
    assert evaluator.test(small_space.batch(arch))[0] == best["test_accuracy"] == result["incumbent_test_accuracy"][-1]
    everything = evaluator.test(small_space.batch(small_space.enumerate()))
    assert result["test_regret"] == pytest.approx(everything.max() - best["test_accuracy"])
    assert result["random_search_expected_value"] == pytest.approx(expected_best_of_random(everything, 60))
    assert result["measured_on"] == {**evaluator.identity(), "table": "cifar10"}
    assert (result["seed"], result["budget"], result["resumed_at"]) == (0, 60, None)
    assert {"setup", "prepare", "ask", "fit", "predict", "evaluate", "report"} <= set(result["wall_seconds"])


def test_the_figures_are_there(finished: Path) -> None:
    from matplotlib.image import imread

    for name in ("progress.png", "best_cell.png"):
        pixels = imread(finished / name)
        assert pixels.shape[0] > 300
        assert pixels[..., :3].std() > 0.05


def test_the_same_seed_gives_the_same_history(finished: Path, tmp_path: Path, data) -> None:
    done = run_search(*SMALL, "budget=60", "hydra.run.dir=again", cwd=tmp_path, **data)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again/history.jsonl").read_bytes() == (finished / "history.jsonl").read_bytes()


def test_a_finished_run_is_not_run_again(finished: Path, data) -> None:
    before = (finished / "result.json").stat().st_mtime_ns
    done = run_search(f"resume={finished}", cwd=finished.parent, **data)
    assert done.returncode == 0, done.stderr
    assert "best after 60 evaluations" in done.stdout
    assert (finished / "result.json").stat().st_mtime_ns == before


def test_a_half_written_line_is_dropped_and_done_again(finished: Path, tmp_path: Path, data) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((finished / "config.yaml").read_bytes())
    whole = (finished / "history.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (folder / "history.jsonl").write_bytes(b"".join(lines[:33]) + lines[33][:40])
    left = [json.loads(line) for line in lines[32:37]]  # the round in which it was killed
    names = {"origin": "proposed_by", "mean": "predicted_mean", "std": "predicted_std"}
    noted = [{"genes": one["genes"], **{key: one[name] for key, name in names.items()}} for one in left]
    (folder / "pending.json").write_text(json.dumps([{**one, "seconds": 0.0, "step": None} for one in noted]))
    done = run_search(f"resume={folder}", cwd=tmp_path, **data)
    assert done.returncode == 0, done.stderr
    assert "ends in half a line" in done.stdout + done.stderr
    assert (folder / "history.jsonl").read_bytes() == whole
    assert json.loads((folder / "result.json").read_text())["resumed_at"] == 33


@pytest.mark.parametrize(
    ("line", "message"), [("{}", "line 2 of .* is not a trial"), ('"x"', "is not a trial"), ("", "is not a trial")]
)
def test_a_changed_history_is_refused(line: str, message: str, finished: Path, tmp_path: Path, small_space) -> None:
    first = (finished / "history.jsonl").read_text().splitlines()[0]
    path = tmp_path / "history.jsonl"
    path.write_text(f"{first}\n{line}\n{first}\n")
    with pytest.raises(ValueError, match=message):
        read_trials(path, small_space, "test_mean")


def test_two_processes_cannot_write_one_history(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(ValueError, match="written by another process"):
        Journal(tmp_path)
    with Journal(tmp_path):
        pass


def test_another_configuration_in_the_same_folder_is_refused_with_the_differing_keys(finished: Path, data) -> None:
    before = (finished / "history.jsonl").read_bytes()
    options = [*SMALL, "budget=60", "estimator.k=3", "seed=4", f"hydra.run.dir={finished}"]
    done = run_search(*options, cwd=finished.parent, **data)
    assert done.returncode == 1
    assert (
        "estimator.k (recorded 512, now 3); evaluator.seed (recorded 0, now 4); seed (recorded 0, now 4)" in done.stderr
    )
    assert len(done.stderr.strip().splitlines()) == 1
    assert (finished / "history.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("evaluator=training", "another configuration: evaluator._target_ (recorded "),  # its cells have more genes
        ("hydra.run.dir=elsewhere", "but the run is to be in"),
        ("budget=80 hydra.run.dir=elsewhere", "but the run is to be in"),
    ],
)
def test_a_run_is_continued_as_it_was_or_not_at_all(option: str, message: str, finished: Path, tmp_path, data) -> None:
    done = run_search(f"resume={finished}", *option.split(), cwd=tmp_path, **data)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("kills", [12])
def test_a_run_killed_at_random_moments_ends_in_the_history_of_an_uninterrupted_one(
    kills: int, tmp_path: Path, data
) -> None:
    """SIGKILL to the real process; a moment is drawn as a number of lines the journal must have gained, and a delay."""
    options = [*SMALL, "budget=240", "batch=2", "seed=3"]
    whole = run_search(*options, "hydra.run.dir=whole", cwd=tmp_path, **data)
    assert whole.returncode == 0, whole.stderr
    rng = random.Random(0)
    path = tmp_path / "killed" / "history.jsonl"
    program = [sys.executable, "-m", "nas.search", *options, "hydra.run.dir=killed"]
    environment, quiet = {**os.environ, **data}, subprocess.DEVNULL
    for _ in range(kills):
        lines = path.read_bytes().count(b"\n") if path.exists() else 0
        wanted = lines + rng.randint(0, 2 * (239 - lines) // kills)
        process = subprocess.Popen(program, cwd=tmp_path, env=environment, stdout=quiet, stderr=quiet)
        while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < wanted):
            time.sleep(0.002)
        time.sleep(rng.random() * 0.02)
        assert process.poll() is None, "the run ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert b"\n" in path.read_bytes()
    last = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert last.returncode == 0, last.stderr
    assert path.read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


def test_a_sweep_makes_one_folder_for_each_run(tmp_path: Path, data) -> None:
    options = ["space.max_vertices=5", "strategy=random", "estimator=none,ridge", "seed=1,2", "budget=25", "initial=10"]
    done = run_search("-m", *options, "hydra.sweep.dir=sweep", cwd=tmp_path, **data)
    assert done.returncode == 0, done.stderr
    results = [json.loads((tmp_path / f"sweep/{job}/result.json").read_text()) for job in range(4)]
    assert [result["seed"] for result in results] == [1, 2, 1, 2]
    again = run_search("-m", *options, "hydra.sweep.dir=sweep", cwd=tmp_path, **data)
    assert again.returncode == 0, again.stderr
    assert [json.loads((tmp_path / f"sweep/{job}/result.json").read_text()) for job in range(4)] == results


def test_a_budget_of_the_whole_space_is_spent(tmp_path: Path, data) -> None:
    options = ["strategy=random", "estimator=none", "pool=500", "batch=500", "initial=2532", "budget=2532"]
    done = run_search(*options, "hydra.run.dir=run", cwd=tmp_path, **data)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run/result.json").read_text())["test_regret"] == 0


def test_what_cannot_change_a_result_may_change_between_two_parts_of_a_run(
    finished: Path, tmp_path: Path, small_table: Path
) -> None:
    moved = tmp_path / "nasbench101.npz"
    moved.write_bytes(small_table.read_bytes())
    options = [*SMALL, "budget=60", f"hydra.run.dir={finished}", "executor=dask", f"evaluator.path={moved}"]
    done = run_search(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_help_needs_none_of_the_heavy_modules(tmp_path: Path) -> None:
    program = (
        "import sys, atexit, runpy\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'faiss', 'matplotlib', 'nevergrad', 'networkx', 'pandas'}\n"
        "atexit.register(lambda: print('LOADED', sorted(heavy & set(sys.modules))))\n"
        "sys.argv = ['search', '--help']\n"
        "runpy.run_module('nas.search', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "LOADED []" in done.stdout
    assert "strategy: bayesian, evolution, latent, local, nevergrad, random" in done.stdout
