"""The measurements of a study, several at once."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import lru_cache
from typing import Any

from nas.study.journal import Found, Journal
from nas.study.measuring import Bench, Job
from nas.study.predictors import Predictor
from nas.study.splits import Kind


def jobs(predictors: Iterable[Predictor], tests: Sequence[Kind], splits: range) -> Iterator[Job]:
    """Every measurement, split by split, so that an early end leaves all predictors alike."""
    predictors = list(predictors)
    for split in splits:
        for kind in tests:
            for predictor in predictors:
                for size in predictor.sizes:
                    yield Job(predictor, kind, size, split)


def run(todo: list[Job], bench: dict[str, Any], journal: Journal, workers: int, limit: float | None) -> None:
    """Measure what the journal does not know.

    Args:
        todo: in this order.
        bench: the arguments of `Bench`.
        journal: gets each measurement at once.
        workers: processes.
        limit: CPU seconds of a predictor at one size, kind and fidelity, after which it gets no more.
    """
    from rich.progress import Progress

    spent: dict[str, float] = {}

    def due(job: Job) -> bool:
        if job.key in journal.found:
            _account(spent, job, journal.found[job.key])
            return False
        return limit is None or spent.get(_line(job), 0.0) < limit

    with _Pool(bench, workers) as pool, Progress(disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("measurements", total=len(todo))
        running: dict[Future[Found], Job] = {}
        left = iter(todo)
        while True:
            for job in left:
                if due(job):
                    running[pool.submit(job)] = job
                    if len(running) > workers or workers == 1:  # one waits for whoever is ready first
                        break
                else:
                    progress.advance(bar)
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                found = future.result()
                journal.record(job, found)
                _account(spent, job, found)
                progress.advance(bar)


def _line(job: Job) -> str:
    return job.key.rpartition(" ")[0]


def _account(spent: dict[str, float], job: Job, found: Found) -> None:
    took = found["took"] if isinstance(found, dict) else 0.0
    spent[_line(job)] = spent.get(_line(job), 0.0) + took


class _Pool:
    """Processes that measure, each with a table of its own; with one worker, this process."""

    def __init__(self, bench: dict[str, Any], workers: int) -> None:
        self._bench = json.dumps(bench)
        context = multiprocessing.get_context("spawn")
        self._pool = None if workers == 1 else ProcessPoolExecutor(workers, mp_context=context)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, job: Job) -> Future[Found]:
        if self._pool is not None:
            return self._pool.submit(_measure, self._bench, job)
        future: Future[Found] = Future()
        future.set_result(_measure(self._bench, job))
        return future


def _measure(bench: str, job: Job) -> Found:
    return bench_of(bench).measure(job)


@lru_cache(maxsize=1)
def bench_of(bench: str) -> Bench:
    """The bench of these arguments, as JSON: one for a process, however much it measures."""
    return Bench(**json.loads(bench))
