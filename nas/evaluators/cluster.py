"""A Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import pkgutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

import nas
from nas.errors import UserError
from nas.evaluators.calls import Answer, answer, describe, leave_import_of_main, pack, unpack
from nas.evaluators.processes import SpawnedProcesses
from nas.options import Positive, validated

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

_PATIENCE = 20.0  # seconds for workers to come, and for all of them to answer
_REFUSALS = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    ValueError,
    RuntimeError,
)  # two of which are one since Python 3.11


@validated
class DaskExecutor:
    """A Dask cluster; needs the extra `dask`. Dask itself runs the calls of a worker that died again.

    Args:
        address: of the scheduler; None: a cluster of processes on this machine.
        grace: seconds beyond its time limit, above 0, after which a call that hangs has failed and its worker is
            started again. That needs a worker with a nanny, as workers have unless they are told otherwise.
    """

    def __init__(self, address: str | None, grace: Positive = 10.0) -> None:
        self._address, self._grace = address, grace
        self.elsewhere = address is not None

    def open(
        self, workers: int, time_limit: float | None = None, prepare: Callable[[], object] | None = None
    ) -> Executor:
        """Connect, and see to it that the workers can do what they will be asked; see `Opener`.

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
                client = connect(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")
            else:
                client = connect(self._address, timeout="10s")
        except _REFUSALS as error:
            if self._address is None:
                raise UserError(f"no Dask cluster can be started on this machine ({describe(error)})") from error
            raise UserError(f"no Dask scheduler answers at {self._address!r} ({describe(error)})") from error
        first = pack(prepare or _nothing, (), {}, _dumps)
        try:
            _check(client, self._address, first)
        except BaseException:
            client.close()
            raise
        return _DaskConnection(client, first, time_limit, self._grace)


class _DaskConnection(Executor):
    """Dask's own executor, and a watch over its calls: Dask ends none, and does not tell of workers that died.

    A worker announces the call that it begins. From then on its time is counted here; a second announcement is that of
    another worker, in the place of one that died.
    """

    def __init__(self, client: Any, first: bytes, limit: float | None, grace: float) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)  # a call is run each time it is asked for
        self._first, self._limit, self._grace = first, limit, grace
        self._topic = f"nas-{client.id}"
        self._calls: dict[str, tuple[Future[Answer], Future[Any]]] = {}
        self._began: set[str] = set()
        self._timers: dict[str, threading.Timer] = {}
        self.deaths = 0
        """How many workers died so far while they ran a call."""
        client.subscribe_topic(self._topic, self._begun)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._client.status != "running":
            raise UserError("the connection to the Dask scheduler is lost: continue with resume=FOLDER")
        call, key = pack(fn, args, kwargs, _dumps), uuid4().hex
        future: Future[T] = Future()
        told: Future[Answer] = self._executor.submit(_announced, self._topic, key, self._first, call)
        self._calls[key] = told, future
        told.add_done_callback(lambda done: self._ended(key, done, future))
        return future

    def _begun(self, event: tuple[float, Mapping[str, str]]) -> None:
        """Count the time of a call; again, where Dask runs it again because its worker died."""
        key, worker = event[1]["call"], event[1]["worker"]
        if key not in self._calls:
            return
        if key in self._began:
            self.deaths += 1
            _log.warning("a Dask worker died: its call is run again on %s", worker)
        self._began.add(key)
        if self._limit is None:
            return
        timer = threading.Timer(self._limit + self._grace, self._expired, (key, worker))
        timer.daemon = True
        if (before := self._timers.get(key)) is not None:
            before.cancel()
        self._timers[key] = timer
        timer.start()

    def _expired(self, key: str, worker: str) -> None:
        told, future = self._calls.get(key, (None, None))
        if told is None or future is None or told.done():
            return
        after = f"over {self._limit} seconds, and after {self._grace:g} more its worker was given up"
        _resolve(future, TimeoutError(after))
        told.cancel()
        try:
            self._client.restart_workers([worker], raise_for_error=False)
        except Exception as error:  # of foreign code: the search goes on without that worker
            _log.warning("Dask worker %s hangs and cannot be started again: %s", worker, describe(error))

    def _ended(self, key: str, told: Future[Answer], future: Future[T]) -> None:
        self._calls.pop(key, None)
        self._began.discard(key)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if told.cancelled():
            if future.cancel():
                future.set_running_or_notify_cancel()
            return
        try:
            _resolve(future, None, unpack(told.result()))
        except BaseException as error:  # whoever asks for the result gets it
            _resolve(future, error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._client.status != "running":
            return
        self._executor.shutdown(wait=wait and not cancel_futures)  # not to wait is to cancel, for Dask
        self._client.close()


def _resolve(future: Future[T], error: BaseException | None, result: Any = None) -> None:
    with suppress(InvalidStateError):  # it was given up before
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _announced(topic: str, key: str, first: bytes, call: bytes) -> Answer:
    """Run a packed call on a worker, which announces it when it has done what the first call in a process needs."""
    from distributed import get_worker
    from distributed.utils import sync

    answer(first)  # what goes wrong the call will meet again
    worker = get_worker()
    sync(worker.loop, worker.scheduler.log_event, topic=topic, msg={"call": key, "worker": worker.address})
    return answer(call)


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
    for worker, version in _asked(client, where, pkgutil.resolve_name, "nas:__version__").items():
        if version != nas.__version__:
            has = describe(version) if isinstance(version, Exception) else f"nas {version}"
            raise UserError(
                f"Dask worker {worker} has another nas than this process ({has}, here {nas.__version__}): "
                f"install the same on all machines"
            )
    for worker, fault in _asked(client, where, _loads, call).items():
        if fault is not None:
            raise UserError(f"Dask worker {worker} cannot load what it is to do ({describe(fault)}): install it there")


def _asked(client: Any, where: str, question: Callable[..., Any], *about: Any) -> Mapping[str, Any]:
    """What a call gives on each worker, or raises there."""
    answers: Future[Mapping[str, Any]] = Future()

    def ask() -> None:
        try:
            answers.set_result(client.run(question, *about, on_error="return"))
        except Exception as error:  # of foreign code, and for the thread that waits
            answers.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.result(_PATIENCE)
    except (TimeoutError, FutureTimeoutError) as error:
        raise UserError(f"not all Dask workers of {where} answer within {_PATIENCE:g} seconds: restart them") from error
