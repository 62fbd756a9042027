"""What Hydra's jobs leave: a refused run no folder, and a sweep a line for each of its runs that failed."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nas.search._messages import one_line, override
from nas.search.record import existing, remove_traces

_log = logging.getLogger("nas.search")

_FAILED = "failed_runs"  # below a sweep's folder: one file for each run that failed, its number in the name
_WATCH_SECONDS = 1.0


class Jobs(Callback):
    """Hydra's callback about one run, or the runs of one sweep.

    A launcher sends a copy to each process that runs jobs, so that a failure has to be noted in a file.

    Attributes:
        folder: of the run or the sweep; None: not known yet.
        sweep: whether this is a sweep.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.sweep = False
        self._there: frozenset[Path] = frozenset()  # folders that were there before

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remember what is there before Hydra makes the folder."""
        with suppress(OmegaConfBaseException):  # Hydra meets it next, and tells
            self._begin(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remember what is there before Hydra makes the folders; forget what failed in an earlier sweep."""
        self.sweep = True
        with suppress(OmegaConfBaseException):
            folder = self._begin(config.hydra.sweep.dir)
            self._there |= {path for path in folder.rglob("*") if path.is_dir()}
            for note in _notes(folder):
                note.unlink()

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """See to it that a process which a launcher started ends with the program."""
        if self.sweep:
            _end_with_parent()

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Tell of a run that failed; a sweep goes on, and its sweeper sees NaN."""
        if job_return.status is not JobStatus.FAILED:
            return
        error: BaseException = job_return._return_value  # return_value announces it with a line of Hydra's
        line, folder = one_line(error, self.going_on()), Path(config.hydra.runtime.output_dir)
        if self.sweep:
            number, options = config.hydra.job.num, " ".join(config.hydra.overrides.task)
            told = f"run {number} ({options}): {line or f'{type(error).__name__}: {error}'}"
            _log.error(told, exc_info=error if line is None else None)
            self._note(number, told)
            job_return.return_value, job_return.status = math.nan, JobStatus.COMPLETED
        if line is not None:
            self.remove(folder)
            if not self.sweep:
                raise SystemExit(f"error: {line}")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Name the runs that failed, and end with exit code 1 if there are any."""
        assert self.folder is not None
        lines = [f"error: {note.read_text(encoding='utf-8')}" for note in _notes(self.folder)]
        if lines:
            raise SystemExit("\n".join(lines))

    def going_on(self) -> str:
        """How to continue what was stopped."""
        folder = self.folder or Path("FOLDER")
        if self.sweep:
            return f"start the same sweep again with {override('hydra.sweep.dir', folder)}"
        return f"continue with {override('resume', folder)}"

    def remove(self, folder: Path) -> None:
        """Remove a folder that this program made, with parents, if nothing was recorded there."""
        remove_traces(folder, self._there)

    def _begin(self, folder: str) -> Path:
        self.folder = Path(os.path.abspath(folder))
        self._there = existing(self.folder)
        return self.folder

    def _note(self, number: int, told: str) -> None:
        assert self.folder is not None
        (self.folder / _FAILED).mkdir(exist_ok=True)
        (self.folder / _FAILED / f"{number}.txt").write_text(" ".join(told.split()), encoding="utf-8")


_current: ContextVar[Jobs] = ContextVar("jobs")


@contextmanager
def making(jobs: Jobs) -> Iterator[None]:
    """Let Hydra, which makes callbacks by name, take this one."""
    token = _current.set(jobs)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Jobs:
    """The callback that is to be taken; `conf/config.yaml` names this function."""
    return _current.get(None) or Jobs()


def _notes(folder: Path) -> list[Path]:
    return sorted((folder / _FAILED).glob("*.txt"), key=lambda path: (len(path.name), path.name))


@cache  # once in a process, which may run several jobs
def _end_with_parent() -> None:
    """End this process when the one that started it ends, however it ends; joblib's processes would work on."""
    if (parent := multiprocessing.parent_process()) is None or parent.pid is None:
        return  # the program itself, or a job of a queue

    def watch(pid: int) -> None:
        while os.getppid() == pid:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, args=(parent.pid,), daemon=True).start()
