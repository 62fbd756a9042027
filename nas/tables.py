"""Benchmark tables in the compact NumPy format: read, checked, and indexed by key."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.archives import Arrays
from nas.errors import UserError
from nas.types import Keys, Space, TableColumns, Values

_CHECKED_ROWS = 64  # whose published hash is computed anew when a table is read


@dataclass(frozen=True)
class Table:
    """A benchmark table: its rows as read, and an index from key to row.

    Attributes:
        path: the file.
        sha256: digest of its content, hexadecimal.
        space: the part of the search space that it covers.
        columns: the rows.
    """

    path: Path
    sha256: str
    space: Space
    columns: TableColumns
    _sorted_keys: Keys
    _rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def signals(self) -> dict[str, Values]:
        """What a search may be shown, complete for every row, most honest first."""
        columns = {"validation": self.columns.validation, "test_mean": self.columns.test}
        return {name: values for name, values in columns.items() if values is not None}

    def rows(self, keys: Keys) -> NDArray[np.intp]:
        """Rows of the networks with these keys: `(n,)`.

        Raises:
            KeyError: a key is not in the table.
        """
        place = np.minimum(np.searchsorted(self._sorted_keys, keys), len(self) - 1)
        for missing in keys[self._sorted_keys[place] != keys][:1]:
            raise KeyError(f"{missing:016x}")
        return self._rows[place]


def read_table(path: Path, space: Space, expected_sha256: str | None = None, name: str | None = None) -> Table:
    """Read and check a table.

    Args:
        path: the file.
        space: says what its arrays mean.
        expected_sha256: refuse a file with another digest.
        name: which of the space's tables it is, for a file that holds several.

    Raises:
        UserError: the file is missing, damaged, of another format or space, or says something impossible.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the benchmark table {path}: {error.strerror}") from error
    digest = sha256(content).hexdigest()
    if expected_sha256 is not None and digest != expected_sha256.lower():
        raise UserError(f"{path} has SHA-256 {digest}, expected {expected_sha256}: obtain the file again")
    arrays = Arrays(path, content)
    try:
        space = space.covered(arrays)
        columns = space.table_columns(arrays, name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: the arrays do not fit together ({error}): obtain the file again") from error
    try:
        space.check(columns.archs)
        _check_values(columns)
        keys = space.keys(columns.archs)
        _check_rows(space, columns, keys)
    except UserError as error:
        raise UserError(f"{path} is no valid table: {error}") from error
    order = np.argsort(keys)
    return Table(path, digest, space, columns, keys[order], order)


def _check_values(columns: TableColumns) -> None:
    n = len(columns.archs)
    if n == 0:
        raise UserError("it has no rows")
    for name in ("test", "validation", "cost"):
        values = getattr(columns, name)
        if values is None:
            continue
        if values.shape != (n,):
            raise UserError(f"{name} has shape {values.shape}, expected ({n},)")
        if name == "cost":
            wrong, allowed = (values < 0) | np.isinf(values), "0 or more seconds"
        else:
            wrong, allowed = ~((values >= 0) & (values <= 1)), "an accuracy in 0..1"
        for row in np.flatnonzero(wrong)[:1]:
            raise UserError(f"{name} of row {row} is {values[row]}, must be {allowed}")


def _check_rows(space: Space, columns: TableColumns, keys: Keys) -> None:
    unique, counts = np.unique(keys, return_counts=True)
    for key in unique[counts > 1][:1]:
        rows = np.flatnonzero(keys == key)[:2].tolist()
        raise UserError(f"rows {rows[0]} and {rows[1]} are the same network")
    if columns.digests is None:
        return
    if len(columns.digests) != len(keys):
        raise UserError(f"there are {len(columns.digests)} hashes for {len(keys)} rows")
    sample = np.linspace(0, len(keys) - 1, min(_CHECKED_ROWS, len(keys))).astype(np.intp)
    for row, computed in zip(sample, space.digests(columns.archs[sample]), strict=True):
        stated = columns.digests[row].tobytes().hex()
        if stated != computed:
            raise UserError(f"row {row} is said to hash to {stated}, but hashes to {computed}")
