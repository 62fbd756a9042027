"""Log lines that cannot be written."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from nas.search.console import LogLines


def test_a_log_line_that_cannot_be_written_is_an_error_for_whoever_logs() -> None:
    logger = logging.Logger("full")
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        logger.addHandler(LogLines(stream))
        with pytest.raises(OSError, match="No space left"):
            logger.warning("line")
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_a_log_line_that_nobody_reads_is_an_error_for_whoever_logs(capsys) -> None:
    read, write = os.pipe()
    os.close(read)
    logger = logging.Logger("unread")
    with os.fdopen(write, "w") as stream:
        logger.addHandler(LogLines(stream))
        with pytest.raises(BrokenPipeError):
            logger.warning("line")
        logger.warning("%d", "no number")  # as logging does it: told, not raised
        assert "--- Logging error ---" in capsys.readouterr().err
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)
