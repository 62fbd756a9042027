"""Spawned worker processes. Never forked ones: a fork of PyTorch's or FAISS's threads hangs."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from nas.errors import UserError
from nas.evaluators.calls import UNGUARDED, WORKERS, Answer, answer, pack, refuse_unguarded, unpack

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)


class SpawnedProcesses(Executor):
    """Worker processes of this machine, each a pool of its own: what happens to one touches no other.

    A call whose process dies is run again. What it raises or returns is not, whatever it is.

    Args:
        workers: number of processes, at least 1. Each starts with its first call.
        time_limit: seconds after which a call should have ended by itself; None: no limit.
        grace: seconds beyond the limit after which a call has failed and its process is killed.
        prepare: called first in each process, outside of any limit; what it raises is ignored. None: nothing.
        retries: how often a call is run again before its process's death is its result, at least 0.

    Attributes:
        deaths: how many processes died so far, but those that were killed for the limit or at the end.
    """

    def __init__(
        self,
        workers: int,
        time_limit: float | None = None,
        grace: float = 10.0,
        prepare: Callable[[], object] | None = None,
        retries: int = 3,
    ) -> None:
        self.deaths = 0
        self._limit, self._grace, self._retries = time_limit, grace, retries
        first = pack(prepare or os.getpid, (), {})
        self._workers = [_Worker(first) for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers)  # each waits for one process
        self._counting = threading.Lock()
        self._fault: UserError | SystemExit | None = None  # for which no process can start

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in the next process that is free.

        Its future raises TimeoutError for a call over the limit, and RuntimeError for one whose process died each time.

        Raises:
            UserError: the call cannot be pickled.
        """
        return self._threads.submit(self._run, pack(fn, args, kwargs))

    def _run(self, call: bytes) -> Any:
        worker = self._idle.get()
        try:
            if self._fault is not None:
                raise self._fault
            for retry in range(1, self._retries + 2):
                try:
                    told = worker.call(call, None if self._limit is None else self._limit + self._grace)
                except BrokenProcessPool:
                    self._count(worker, retry)
                    continue
                except _StartError as error:
                    self._fault = error.reason
                    raise error.reason from None
                if told is None:
                    raise TimeoutError(
                        f"over {self._limit} seconds, and after {self._grace:g} more its worker was killed"
                    )
                return unpack(told)
            raise RuntimeError(f"its worker process died {1 + self._retries} times")
        finally:
            self._idle.put(worker)

    def _count(self, worker: _Worker, retry: int) -> None:
        if worker.closed:
            raise CancelledError from None
        with self._counting:
            self.deaths += 1
        after = (
            f"its call is run again ({retry} of {self._retries})" if retry <= self._retries else "its call is given up"
        )
        _log.warning("a worker process died (%s): %s", worker.end, after)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; where `wait` is false at once, whatever they run."""
        if wait:
            self._threads.shutdown(wait=True, cancel_futures=cancel_futures)
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=True, cancel_futures=True)


class _StartError(Exception):
    """No process can start, for a reason that is none of the call."""

    def __init__(self, reason: UserError | SystemExit) -> None:
        self.reason = reason


class _Worker:
    """One process, started when it is needed and again when it has died; calls come one at a time."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self._lock = threading.Lock()  # between a start and the end
        self._context = _Context()
        self._pool: ProcessPoolExecutor | None = None
        self.closed = False

    def call(self, call: bytes, limit: float | None) -> Answer | None:
        """The answer; None where there is none within the limit, and the process is killed.

        Raises:
            BrokenProcessPool: the process died.
            CancelledError: it was closed.
            _StartError: it cannot start.
        """
        try:
            pool = self._pool or self._start()
            future = pool.submit(answer, call)
            if wait([future], limit).not_done:
                self._kill()
                return None
            return future.result()
        except BrokenProcessPool:
            self._kill()
            raise

    def _start(self) -> ProcessPoolExecutor:
        with self._lock:
            if self.closed:
                raise CancelledError
            self._pool = pool = ProcessPoolExecutor(1, self._context, _begin)
            ready = pool.submit(answer, self._first)
        try:
            ready.result()
        except BrokenProcessPool:
            code = self._kill()
            if code == UNGUARDED:
                raise _StartError(refuse_unguarded()) from None
            if code is not None and code > 0 and not self.closed:
                raise _StartError(
                    UserError(f"a worker process cannot start (exit code {code}): it said why above")
                ) from None
            raise
        return pool

    def _kill(self) -> int | None:
        """End the process, and return its exit code."""
        pool, self._pool = self._pool, None
        process = self._context.process
        if process is not None and process.pid is not None:
            process.kill()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)  # the pool takes the exit code: the system tells it only once
        return None if process is None else process.exitcode

    @property
    def end(self) -> str:
        """How the last process ended."""
        code = None if self._context.process is None else self._context.process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"{name}: often too little memory" if name == "SIGKILL" else name

    def close(self) -> None:
        with self._lock:
            self.closed = True
        self._kill()


class _Process(SpawnProcess):
    """A process that Ctrl-C does not reach, not even while it starts, and that needs no file for the main module."""

    def start(self) -> None:
        with _without_interrupts(), _without_pseudo_file():
            super().start()


class _Context(SpawnContext):
    """Makes the processes of one pool, and knows the last."""

    process: SpawnProcess | None = None

    def Process(self, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        self.process = _Process(**{**kwargs, "name": WORKERS[0]})
        return self.process


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT in this thread: a process that it starts has it blocked as well."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_main_module = threading.Lock()


@contextmanager
def _without_pseudo_file() -> Iterator[None]:
    """Hide a main module's file that is none, such as `<stdin>`: a spawned process would look for it."""
    main = vars(sys.modules["__main__"])
    with _main_module:
        file = main.get("__file__")
        hidden = file is not None and not Path(file).exists()
        if hidden:
            del main["__file__"]
        try:
            yield
        finally:
            if hidden:
                main["__file__"] = file


def _begin() -> None:
    """Make a process one that ends with the program, however that ends, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
