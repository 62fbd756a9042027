"""Where candidates are trained: in this process, in processes of this machine, or on a Dask cluster.

Each option opens something with the interface of `concurrent.futures.Executor`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
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
    """Spawned processes in which a call outlives the death of its process: it is replaced, and the call run again.

    Args:
        workers: number of processes, at least 1.
        retries: how often a call is run again before its process's death is its result, at least 0.
    """

    def __init__(self, workers: int, retries: int = 3) -> None:
        self._retries = retries
        self._workers = [_Worker() for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers)  # each waits for one process
        self._closing = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a picklable call in the next process that is free."""
        return self._threads.submit(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        worker = self._idle.get()
        try:
            for _ in range(1 + self._retries):
                try:
                    result: T = worker.call(fn, args, kwargs)
                    return result
                except _DeadWorkerError:
                    if self._closing:
                        raise CancelledError from None
                    worker.start()
            raise RuntimeError(f"its worker process died {1 + self._retries} times")
        finally:
            self._idle.put(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; where `wait` is false, without waiting for the calls that they run."""
        if wait:
            self._threads.shutdown(wait=True, cancel_futures=cancel_futures)
        self._closing = True
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)


class _DeadWorkerError(Exception):
    """The process ended before it answered."""


class _Worker:
    """One spawned process and the pipe to it. Never fork: a fork of PyTorch's or FAISS's threads hangs."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # so that the death of the process is the end of the pipe

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            self._pipe.send((fn, args, kwargs))
            result, error = self._pipe.recv()
        except (EOFError, OSError) as end:
            raise _DeadWorkerError from end
        if error is not None:
            raise error
        return result

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    """Answer calls until the program ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which ends its workers
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    while True:
        fn, args, kwargs = pipe.recv()
        answer: tuple[Any, Exception | None]
        try:
            answer = fn(*args, **kwargs), None
        except Exception as error:  # whoever asks for the result gets it
            answer = None, error
        pipe.send(answer)


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
        if self._client.status != "running":
            raise UserError("the connection to the Dask scheduler is lost: continue with resume=FOLDER")
        future: Future[T] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._client.status != "running":
            return
        self._executor.shutdown(wait=wait and not cancel_futures)  # not to wait is to cancel, for Dask
        self._client.close()
