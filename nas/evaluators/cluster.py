"""A Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import pkgutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, ParamSpec, TypeVar

import nas
from nas.errors import UserError
from nas.evaluators.calls import Answer, answer, describe, leave_import_of_main, pack, unpack
from nas.evaluators.processes import SpawnedProcesses

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 20.0  # seconds for workers to come, and for all of them to answer
_REFUSALS = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    ValueError,
    RuntimeError,
)  # two of which are one since Python 3.11


class DaskExecutor:
    """A Dask cluster; needs the extra `dask`. Dask itself runs the calls of a worker that died again.

    Args:
        address: of the scheduler; None: a cluster of processes on this machine.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self.elsewhere = address is not None

    def open(
        self, workers: int, time_limit: float | None = None, prepare: Callable[[], object] | None = None
    ) -> Executor:
        """Connect, and see to it that the workers can do what they will be asked; see `Opener`.

        Dask kills no worker for one of its calls: a call that hangs beyond its time limit goes on.

        Raises:
            UserError: Dask is not installed, nothing answers at the address, or there are no workers; or one has
                another version of this package or lacks a module.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise UserError("executor=dask needs Dask: pip install -e '.[dask]'") from error
        leave_import_of_main()
        logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of every connection
        connect: Any = Client  # Dask has no types
        if self._address is None:
            with SpawnedProcesses(1) as probe:  # of whose start all faults are told; Dask tells that one failed
                probe.submit(_nothing).result()
        try:
            if self._address is None:
                client = connect(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            else:
                client = connect(self._address, timeout="10s")
        except _REFUSALS as error:
            if self._address is None:
                raise UserError(f"no Dask cluster can be started on this machine ({describe(error)})") from error
            raise UserError(f"no Dask scheduler answers at {self._address!r} ({describe(error)})") from error
        try:
            _check(client, self._address, pack(prepare or _nothing, (), {}, _dumps))
        except BaseException:
            client.close()
            raise
        return _DaskConnection(client)


class _DaskConnection(Executor):
    """Dask's own executor, which knows no `cancel_futures`; ends the connection, and a cluster that came with it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)  # a call is run each time it is asked for

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._client.status != "running":
            raise UserError("the connection to the Dask scheduler is lost: continue with resume=FOLDER")
        told: Future[Answer] = self._executor.submit(answer, pack(fn, args, kwargs, _dumps))
        future: Future[T] = Future()
        told.add_done_callback(lambda done: _pass_on(done, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._client.status != "running":
            return
        self._executor.shutdown(wait=wait and not cancel_futures)  # not to wait is to cancel, for Dask
        self._client.close()


def _pass_on(told: Future[Answer], future: Future[T]) -> None:
    if told.cancelled():
        future.cancel()
        future.set_running_or_notify_cancel()
        return
    try:
        future.set_result(unpack(told.result()))
    except BaseException as error:  # whoever asks for the result gets it
        future.set_exception(error)


def _dumps(call: Any) -> bytes:
    import cloudpickle

    content: bytes = cloudpickle.dumps(call)  # what the main module defines travels along
    return content


def _nothing() -> None:
    """What to do where there is nothing to prepare."""


def _loads(call: bytes) -> None:
    """Import, on a worker, whatever a call needs."""
    import pickle

    pickle.loads(call)


def _check(client: Any, address: str | None, call: bytes) -> None:
    """Refuse a cluster whose workers could not do the call."""
    where = address or "this machine"
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except (TimeoutError, asyncio.TimeoutError) as error:
        raise UserError(
            f"the Dask scheduler at {where} has no workers after {_PATIENCE:g} seconds: "
            f"start one with `dask worker {where}`"
        ) from error
    for worker, version in _versions(client, where).items():
        if version != nas.__version__:
            has = describe(version) if isinstance(version, Exception) else f"nas {version}"
            raise UserError(
                f"Dask worker {worker} has another nas than this process ({has}, here {nas.__version__}): "
                f"install the same on all machines"
            )
    for worker, fault in client.run(_loads, call, on_error="return").items():
        if fault is not None:
            raise UserError(f"Dask worker {worker} cannot load what it is to do ({describe(fault)}): install it there")


def _versions(client: Any, where: str) -> Mapping[str, str | Exception]:
    """The version of this package on each worker, or why there is none."""
    answers: Future[Mapping[str, str | Exception]] = Future()

    def ask() -> None:
        try:
            answers.set_result(client.run(pkgutil.resolve_name, "nas:__version__", on_error="return"))
        except Exception as error:  # of foreign code, and for the thread that waits
            answers.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.result(_PATIENCE)
    except (TimeoutError, FutureTimeoutError) as error:
        raise UserError(f"not all Dask workers of {where} answer within {_PATIENCE:g} seconds: restart them") from error
