"""Where candidates are trained: in this process, in processes of this machine, or on a Dask cluster.

Each option opens something with the interface of `concurrent.futures.Executor`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeVar

from nas.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")


class Opener(Protocol):
    """Opens an executor."""

    def open(self, workers: int) -> Executor:
        """Return an executor that runs `workers` calls at once."""


class InProcess(Executor):
    """Runs each call at once, in this process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call, and return what came of it."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as every executor: whoever asks for the result gets it
            future.set_exception(error)
        return future


class SpawnedProcesses(Executor):
    """A pool of spawned processes in which a call outlives the death of its process.

    Each worker is a pool of one process, so that a process that dies takes no other call with it. It is replaced, and
    its call run again.

    Args:
        workers: number of processes, at least 1.
        attempts: how often a call is run before its process's death is its result, at least 1.
    """

    def __init__(self, workers: int, attempts: int = 3) -> None:
        self._attempts = attempts
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(workers):
            self._idle.put(self._start())
        self._threads = ThreadPoolExecutor(workers)  # each waits for one process
        self._workers = workers

    @staticmethod
    def _start() -> ProcessPoolExecutor:
        # Never fork: a fork of a process with PyTorch's or FAISS's threads hangs.
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_end_with_parent)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a picklable call in the next process that is free."""
        return self._threads.submit(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        for attempt in range(1, self._attempts + 1):
            pool = self._idle.get()
            try:
                return pool.submit(fn, *args, **kwargs).result()
            except BrokenProcessPool as error:
                pool.shutdown(wait=False)
                pool = self._start()
                if attempt == self._attempts:
                    raise RuntimeError(f"its worker process died {attempt} times") from error
            finally:
                self._idle.put(pool)
        raise AssertionError("unreachable")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, without waiting for calls that are being run where `wait` is false."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for _ in range(self._workers):
            if wait or not self._idle.empty():
                self._idle.get().shutdown(wait=wait, cancel_futures=True)


def _end_with_parent() -> None:
    """See to it that this process does not outlive a parent that is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class LocalExecutor:
    """This machine: this process for one worker, spawned processes for several."""

    def open(self, workers: int) -> Executor:
        """Return an executor that runs `workers` calls at once."""
        return InProcess() if workers == 1 else SpawnedProcesses(workers)


class DaskExecutor:
    """A Dask cluster; needs the extra `dask`. Dask itself runs the calls of a worker that died again.

    Args:
        address: of the scheduler; None: a cluster of processes on this machine.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address

    def open(self, workers: int) -> Executor:
        """Connect.

        Raises:
            UserError: Dask is not installed, or nothing answers at the address.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise UserError("executor=dask needs Dask: pip install 'nas[dask]'") from error
        logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of every connection
        connect: Any = Client  # Dask has no types
        try:
            if self._address is None:
                client = connect(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            else:
                client = connect(self._address, timeout="10s")
        except (OSError, TimeoutError, ValueError) as error:
            raise UserError(f"executor.address is {self._address!r}, where no Dask scheduler answers") from error
        return _DaskConnection(client)


class _DaskConnection(Executor):
    """Dask's own executor, which knows no `cancel_futures`; ends the connection, and a cluster that came with it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)  # a call is run each time it is asked for

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait and not cancel_futures)  # not to wait is to cancel, for Dask
        self._client.close()
