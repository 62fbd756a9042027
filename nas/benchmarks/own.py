"""A table of the user's: the search space that its rows are, and what its columns say of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.base import Benchmark, benchmark_of
from nas.benchmarks.flat_files import number, read_arrays
from nas.benchmarks.rows import TableColumns, zero_if_unknown
from nas.errors import UserError
from nas.options import validated
from nas.spaces import Gene, Rows
from nas.types import Architectures

_log = logging.getLogger(__name__)

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls the numbers of rows that it writes to Parquet
_MOST_CHOICES = 250
_MOST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Roles:
    """Which columns say how good a row is, and whether lower is better; see `Custom`."""

    value: str
    test: str
    cost: str | None
    parameters: str | None
    objectives: tuple[str, ...]
    minimise: bool

    @property
    def columns(self) -> set[str]:
        """The columns that have a role."""
        named = (self.value, self.test, self.cost, self.parameters, *self.objectives)
        return {name for name in named if name is not None}


@validated
class Custom(Rows):
    """The rows of a table: some of its columns are the genes, others say how good each row is.

    A gene's choices are the values that its column has, in ascending order.

    Args:
        path: a `.csv` with a header, a `.parquet`, or an `.npz` of arrays `(rows,)`.
        value: the column that the search sees; the higher, the better.
        genes: the columns that are genes; None: all that have no other role, none of which may hold fractions.
        test: the column with the test accuracy, for the report; None: the report tells `value` in its place.
        cost: the column with the training seconds behind the value; None: unknown.
        parameters: the column with the number of trainable parameters, NaN where unknown; None: unknown.
        objectives: columns with further numbers, such as the latency on a device.
        minimise: whether lower is better, as for a loss; value and test then change their sign.

    Raises:
        UserError: the file cannot be read, lacks a column, a gene has another role or is named twice, or it has too
            many values or one only.
    """

    def __init__(
        self,
        path: str,
        value: str,
        genes: Sequence[str] | None = None,
        test: str | None = None,
        cost: str | None = None,
        parameters: str | None = None,
        objectives: Sequence[str] | None = None,
        minimise: bool = False,
    ) -> None:
        file = Path(path).absolute()
        try:
            arrays = read_arrays(file, file.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read the table {path}: {error.strerror}: name it with space.path=FILE") from error
        self.path = file
        self.roles = Roles(value, test or value, cost, parameters, tuple(objectives or []), minimise)
        for name in sorted(self.roles.columns):
            arrays[name]  # raises where there is none
        names = _genes(arrays, self.roles.columns, genes if genes is None else list(genes))
        if not names:
            raise UserError(f"{path} has no column for a gene, only {', '.join(arrays)}")
        _check_lengths(arrays, [*names, *sorted(self.roles.columns)])
        self._choices = {name: np.unique(arrays[name]) for name in names}
        for name, choices in self._choices.items():
            if not 2 <= len(choices) <= _MOST_CHOICES:
                raise UserError(
                    f"column {name!r} of {path} has {len(choices)} different values, a gene needs 2..{_MOST_CHOICES}: "
                    f"name the genes with space.genes=[...]"
                )
            if choices.dtype.kind == "f" and np.isnan(choices).any():
                raise UserError(f"column {name!r} of {path} has empty fields: a gene needs a value in every row")
        found = (Gene(name, tuple(str(choice) for choice in choices)) for name, choices in self._choices.items())
        super().__init__(tuple(found), self.archs(arrays))

    def archs(self, arrays: Mapping[str, NDArray[Any]]) -> Architectures:
        """Return the architectures that the rows of a file are: `(n, genes)`.

        Raises:
            UserError: a gene is missing, or has a value that is none of its choices.
        """
        columns = []
        for name, choices in self._choices.items():
            values = arrays[name]
            if values.ndim != 1 or not np.isin(values, choices).all():
                raise UserError(f"column {name!r} has other values than those of the space")
            columns.append(np.searchsorted(choices, values).astype(np.uint8))
        return np.stack(columns, axis=1)


@benchmark_of.register(Custom)
class OwnTable(Benchmark):
    """The file that the space was made of: its columns with a role."""

    space: Custom

    def __init__(self, space: Custom) -> None:
        super().__init__(space)
        self.tables = {space.path.stem: str(space.path)}

    def column(self, signal: str) -> str:
        """What the file calls a signal."""
        return self.space.roles.test if signal == "test_mean" else self.space.roles.value

    def columns(self, arrays: Mapping[str, NDArray[Any]], table: str | None = None) -> TableColumns:
        """Read the columns that say how good each row is.

        Raises:
            UserError: one is missing, does not hold numbers, or has fractions of parameters.
        """
        roles, archs = self.space.roles, self.space.archs(arrays)
        sign = -1.0 if roles.minimise else 1.0
        value, test = (sign * _numbers(arrays, name) for name in (roles.value, roles.test))
        if roles.test == roles.value:
            _log.warning(
                "no column is space.test: what the report calls test accuracy is %r, which was searched", roles.value
            )
        unknown = np.full(len(archs), np.nan)
        cost, parameters = (
            unknown if name is None else _numbers(arrays, name) for name in (roles.cost, roles.parameters)
        )
        parameters = zero_if_unknown(parameters)
        for row in np.flatnonzero(~(np.abs(parameters) < 2**63) | (parameters != np.rint(parameters)))[:1]:
            raise UserError(
                f"column {roles.parameters!r} of row {row} is {parameters[row]}, must be a whole number of "
                f"parameters or empty: name a column in another unit with space.objectives"
            )
        objectives = {name: _numbers(arrays, name) for name in roles.objectives}
        whole = parameters.astype(np.int64)
        return TableColumns(archs, test, value, cost, whole, objectives=objectives, bounds=(-_MOST, _MOST))


def _genes(arrays: Mapping[str, NDArray[Any]], taken: set[str], named: list[str] | None) -> list[str]:
    if named is None:
        names = [name for name in arrays if name not in taken and not _INDEX.fullmatch(name)]
        for name in names:
            # as a gene it would tell the search what only the report may know
            if arrays[name].dtype.kind == "f":
                raise UserError(
                    f"column {name!r} holds fractions or empty fields: name the genes with space.genes=[...], or give "
                    f"it a role such as space.test={name}"
                )
        return names
    for place, name in enumerate(named):
        if name in taken or name in named[:place]:
            what = "has another role" if name in taken else "is named twice"
            raise UserError(f"column {name!r} of space.genes {what}: name each gene once, and no other column")
    return list(named)


def _check_lengths(arrays: Mapping[str, NDArray[Any]], names: list[str]) -> None:
    for name in names:
        if arrays[name].shape != (length := arrays[names[0]].shape[:1]) or not length:
            raise UserError(
                f"column {name!r} has shape {arrays[name].shape}, all must be as long as {names[0]!r}, whose shape is "
                f"{arrays[names[0]].shape}"
            )


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    column = arrays[name]
    if column.dtype.kind not in "iuf":
        for row, field in enumerate(column.tolist()):
            try:
                number(field)
            except ValueError as error:
                raise UserError(f"column {name!r} of row {row} is {field!r}, must be a number") from error
        raise UserError(f"column {name!r} is {column.dtype}, must hold numbers")
    return column.astype(np.float64)
