"""Compare performance predictors: `python -m nas.study --quick`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nas._output import read_to_the_end
from nas.search._messages import answered
from nas.study.study import study


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.study") -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1."""
    return read_to_the_end(lambda: _main(argv, prog))


def _main(argv: Sequence[str] | None, prog: str) -> int:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Compare performance predictors on a benchmark table: how well they rank, at which price.",
    )
    parser.add_argument("--quick", action="store_true", help="a few predictors, sizes and splits: two minutes")
    parser.add_argument("--config-dir", action="append", default=[], metavar="FOLDER", help="with your own options")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="NAME=VALUE",
        help="options, as in space=nb201 predictors=[emprox,ridge] splits=5",
    )
    arguments = parser.parse_args(argv)
    quick = ["study=quick"] if arguments.quick else []
    own = [f"hydra.searchpath=[{','.join(f'file://{Path(folder).resolve()}' for folder in arguments.config_dir)}]"]
    return answered(
        lambda: study([*quick, *arguments.overrides], own if arguments.config_dir else []),
        "start the same command again",
        "stopped: the same command goes on from what is recorded",
    )


if __name__ == "__main__":
    sys.exit(main())
