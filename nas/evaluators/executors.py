"""Where candidates are trained: in this process, in processes of this machine, or on a Dask cluster.

Each option opens something with the interface of `concurrent.futures.Executor`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, Protocol, TypeVar

from nas.evaluators.calls import leave_import_of_main
from nas.evaluators.processes import SpawnedProcesses
from nas.options import Positive, validated

P = ParamSpec("P")
T = TypeVar("T")


class Opener(Protocol):
    """Opens an executor."""

    elsewhere: bool
    """Whether calls may run on other machines."""

    def open(
        self, workers: int, time_limit: float | None = None, prepare: Callable[[], object] | None = None
    ) -> Executor:
        """Return an executor that runs `workers` calls at once.

        Args:
            workers: at least 1.
            time_limit: seconds that a call keeps to by itself, unless it hangs; None: no limit.
            prepare: what a process needs once before its first call; a call does it too where this is not used.
        """


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


@validated
class LocalExecutor:
    """This machine: this process for one worker without a time limit, else spawned processes.

    Args:
        grace: seconds beyond its time limit after which a call that hangs is ended together with its process, above 0.
    """

    elsewhere = False

    def __init__(self, grace: Positive = 10.0) -> None:
        self._grace = grace

    def open(
        self, workers: int, time_limit: float | None = None, prepare: Callable[[], object] | None = None
    ) -> Executor:
        """Return an executor that runs `workers` calls at once; see `Opener`."""
        if workers == 1 and time_limit is None:
            return InProcess()
        leave_import_of_main()
        return SpawnedProcesses(workers, time_limit, self._grace, prepare)
