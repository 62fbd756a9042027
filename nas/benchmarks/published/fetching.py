"""Downloads that survive a cut connection."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from nas.benchmarks.published.catalogue import Source
from nas.errors import UserError

_log = logging.getLogger(__name__)

_BLOCK = 1 << 18
_REFUSED = 416  # range not satisfiable

Report = Callable[[int, int | None], None]
"""Is told how many bytes are there, of how many, if the server said."""


def download(
    source: Source,
    folder: Path,
    *,
    report: Report = lambda done, total: None,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download a file, or the rest of it, and check its digest.

    What has arrived is kept in `NAME.part` until the digest is right. A cut connection is followed by another attempt
    that asks for the rest only; where the server sends the whole again, it is taken from the start.

    Args:
        source: the file.
        folder: where to put it; is created.
        report: told the progress.
        attempts: how many in a row may bring nothing.
        pause: seconds before the second attempt in a row, twice as many before each further one.
        timeout: seconds without a byte after which a connection counts as cut.

    Raises:
        UserError: the server cannot be reached, refuses, or sends another file; or another process is downloading it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    whole, part = folder / source.name, folder / f"{source.name}.part"
    try:
        with FileLock(folder / f"{source.name}.lock", blocking=False):
            if whole.is_file() and digest_of(whole) == source.sha256:
                return whole
            _complete(source, part, report, attempts, pause, timeout)
            digest = digest_of(part)
            if digest != source.sha256:
                part.unlink(missing_ok=True)
                raise UserError(
                    f"{source.url} has SHA-256 {digest}, expected {source.sha256}: it is damaged or another file, "
                    f"and was removed: try again"
                )
            os.replace(part, whole)
            return whole
    except Timeout as error:
        raise UserError(f"{part} is being written by another process: wait for it, or stop it") from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _complete(source: Source, part: Path, report: Report, attempts: int, pause: float, timeout: float) -> None:
    """Go on with the file until all of it is there."""
    failed, largest = 0, _size(part)
    while failed < attempts:
        try:
            if _fetch_rest(source, part, report, timeout):
                return
            reason = "the connection was cut"
        except HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise UserError(f"{source.url}: {error.code} {_line(error.reason)}") from error
            reason = f"{error.code} {_line(error.reason)}"
        except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
            reason = _line(getattr(error, "reason", error)) or type(error).__name__
        # what is sent again after a start from scratch brings nothing
        failed = 0 if _size(part) > largest else failed + 1
        largest = max(largest, _size(part))
        _log.info("%s: %s after %d bytes", source.url, reason, _size(part))
        time.sleep(pause * 2 ** max(failed - 1, 0))
    raise UserError(
        f"{source.url} cannot be downloaded ({reason}): {_size(part):,} bytes are kept, start again to go on; "
        f"or download it in another way and use python -m nas.data convert FILE"
    )


def _fetch_rest(source: Source, part: Path, report: Report, timeout: float) -> bool:
    """Ask once for what is missing; tell whether the file is complete."""
    start = _size(part)
    request = Request(source.url, headers={"User-Agent": "nas", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response: HTTPResponse = urlopen(request, timeout=timeout)
    except HTTPError as error:
        if start and error.code == _REFUSED:  # all of it is there, or more than that: the digest tells
            return True
        raise
    with response:
        if response.status == 206 and not _continues(response, start):
            part.unlink(missing_ok=True)  # no answer to what was asked: ask for the whole
            return False
        if response.status != 206:
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None and length.isdigit() else None
        if (total or 0) > source.most:
            raise UserError(f"{source.url} has {total:,} bytes, at most {source.most:,} are expected")
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            done = start
            report(done, total)
            while block := response.read1(_BLOCK):
                done += len(block)
                if done > source.most:
                    raise UserError(f"{source.url} sends more than {source.most:,} bytes: it is another file")
                file.write(block)
                report(done, total)
    return total is None or done >= total


def _continues(response: HTTPResponse, start: int) -> bool:
    """Whether a part that was sent starts where the file ends."""
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")


def _line(reason: object) -> str:
    return " ".join(str(reason).split())


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
