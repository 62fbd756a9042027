"""Dask, with a scheduler and workers in processes of their own on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from calls import LocalError, fail, mark, raise_after, where

from nas.datasets import Digits
from nas.errors import UserError
from nas.evaluators import DaskExecutor, TrainingEvaluator
from nas.networks import Skeleton
from nas.training import Recipe

pytest.importorskip("distributed")

HERE = str(Path(__file__).parents[1])
ANOTHER_VERSION = "import nas\nnas.__version__ = '0.0.1'\n"
WITHOUT_NAS = "import sys\nsys.modules['nas'] = None\n"


@contextmanager
def program(name: str, *arguments: str, path: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{name}", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, *[entry for entry in sys.path if entry != HERE]])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with program("dask_scheduler", *options):
        while not file.exists() or not file.read_text():
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"]


@pytest.fixture
def worker(scheduler: str, tmp_path: Path) -> Callable:
    @contextmanager
    def started(*path: str, site: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
        if site is not None:
            (tmp_path / "sitecustomize.py").write_text(site)
            path = (str(tmp_path), *path)
        options = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path)]
        with program("dask_worker", scheduler, *options, path=path) as process:
            yield process

    return started


def train(small_space, executor: DaskExecutor, **options) -> TrainingEvaluator:
    given = {"dataset": Digits(64, 50), "skeleton": Skeleton(4, 2, 1), "recipe": Recipe(epochs=1), **options}
    return TrainingEvaluator(small_space, executor=executor, workers=2, **given)


def test_a_cluster_trains_as_this_process_and_says_what_device_it_has(scheduler, worker, small_space) -> None:
    batch = small_space.batch(small_space.sample(2, np.random.default_rng(0)))
    with worker():
        evaluator = train(small_space, DaskExecutor(scheduler), device="auto", devices=None)
        try:
            assert evaluator.platform()["device"] in ("cpu", "cuda")
            there = evaluator.evaluate(batch).value
        finally:
            evaluator.close()
    alone = TrainingEvaluator(small_space, Digits(64, 50), Skeleton(4, 2, 1), Recipe(epochs=1))
    np.testing.assert_array_equal(there, alone.evaluate(batch).value)


def test_what_cannot_be_passed_on_is_told_as_what_it_is_and_not_run_again(scheduler, worker, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    with worker(HERE):
        executor = DaskExecutor(scheduler).open(1)
        try:
            assert executor.submit(where, 0).result() != os.getpid()
            with pytest.raises(ValueError, match="no such thing"):
                executor.submit(fail).result()
            with pytest.raises(
                RuntimeError, match="LocalError: the disk fell off, which cannot be passed between proc"
            ):
                executor.submit(raise_after, str(tmp_path / "marks"), LocalError).result()
            assert mark(str(tmp_path / "marks")) == 1
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def test_a_cluster_of_this_machine_is_started_and_ended() -> None:
    executor = DaskExecutor(None).open(2)
    try:
        assert executor.submit(where, 0).result() != os.getpid()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def test_an_address_where_nothing_answers_is_refused() -> None:
    with pytest.raises(UserError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        DaskExecutor("tcp://127.0.0.1:9").open(1)


def test_a_cluster_without_workers_is_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.evaluators.cluster._PATIENCE", 0.5)
    with pytest.raises(
        UserError, match=r"at tcp://127.0.0.1:\d+ has no workers after 0.5 seconds: start one with `dask"
    ):
        DaskExecutor(scheduler).open(1)


@pytest.mark.parametrize(
    ("site", "told"),
    [
        (
            ANOTHER_VERSION,
            r"another nas than this process \(nas 0\.0\.1, here \d.*\): install the same on all machines",
        ),
        (WITHOUT_NAS, r"another nas than this process \(ModuleNotFoundError: .*nas.*\): install the same"),
    ],
)
def test_a_worker_with_another_package_is_refused(scheduler: str, worker: Callable, site: str, told: str) -> None:
    with worker(site=site), pytest.raises(UserError, match=rf"Dask worker tcp://127.0.0.1:\d+ has {told}"):
        DaskExecutor(scheduler).open(1)


def test_a_worker_that_lacks_a_module_is_refused(scheduler, worker, small_space, tmp_path, monkeypatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own_images.py").write_text("from nas.datasets import Digits\nclass Own(Digits):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    own = __import__("own_images").Own(64, 50)
    sys.path.remove(str(tmp_path / "own"))  # so that the worker does not get it
    evaluator = train(small_space, DaskExecutor(scheduler), dataset=own, device="cpu")
    message = (
        r"Dask worker tcp://127.0.0.1:\d+ cannot load what it is to do .ModuleNotFoundError: No module named 'own_"
    )
    with worker(), pytest.raises(UserError, match=message):
        evaluator.evaluate(small_space.batch(small_space.sample(1, np.random.default_rng(0))))
