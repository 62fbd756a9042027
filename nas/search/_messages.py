"""What the program tells of an error, and how a run that was stopped goes on."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nas._config import explain
from nas.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk; such an error names no file
_PLAIN = re.compile(r"[\w./:@%+-]+", re.ASCII)  # a value that Hydra takes as it is


def override(name: str, folder: Path) -> str:
    """An option that names a folder, quoted for Hydra and for a shell."""
    return shlex.quote(assigned(name, folder))


def assigned(name: str, folder: Path) -> str:
    """An option that names a folder, quoted for Hydra."""
    value = str(folder)
    return f"{name}={value if _PLAIN.fullmatch(value) else QuotedString(value, Quote.single).with_quotes()}"


def one_line(error: BaseException, going_on: str) -> str | None:
    """What to tell the user of a mistake; None: it is to be seen with its traceback.

    Args:
        error: the mistake.
        going_on: how to continue, such as `continue with resume=FOLDER`.
    """
    if "NAS_FULL_ERROR" in os.environ:
        return None
    if isinstance(error, HydraException | OmegaConfBaseException):  # some of which are OSErrors
        return explain(error)
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return f"{error.strerror}: make room, and {going_on}: what was recorded is kept"
        return f"{error.filename}: {error.strerror}" if error.filename else None
    if isinstance(error, BrokenExecutor):  # joblib's: all of its processes end with one
        return f"a process of the sweep died (killed, or out of memory): {going_on}: what was recorded is kept"
    if isinstance(error, RuntimeError):
        return _of_launcher(error) if "submitit" in sys.modules else None
    return str(error) if isinstance(error, UserError) else None


def answered(program: Callable[[], object], again: str, stopped: str) -> int:
    """Run a program that goes on when the same command is given again; a mistake is one line on standard error.

    Args:
        program: what is run.
        again: how to go on after a mistake.
        stopped: what is said after Ctrl-C.

    Returns:
        The exit code.
    """
    try:
        program()
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130
    except Exception as error:
        line = one_line(error, again)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


def _of_launcher(error: RuntimeError) -> str:
    """Submitit tells of a failed job with all that the job said, of which the last may be a line of ours."""
    lines = str(error).splitlines()
    ours = [line for line in lines if line.startswith("error: ")]
    return (ours[-1] if ours else lines[0]).removeprefix("error: ")
