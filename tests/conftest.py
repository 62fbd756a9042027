from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers import SWEEP_BUDGET, run_search, table_arrays

from nas.evaluators import TableEvaluator
from nas.search.__main__ import main
from nas.spaces import NB101


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests out of the user's cache, and waiting threads from spinning on a busy machine."""
    os.environ["NAS_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Let Ctrl-C reach the programs that tests start: a shell starts jobs in the background with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def real(name: str) -> Path:
    """A real table in the folder that `NAS_DATA_DIR` names; without it the test is skipped."""
    path = Path(os.environ.get("NAS_DATA_DIR", "/nonexistent")) / name
    if not path.is_file():
        pytest.skip(f"needs {name} in the folder that NAS_DATA_DIR names")
    return path


@pytest.fixture(scope="session")
def real_table() -> Path:
    """The real table of NAS-Bench-101."""
    return real("nasbench101.npz")


@pytest.fixture(scope="session")
def real_nb201() -> Path:
    """The real table of NAS-Bench-201."""
    return real("nasbench201.npz")


@pytest.fixture(scope="session")
def space() -> NB101:
    return NB101()


@pytest.fixture(scope="session")
def small_space() -> NB101:
    """2,532 cells: all with at most 5 vertices."""
    return NB101(max_vertices=5)


@pytest.fixture(scope="session")
def small_table(tmp_path_factory: pytest.TempPathFactory, small_space: NB101) -> Path:
    path = tmp_path_factory.mktemp("data") / "nasbench101.npz"
    np.savez_compressed(path, **table_arrays(small_space, small_space.enumerate()))
    return path


@pytest.fixture(scope="session")
def own_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table as a user may have it: most of 1,440 combinations of five genes."""
    rng = np.random.default_rng(0)
    lines = ["kernel,width,act,depth,groups,valid,test,seconds"]
    choices = (1, 3, 5, 7), (8, 16, 32), ("relu", "gelu", "silu", "elu"), range(1, 6), range(1, 7)
    for kernel, width, act, depth, groups in product(*choices):
        if rng.random() < 0.8:
            valid = 0.3 + 0.02 * kernel + 0.005 * width + 0.03 * depth + 0.02 * (act == "gelu") + rng.normal(0, 0.01)
            lines.append(f"{kernel},{width},{act},{depth},{groups},{valid:.4f},{valid - 0.01:.4f},{width * depth}")
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def evaluator(small_space: NB101, small_table: Path) -> TableEvaluator:
    return TableEvaluator(small_space, "auto", str(small_table), None, None)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory, small_table: Path) -> Path:
    """Two methods by three seeds on the small table."""
    cwd = tmp_path_factory.mktemp("work")
    swept = ["strategy=random,evolution", "seed=0,1,2", "hydra.sweep.dir=sweep"]
    options = ["space.max_vertices=5", "estimator=none", f"budget={SWEEP_BUDGET}"]
    done = run_search("-m", *swept, *options, cwd=cwd, NAS_DATA_DIR=str(small_table.parent))
    assert done.returncode == 0, done.stderr
    return cwd / "sweep"


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `nas.search` in `tmp_path`, within this process; gives the one line with which it refuses its options.

    Such a run leaves nothing.
    """

    def run(*options: str) -> str:
        monkeypatch.chdir(tmp_path)
        before = set(tmp_path.rglob("*"))
        assert main(options) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert set(tmp_path.rglob("*")) == before
        assert line.startswith("error: ")
        return line

    return run
