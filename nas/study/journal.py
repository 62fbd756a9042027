"""The journal of a study: what was measured is not measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas._version import __version__
from nas.errors import UserError
from nas.study.measuring import Job

Found = dict[str, float] | str
_MEND = "name another folder (folder=...), or delete it"


class Journal:
    """Keeps each measurement as a line of `journal.jsonl`, the first of which says what all of them are of.

    A last line that was cut off by a kill is dropped. One process at a time writes there.

    Args:
        folder: of the study.
        measured_on: the table and the protocol.

    Raises:
        UserError: the folder holds measurements of another table, protocol or version, or no journal, or another
            process is writing there.
    """

    def __init__(self, folder: Path, measured_on: dict[str, Any]) -> None:
        from filelock import FileLock, Timeout

        path = folder / "journal.jsonl"
        self._lock = FileLock(folder / "journal.lock", blocking=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UserError(f"{folder} is being written by another process: wait for it, or stop it") from error
        self.found: dict[str, Found] = {}
        head = {"version": __version__, **measured_on}
        text = path.read_bytes() if path.is_file() else b""
        whole = text[: text.rfind(b"\n") + 1]
        if whole:
            self._read(path, whole, head)
        self._file = path.open("ab")
        self._file.truncate(len(whole))
        if not whole:
            self._write(head)

    def _read(self, path: Path, whole: bytes, head: dict[str, Any]) -> None:
        try:
            first, *lines = (json.loads(line) for line in whole.splitlines())
            self.found = {line["what"]: line["found"] for line in lines}
            differing = [name for name in {**first, **head} if first.get(name) != head.get(name)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is no journal of a study: {_MEND}") from error
        for name in differing[:1]:
            raise UserError(
                f"{path} holds measurements of another {name} ({first.get(name)}; now {head.get(name)}): {_MEND}"
            )

    def record(self, job: Job, found: Found) -> None:
        """Keep a measurement; it is with the operating system when this returns."""
        self.found[job.key] = found
        self._write({"what": job.key, "found": found})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.release()
