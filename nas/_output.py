"""Standard output, which nobody may read any more, as after `| head -1`."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

CLOSED = 141  # exit code, as a shell gives it for SIGPIPE


def is_closed() -> bool:
    """Whether nobody can read what is written to standard output."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def console(**options: Any) -> Console:
    """A console of rich's that leaves a BrokenPipeError to the program; rich itself would end it without a word."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich calls this where it handles the error

    return Terminal(**options)


def drop_output() -> None:
    """Send what is written to standard output nowhere, so that the interpreter does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_to_the_end(program: Callable[[], int]) -> int:
    """Run a program that only tells; where nobody reads what it tells, it ends as SIGPIPE would end it.

    Returns:
        The program's exit code, or 141.
    """
    try:
        code = program()
        sys.stdout.flush()
    except BrokenPipeError:
        if not is_closed():
            raise
        drop_output()
        return CLOSED
    return code
