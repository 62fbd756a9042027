"""One program for all: `nas search ...`, `nas compare ...`, `nas data ...`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from nas._version import __version__

_COMMANDS = {
    "search": "search for an architecture",
    "retrain": "train what a run recommends for long, and leave a model",
    "predict": "tell what a model says of image files",
    "compare": "compare methods by their runs",
    "study": "compare performance predictors: how well they rank, and at which price",
    "data": "list, fetch, convert and verify benchmark tables",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command with what follows its name; only that command is imported.

    Args:
        argv: the name of the command and its arguments; None: those of this process.

    Returns:
        The command's exit code; 1 where there is no such command, 2 where none is named.
    """
    prog = "python -m nas" if Path(sys.argv[0]).name == "__main__.py" else "nas"
    name, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if name in ("-h", "--help"):
        print(_help(prog))
        return 0
    if name == "--version":
        print(f"nas {__version__}")
        return 0
    if not name:
        print(_help(prog), file=sys.stderr)
        return 2
    if name not in _COMMANDS:
        print(f"error: {name!r} is no command, expected {prog} {'|'.join(_COMMANDS)} ...", file=sys.stderr)
        return 1
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: parts of the user's own lie in the current folder
    code: int = import_module(f"nas.{name}.__main__").main(rest, f"{prog} {name}")
    return code


def _help(prog: str) -> str:
    commands = "\n".join(f"  {name:9}{told}" for name, told in _COMMANDS.items())
    return (
        f"usage: {prog} COMMAND ...\n       {prog} --version\n\n{commands}\n\n"
        f"{prog} COMMAND --help tells more of one of them."
    )


if __name__ == "__main__":
    sys.exit(main())
