"""Benchmark tables: read, checked, and indexed by key."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.columns import TableColumns
from nas.errors import UserError
from nas.flat_files import read_arrays
from nas.types import Evaluation, Keys, Space

_MOST = float(np.finfo(np.float64).max)
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

    def signals(self, epochs: int | None, seed: int) -> dict[str, Evaluation]:
        """What a search may be shown of every row, most honest first, and the training seconds behind it.

        Args:
            epochs: of the training; None: the longest there is.
            seed: draws for each row the one run of `validation_run`.

        Raises:
            UserError: the table has no training of so many epochs.
        """
        columns = self.columns
        if epochs is not None and epochs not in columns.runs:
            there = (
                ", ".join(f"{number}" for number in columns.runs) or "no runs by epochs to choose from: leave it null"
            )
            raise UserError(f"evaluator.epochs is {epochs}, but {self.path} has {there}")
        if not columns.runs:
            shown = {"validation": columns.validation, "test_mean": columns.test}
            return {name: Evaluation(values, columns.cost) for name, values in shown.items() if values is not None}
        runs = columns.runs[max(columns.runs) if epochs is None else epochs]
        total = runs.cost.sum(axis=1)
        drawn = np.empty(len(self), dtype=np.intp)
        # in the order of keys, so that it does not depend on the order of the rows
        drawn[self._rows] = np.random.default_rng([seed, *b"run"]).integers(runs.cost.shape[1], size=len(self))
        one = np.arange(len(self)), drawn
        return {
            "validation_run": Evaluation(runs.validation[one], runs.cost[one]),
            "validation": Evaluation(runs.validation.mean(axis=1), total),
            "test_mean": Evaluation(runs.test.mean(axis=1), total),
        }

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
    arrays = read_arrays(path, content)
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
    least, most = columns.bounds
    allowed = "an accuracy in 0..1" if (least, most) == (0, 1) else "finite"
    _check_column("test", columns.test, (n,), least, most, allowed)
    if columns.validation is not None:
        _check_column("validation", columns.validation, (n,), least, most, allowed)
    known = np.where(np.isnan(columns.cost), 0, columns.cost)
    _check_column("cost", known, (n,), 0, _MOST, "0 or more seconds")
    _check_column("parameters", columns.parameters, (n,), 0, _MOST, "0 or more")
    for name, values in columns.objectives.items():
        _check_column(name, np.where(np.isnan(values), 0, values), (n,), -_MOST, _MOST, "finite")
    for epochs, runs in columns.runs.items():
        shape = n, runs.cost.shape[-1]
        if epochs < 1 or shape[1] < 1:
            raise UserError(f"it has {shape[1]} runs of {epochs} epochs, at least 1 run of 1 epoch is needed")
        for name, values in vars(runs).items():
            limits = (0, _MOST, "0 or more seconds") if name == "cost" else (0, 1, "an accuracy in 0..1")
            _check_column(f"{name} after {epochs} epochs", values, shape, *limits)


def _check_column(
    name: str, values: NDArray[Any], shape: tuple[int, ...], least: float, most: float, allowed: str
) -> None:
    if values.shape != shape:
        raise UserError(f"{name} has shape {values.shape}, expected {shape}")
    for place in np.argwhere(~((values >= least) & (values <= most)))[:1]:
        raise UserError(f"{name} of row {place[0]} is {values[tuple(place)]}, must be {allowed}")


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
