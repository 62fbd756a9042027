"""The command line of a search: Hydra composes, one run or each of a sweep is started, and mistakes are told."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas._config import config_folder, register
from nas._output import CLOSED, drop_output, is_closed
from nas.errors import UserError
from nas.search._jobs import Jobs, making
from nas.search._messages import one_line
from nas.search.callbacks import Progress
from nas.search.compose import Composed, over_record
from nas.search.console import print_summary
from nas.search.runner import run_composed

_log = logging.getLogger("nas.search")
_INTERRUPTED = 128 + signal.SIGINT  # the exit code, as a shell gives it
_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _StoppedError(KeyboardInterrupt):
    """Stops a search as Ctrl-C does; holds the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _task(composed: DictConfig) -> float:
    try:
        return _search(composed)
    except BrokenPipeError as error:
        if not is_closed():
            raise
        raise _StoppedError(CLOSED) from error


def _search(composed: DictConfig) -> float:
    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    if job.mode is RunMode.MULTIRUN and OmegaConf.select(composed, "resume") is not None:
        raise UserError("resume continues one run: to continue a sweep, start it again with hydra.sweep.dir=FOLDER")
    _log.info("results go to %s", folder)
    result = run_composed(Composed.of(composed, job, job.overrides.task, folder), callbacks=[Progress()])
    print_summary(result.content, folder)
    return float(result.content["best"]["value"])


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.search") -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1.

    With `NAS_FULL_ERROR` in the environment it is a traceback, for who writes a part of their own.

    Args:
        argv: options, as Hydra takes them; None: those of this process.
        prog: what the program is called in its help.

    Returns:
        The exit code: 130, 141, 143 or 129 after Ctrl-C, where nobody reads the output any more, after SIGTERM or after
        SIGHUP.
    """
    jobs = Jobs()
    try:
        with making(jobs), _process(prog, sys.argv[1:] if argv is None else argv):
            hydra.main(version_base="1.3", config_path=config_folder(), config_name="config")(_task)()
            sys.stdout.flush()
    except SystemExit as end:
        if not isinstance(end.code, str):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        return _stopped(jobs, stop.code if isinstance(stop, _StoppedError) else _INTERRUPTED)
    except (UserError, HydraException, OmegaConfBaseException, OSError, RuntimeError) as error:
        if isinstance(error, BrokenPipeError) and is_closed():
            return _stopped(jobs, CLOSED)
        if (line := one_line(error, jobs.going_on())) is None:
            raise
        if jobs.folder is not None:
            jobs.remove(jobs.folder)
        print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


def _stopped(jobs: Jobs, code: int) -> int:
    """Say how to continue what was stopped."""
    if code == CLOSED:
        drop_output()
    told = "stopped before anything was recorded"
    if jobs.folder is not None:
        jobs.remove(jobs.folder)
        if jobs.sweep or (jobs.folder / "config.yaml").is_file():
            told = f"stopped: {jobs.going_on()}"
    elif code == CLOSED:
        return code  # help, or the like
    with suppress(OSError):  # the terminal may be gone
        print(told, file=sys.stderr)
    return code


@contextmanager
def _process(prog: str, argv: Sequence[str]) -> Iterator[None]:
    """Set what Hydra and SIGTERM need of this process, and put it back: the program may be called again."""
    register()
    spinning = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait slow a busy machine
    with ExitStack() as stack:
        stack.callback(setattr, sys, "argv", sys.argv)
        sys.argv = [prog, *over_record(argv)]
        # Hydra then leaves its errors to us.
        stack.enter_context(env_override({"HYDRA_FULL_ERROR": "1", "OMP_WAIT_POLICY": spinning}))
        stack.enter_context(_logging())
        stack.callback(GlobalHydra.instance().clear)
        if threading.current_thread() is threading.main_thread():
            for number in _ENDS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has it ignored
                    stack.callback(signal.signal, number, signal.signal(number, _terminate))
        yield


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise _StoppedError(128 + number)


@contextmanager
def _logging() -> Iterator[None]:
    """Put the root's handlers and the levels that Hydra sets back."""
    root, ours = logging.getLogger(), logging.getLogger("nas")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
