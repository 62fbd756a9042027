"""Standard output that nobody reads any more, as after `| head -1`."""

from __future__ import annotations

import os
import sys
from typing import TextIO

CLOSED = 141  # exit code, as a shell gives it for SIGPIPE


def is_closed(stream: TextIO) -> bool:
    """Whether what is written to the stream cannot be read."""
    try:
        stream.flush()
    except BrokenPipeError:
        return True
    return False


def drop_output() -> None:
    """Send what is written to standard output nowhere, so that the interpreter does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
