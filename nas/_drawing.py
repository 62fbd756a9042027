"""What all figures share: a user's text is drawn as it is written, and a figure that fails costs nothing else."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_log = logging.getLogger(__name__)
T = TypeVar("T")


def drawable(text: str, most: int = 60) -> str:
    """A text as one line that every font and format can draw.

    Args:
        text: any text, such as the name of a file.
        most: characters; the middle of a longer text is left out.
    """
    line = "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))
    if len(line) > most:
        line = f"{line[: most // 2]}…{line[len(line) - (most - most // 2 - 1) :]}"
    return f" {line}" if line.startswith("_") else line  # a legend leaves such names out


@contextmanager
def as_written() -> Iterator[None]:
    """Let texts that are made within, also as a decorator, be no mathematics: `$` is a dollar."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False, "text.usetex": False}):
        yield


def attempt(name: str, draw: Callable[[], T]) -> T | None:
    """Draw, or say in one warning why that failed.

    Args:
        name: of the figure, for the warning.
        draw: makes it, or writes it.

    Returns:
        What `draw` returns, or None.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")  # one for each letter
            return draw()
    except Exception as error:  # of the drawing library, its fonts or the disk: what the figure shows is worth more
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        _log.warning("%s could not be drawn: %s: %s", name, type(error).__name__, reason)
        return None
