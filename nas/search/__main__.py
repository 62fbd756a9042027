"""Search for an architecture: `python -m nas.search space=nb101 estimator=emprox`."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas._config import config_folder, explain, register
from nas.errors import UserError
from nas.search.callbacks import Progress
from nas.search.compose import Composed
from nas.search.console import print_summary
from nas.search.runner import run_composed

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk; such an error names no file
_log = logging.getLogger("nas.search")  # __name__ is __main__ when this is the program


def _task(composed: DictConfig) -> float:
    try:
        return _search(composed)
    except (UserError, OSError) as error:
        if (line := _one_line(error)) is None:
            raise
        raise SystemExit(line) from error  # anything else Hydra would announce with a line of its own
    except KeyboardInterrupt as stop:
        print(f"stopped: continue with resume={HydraConfig.get().runtime.output_dir}", file=sys.stderr)
        raise SystemExit(130) from stop


def _one_line(error: Exception) -> str | None:
    """What to tell the user of a mistake; None: it is to be seen with its traceback."""
    if "NAS_FULL_ERROR" in os.environ:
        return None
    if isinstance(error, HydraException | OmegaConfBaseException):  # some of which are OSErrors
        return f"error: {explain(error)}"
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return f"error: {error.strerror}: make room, and continue with resume=FOLDER: what was recorded is kept"
        return f"error: {error.filename}: {error.strerror}" if error.filename else None
    if isinstance(error, RuntimeError):
        return _of_launcher(error) if "submitit" in sys.modules else None
    return f"error: {error}"


def _of_launcher(error: RuntimeError) -> str:
    """Submitit tells of a failed job with all that the job said, of which the last may be a line of ours."""
    lines = str(error).splitlines()
    ours = [line for line in lines if line.startswith("error: ")]
    return ours[-1] if ours else f"error: {lines[0]}"


def _search(composed: DictConfig) -> float:
    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    options: dict[str, Any] = OmegaConf.to_container(composed, resolve=True)  # type: ignore[assignment]
    if options["resume"] is not None:
        if job.mode is RunMode.MULTIRUN:
            raise UserError("resume continues one run: to continue a sweep, start it again with hydra.sweep.dir=FOLDER")
        if not folder.samefile(options["resume"]):
            raise UserError(f"resume is {options['resume']!r}, but hydra.run.dir names {folder}: leave that out")
    _log.info("results go to %s", folder)
    result = run_composed(Composed.of(composed, job, job.overrides.task, folder), callbacks=[Progress()])
    print_summary(result.content, folder)
    return float(result.content["best"]["value"])


def main() -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1.

    With `NAS_FULL_ERROR` in the environment it is a traceback, for who writes a part of their own.
    """
    register()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait make a busy machine crawl
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves its errors to us
    try:
        hydra.main(version_base="1.3", config_path=config_folder(), config_name="config")(_task)()
    except (UserError, HydraException, OmegaConfBaseException, OSError, RuntimeError) as error:
        if (line := _one_line(error)) is None:
            raise
        print(line, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
