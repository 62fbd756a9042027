"""How a search, and a sweep, ends: refused, stopped, killed, unread, or with runs that failed."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import run_search
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from nas.search.__main__ import main
from nas.search._messages import override

SMALL = ["space.max_vertices=5", "table=digits", "estimator=knn_onehot"]
LONG = [*SMALL, "budget=1500", "pool=50"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def started(*options: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The program, until it has recorded some evaluations and while it still searches."""
    program = [sys.executable, "-m", "nas.search", *options]
    with subprocess.Popen(program, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            while sum(path.read_bytes().count(b"\n") for path in cwd.rglob("history.jsonl")) < 30:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def finished(sweep: Path) -> list[str]:
    return sorted(path.parent.name for path in sweep.glob("*/result.json"))


@pytest.mark.parametrize("more", [[], ["hydra.sweeper.max_batch_size=1"]])
def test_a_sweep_goes_on_after_runs_that_cannot_be_run_and_names_them(more: list[str], here: Path, capsys) -> None:
    swept = ["estimator=ridge,none", "acquisition=ucb,mean", "budget=22", "hydra.sweep.dir=sweep"]
    options = ["-m", "space.max_vertices=5", "table=digits", *swept, *more]
    refused = [("0", "ridge", "Ridge"), ("2", "none", "NoEstimator")]
    for _ in range(2):
        assert main(options) == 1
        told = capsys.readouterr()
        lines = told.err.splitlines()
        assert len(lines) == 2
        for line, (number, estimator, part) in zip(lines, refused, strict=True):
            assert line.startswith(f"error: run {number} (")
            assert f"estimator={estimator} acquisition=ucb budget=22" in line
            assert f"which needs standard deviations, but {part} gives none" in line
            assert line.replace("error: ", "ERROR: ") in told.out
        assert finished(here / "sweep") == ["1", "3"]
        assert sorted(path.name for path in (here / "sweep").iterdir()) == ["1", "3", "failed_runs", "multirun.yaml"]


def test_what_failed_in_an_earlier_sweep_is_not_told_again(here: Path, capsys) -> None:
    options = ["-m", *SMALL, "estimator=none", "budget=5", "initial=5", "hydra.sweep.dir=sweep"]
    assert main([*options, "seed=-1,0"]) == 1
    assert "seed is -1" in capsys.readouterr().err
    assert main([*options, "seed=1,0"]) == 0
    assert capsys.readouterr().err == ""
    assert finished(here / "sweep") == ["0", "1"]


def test_a_sweep_goes_on_after_an_error_in_a_part_of_the_users(here: Path, monkeypatch, capsys) -> None:
    (here / "mine.py").write_text(
        "from nas.strategies import RandomSearch\n"
        "class Broken(RandomSearch):\n"
        "    def ask(self, *given):\n"
        "        raise RuntimeError('first\\nsecond')\n"
    )
    (here / "options/strategy").mkdir(parents=True)
    (here / "options/strategy/broken.yaml").write_text("_target_: mine.Broken\n")
    monkeypatch.syspath_prepend(here)
    options = [*SMALL, "estimator=none", "budget=5", "initial=5", "strategy=broken,random", "hydra.sweep.dir=sweep"]
    assert main(["--config-dir=options", "-m", *options]) == 1
    told = capsys.readouterr()
    [line] = told.err.splitlines()
    assert line.startswith("error: run 0 (")
    assert line.endswith("RuntimeError: first second")
    assert "in ask\n    raise RuntimeError('first" in told.out
    assert "in ask\n" in (here / "sweep/0/search.log").read_text()
    assert finished(here / "sweep") == ["1"]


def test_a_sweep_goes_on_after_a_run_in_which_everything_fails(here: Path, capsys) -> None:
    limits = "evaluator.time_limit=0.0001,null"
    options = ["space.max_vertices=3", "evaluator=training", "estimator=none", "evaluator.recipe.epochs=1", limits]
    assert main(["-m", *options, "budget=2", "initial=2", "hydra.sweep.dir=sweep"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "error: run 0 (" in line
    assert "all 2 evaluations failed; the first: TimeoutError" in line
    assert (here / "sweep/0/history.jsonl").read_text().count("\n") == 2
    assert finished(here / "sweep") == ["1"]


def test_a_sweep_that_cannot_be_composed_leaves_nothing(refused) -> None:
    assert "estimator=magic is unknown" in refused("-m", *SMALL, "estimator=ridge,magic", "hydra.sweep.dir=a/sweep")


def test_a_folder_that_was_there_before_is_kept(here: Path, capsys) -> None:
    for name in ("other", "used/0"):
        (here / name).mkdir(parents=True)
    (here / "used/0/mine.txt").write_text("mine")
    (here / "other/config.yaml").write_text("also: mine")
    assert main([*SMALL, "budget=0", "hydra.run.dir=other"]) == 1
    assert main([*SMALL, "budget=0", "hydra.run.dir=used/1"]) == 1
    assert main(["-m", *SMALL, "budget=0", "seed=0,1", "hydra.sweep.dir=used"]) == 1
    assert (here / "other/config.yaml").read_text() == "also: mine"
    assert (here / "used/0/mine.txt").read_text() == "mine"
    assert not (here / "used/1").exists()


def test_a_history_is_never_removed(here: Path, capsys) -> None:
    options = [*SMALL, "estimator=none", "budget=5", "initial=5", "hydra.run.dir=run"]
    assert main(options) == 0
    (here / "run/result.json").unlink()
    for path in (here / "run").glob("*.png"):
        path.unlink()
    before = (here / "run/history.jsonl").read_bytes()
    assert main([*options, "seed=1"]) == 1
    assert (here / "run/history.jsonl").read_bytes() == before


def test_a_run_that_was_stopped_as_it_began_starts_again(here: Path, capsys) -> None:
    options = [*SMALL, "estimator=none", "budget=5", "initial=5", "hydra.run.dir=run"]
    (here / "run").mkdir()
    (here / "run/history.jsonl").touch()  # the journal is opened before the record is written
    assert main(options) == 0
    (here / "run/config.yaml").unlink()
    capsys.readouterr()
    assert main(options) == 1
    assert "holds a history.jsonl but no config.yaml" in capsys.readouterr().err


def test_the_program_leaves_its_process_as_it_was(here: Path, capsys) -> None:
    root, ours = logging.getLogger(), logging.getLogger("nas")

    def state() -> list:
        return [sys.argv, dict(os.environ), root.handlers[:], root.level, ours.level, signal.getsignal(signal.SIGTERM)]

    before = state()
    options = [*SMALL, "estimator=none", "budget=5", "initial=5"]
    codes = [main([*options, *more]) for more in (["seed=0"], ["seed=-1"], ["nonsense"], ["seed=0"])]
    assert codes == [0, 1, 1, 0]
    assert state() == before
    assert not GlobalHydra.instance().is_initialized()
    assert len(list((here / "outputs").rglob("result.json"))) == 2


@pytest.mark.parametrize("name", ["plain", "with space", "it's $HOME (1), a\\", 'a="b" {c}', "'", "[x]:*?~#", "größe"])
def test_a_hint_names_the_folder_for_a_shell_and_for_hydra(name: str) -> None:
    folder = Path("/tmp") / name
    [word] = shlex.split(override("resume", folder))
    [parsed] = OverridesParser.create().parse_overrides([word])
    value = parsed.value()
    assert (parsed.key_or_group, str(getattr(value, "text", value))) == ("resume", str(folder))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_closed_terminal_end_a_search_with_the_hint_to_resume(number: int, tmp_path: Path) -> None:
    folder = "my (first) run"
    before = signal.signal(number, signal.SIG_DFL)  # nohup has SIGHUP ignored, and what it starts inherits that
    with started(*LONG, f"hydra.run.dir='{folder}'", cwd=tmp_path) as process:
        signal.signal(number, before)
        process.send_signal(number)
        _, told = process.communicate()
    assert process.returncode == 128 + number
    [line] = told.splitlines()
    assert line.startswith("stopped: continue with ")
    recorded = (tmp_path / folder / "history.jsonl").read_bytes()
    hint = line.removeprefix("stopped: continue with ")
    resume = f"{shlex.quote(sys.executable)} -m nas.search --cfg job {hint}"
    done = subprocess.run(["sh", "-c", resume], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"resume: {tmp_path / folder}" in " ".join(done.stdout.split())  # which YAML folds
    assert recorded.count(b"\n") >= 30


def test_ctrl_c_ends_a_search_with_the_hint_to_resume(tmp_path: Path) -> None:
    with started(*LONG, "hydra.run.dir=run", cwd=tmp_path) as process:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told == f"stopped: continue with resume={tmp_path / 'run'}\n"


def test_a_search_that_nobody_reads_ends_with_the_hint_to_resume(tmp_path: Path) -> None:
    with started(*SMALL, "estimator=none", "budget=1500", "hydra.run.dir=run", cwd=tmp_path) as process:
        assert process.stdout.readline().startswith("INFO: results go to ")
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 141
    assert told == f"stopped: continue with resume={tmp_path / 'run'}\n"


def test_a_program_that_nobody_reads_says_nothing_of_it(tmp_path: Path) -> None:
    program = f"{shlex.quote(sys.executable)} -m nas.search {' '.join(SMALL)} budget=0 | true; echo $PIPESTATUS"
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout in ("1\n", "141\n")  # refused, if that was faster
    allowed = "a number of evaluations of at least 1, such as 150, or epochs:4000, or seconds:3600"
    assert done.stderr in (f"error: budget is 0, must be {allowed}\n", "stopped before anything was recorded\n")
    assert not list(tmp_path.iterdir())


def test_a_sweep_that_was_stopped_goes_on_with_what_is_unfinished(tmp_path: Path) -> None:
    options = ["-m", *SMALL, "seed=0,1", "budget=400", "pool=50"]
    with started(*options, "hydra.sweep.dir=sweep", cwd=tmp_path) as process:
        while not (tmp_path / "sweep/1/history.jsonl").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate()
    assert process.returncode == 143
    assert told == f"stopped: start the same sweep again with hydra.sweep.dir={tmp_path / 'sweep'}\n"
    assert finished(tmp_path / "sweep") == ["0"]
    before = (tmp_path / "sweep/0/result.json").stat().st_mtime_ns
    done = run_search(*options, f"hydra.sweep.dir={tmp_path / 'sweep'}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sweep/0/result.json").stat().st_mtime_ns == before
    assert finished(tmp_path / "sweep") == ["0", "1"]
    assert json.loads((tmp_path / "sweep/1/result.json").read_text())["budget"] == 400


def children(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {int(child) for child, parent, status in rows if int(parent) == pid and not status.startswith("Z")}


def alive(pids: set[int]) -> set[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return pids & {int(pid) for pid, status in rows if not status.startswith("Z")}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_processes_of_a_parallel_sweep_end_with_it(number: int, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    with started("-m", *LONG, "seed=0,1", "hydra.sweep.dir=sweep", *JOBLIB, cwd=tmp_path) as process:
        workers = children(process.pid)
        assert len(workers) >= 2
        process.send_signal(number)
        process.wait()
        for _ in range(200):
            if not alive(workers):
                break
            time.sleep(0.1)
        assert not alive(workers)
    assert process.returncode in (143, -signal.SIGKILL)
    assert finished(tmp_path / "sweep") == []


@pytest.mark.slow
def test_a_run_that_fails_does_not_harm_the_runs_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    swept = ["acquisition=ucb,mean", "estimator=none,ridge", "budget=22", "hydra.sweep.dir=sweep"]
    done = run_search("-m", "space.max_vertices=5", "table=digits", *swept, *JOBLIB, cwd=tmp_path)
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line[:14] for line in told] == ["error: run 0 (", "error: run 1 ("]
    assert finished(tmp_path / "sweep") == ["2", "3"]
