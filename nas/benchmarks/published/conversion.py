"""From a published file to the compact format."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from nas._paths import cache_folder
from nas.benchmarks.published import nasbench101, nats
from nas.benchmarks.published.verification import read_any, table_spaces
from nas.errors import UserError
from nas.types import Space

Report = Callable[[int], None]
"""Is told, now and then, how many bytes were read."""


class Format(Protocol):
    """A published format: a module that knows it."""

    FILE: str
    """The file name of such a table in the compact format."""

    def recognised(self, path: Path) -> bool:
        """Tell whether the file is one of this format."""

    def read_official(self, path: Path, report: Report) -> dict[str, NDArray[Any]]:
        """Return the arrays of the compact format. Raises UserError for a file that is damaged."""


FORMATS: tuple[Format, ...] = (nasbench101, nats)


def convert(
    path: Path,
    out: Path | None = None,
    *,
    report: Report = lambda _: None,
    replace: bool = False,
    rows: Mapping[str, int] = MappingProxyType({}),
) -> Path:
    """Convert a published file to the compact format.

    Args:
        path: the file.
        out: the file to write, there whole or not at all; None: in the user's cache folder, where a search finds it.
        report: told the progress.
        replace: whether `out` may be there already.
        rows: architectures that there must be, by `Format.FILE`; any number of what is not in it.

    Returns:
        The file that was written, read once to see that it is a valid table.

    Raises:
        UserError: `path` is missing, damaged, incomplete or of no known format, or `out` is there.
    """
    if not path.exists():
        raise UserError(f"there is no {path}")
    kind = next((kind for kind in FORMATS if kind.recognised(path)), None)
    if kind is None:
        raise UserError(
            f"{path} is of no known format: expected NAS-Bench-101 records (nasbench_only108.tfrecord, "
            f"nasbench_full.tfrecord) or NATS-Bench (NATS-tss-v1_0-3ffb9-simple.tar, or the folder it unpacks to)"
        )
    out = cache_folder() / kind.FILE if out is None else out
    check_free(out, replace=replace)
    arrays = kind.read_official(path, report)
    found, expected = len(arrays["ops"]), rows.get(kind.FILE)
    if expected not in (None, found):
        raise UserError(
            f"{path} has {found:,} architectures, the published table {expected:,}: obtain the file again, take it as "
            f"it is with --force, or write it elsewhere with --out"
        )
    try:
        write_table(out, arrays, table_spaces(kind.FILE))
    except UserError as error:
        raise UserError(f"{path} cannot be converted: {error}") from error
    return out


def check_free(out: Path, *, replace: bool) -> None:
    """Raise UserError for a file that is there and not to be replaced, or whose name is not that of an archive."""
    if out.suffix.lower() != ".npz":
        raise UserError(f"a table is written as a NumPy archive, {out} does not end in .npz: name another with --out")
    if out.exists() and not replace:
        raise UserError(f"{out} is there already: replace it with --force, or name another file with --out")


def write_table(out: Path, arrays: dict[str, NDArray[Any]], spaces: Sequence[Space]) -> None:
    """Write a table so that it is there whole or not at all; one of the `spaces` must be able to read it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.stem}.{uuid4().hex}.part")
    with part.open("xb") as file:  # readable to whom the umask says, unlike a temporary file
        try:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
            read_any(part, spaces)
            os.replace(part, out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def row_count(path: Path) -> int:
    """Return how many architectures a table that was written has."""
    with np.load(path, allow_pickle=False) as arrays:
        return len(arrays["ops"])
