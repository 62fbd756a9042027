"""A search space that is a table of the user's."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.benchmarks.flat_files import number, read_arrays
from nas.benchmarks.rows import TableColumns, zero_if_unknown
from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.networks import Skeleton
from nas.options import validated
from nas.spaces.base import Gene, GeneSpace
from nas.types import Architectures

_log = logging.getLogger(__name__)

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls the numbers of rows that it writes to Parquet
_MOST_CHOICES = 250
_MOST = float(np.finfo(np.float64).max)
_BATCH = 64  # parents compared with all rows at once


@dataclass(frozen=True)
class NoNetwork(Skeleton):
    """Stands for networks that there are none of."""

    def __post_init__(self) -> None:
        raise UserError("the rows of a table are no networks that could be trained: use evaluator=table")


@validated
class Custom(GeneSpace):
    """The rows of a table: some of its columns are the genes, others say how good each row is.

    A gene's choices are the values that its column has, in ascending order. Rows are the architectures, and only they:
    where they are not all combinations, sampling and mutation keep to those that are there. Every row is a network of
    its own. As a graph, a row is the chain of its choices.

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

    skeleton = NoNetwork

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
        self.tables = {file.stem: str(file)}
        self._roles = {"value": value, "test": test or value, "cost": cost, "parameters": parameters}
        self._objectives = list(objectives or [])
        self._sign = -1.0 if minimise else 1.0
        taken = {name for name in (*self._roles.values(), *self._objectives) if name is not None}
        for name in sorted(taken):
            arrays[name]  # raises where there is none
        self._names = _genes(arrays, taken, genes if genes is None else list(genes))
        if not self._names:
            raise UserError(f"{path} has no column for a gene, only {', '.join(arrays)}")
        _check_lengths(arrays, [*self._names, *sorted(taken)])
        self._choices = [np.unique(arrays[name]) for name in self._names]
        for name, choices in zip(self._names, self._choices, strict=True):
            if not 2 <= len(choices) <= _MOST_CHOICES:
                raise UserError(
                    f"column {name!r} of {path} has {len(choices)} different values, a gene needs 2..{_MOST_CHOICES}: "
                    f"name the genes with space.genes=[...]"
                )
            if choices.dtype.kind == "f" and np.isnan(choices).any():
                raise UserError(f"column {name!r} of {path} has empty fields: a gene needs a value in every row")
        super().__init__(
            tuple(
                Gene(name, tuple(str(choice) for choice in choices))
                for name, choices in zip(self._names, self._choices, strict=True)
            )
        )
        self._rows = self._archs(arrays)
        self._keys = np.sort(self._pack(self._rows))

    def __repr__(self) -> str:
        """Say all that defines the space."""
        from hashlib import sha256

        return f"Custom(genes={self.genes}, rows={sha256(self._keys.tobytes()).hexdigest()[:16]})"

    @property
    def requirement(self) -> str:
        """What makes a vector of genes an architecture of the space."""
        return "the table has no such row"

    def _valid(self, archs: Architectures) -> NDArray[np.bool_]:
        return np.isin(self._pack(archs), self._keys)

    def canonical(self, archs: Architectures) -> Architectures:
        """Return the rows as they are: each is a network of its own."""
        return archs.copy()

    def enumerate(self) -> Architectures:
        """Return every row once, in ascending order of keys."""
        return self.unique(self._rows)

    def mutate(self, archs: Architectures, rng: Generator) -> Architectures:
        """Return for each architecture one of the rows that differ from it in the fewest genes."""
        rows = [self._neighbours(archs[start : start + _BATCH], rng) for start in range(0, len(archs), _BATCH)]
        mutants: Architectures = self._all[np.concatenate([np.empty(0, dtype=np.intp), *rows])]
        return mutants

    def _neighbours(self, archs: Architectures, rng: Generator) -> NDArray[np.intp]:
        if len(self._all) < 2:
            raise UserError("the table has one row only: there is nothing to mutate it into")
        distance = np.zeros((len(archs), len(self._all)), dtype=np.uint8)
        for gene in range(archs.shape[1]):
            distance += archs[:, gene, None] != self._all[:, gene]
        distance[distance == 0] = np.iinfo(np.uint8).max
        nearest = distance == distance.min(axis=1, keepdims=True)
        chosen: NDArray[np.intp] = np.where(nearest, rng.random(nearest.shape), -1.0).argmax(axis=1)
        return chosen

    def graphs(self, archs: Architectures) -> Graphs:
        """Return chains: input, the choice of each gene, output; operations are the numbers of the choices."""
        n, genes = archs.shape
        labels = np.empty((n, genes + 2), dtype=np.uint8)
        labels[:, 0], labels[:, 1:-1], labels[:, -1] = INPUT, FIRST_OPERATION + archs, OUTPUT
        adjacency = np.zeros((n, genes + 2, genes + 2), dtype=np.bool_)
        adjacency[:, np.arange(genes + 1), np.arange(1, genes + 2)] = True
        return Graphs(adjacency, labels, tuple(f"choice {number}" for number in range(max(self.cardinalities))))

    def _archs(self, arrays: Mapping[str, NDArray[Any]]) -> Architectures:
        columns = []
        for name, choices in zip(self._names, self._choices, strict=True):
            values = arrays[name]
            if values.ndim != 1 or not np.isin(values, choices).all():
                raise UserError(f"column {name!r} has other values than those of the space")
            columns.append(np.searchsorted(choices, values).astype(np.uint8))
        return np.stack(columns, axis=1)

    def table_columns(self, arrays: Mapping[str, NDArray[Any]], table: str | None = None) -> TableColumns:
        """Read the columns that say how good each row is.

        Raises:
            UserError: one is missing, does not hold numbers, or has fractions of parameters.
        """
        archs = self._archs(arrays)
        unknown = np.full(len(archs), np.nan)
        roles = {role: unknown if name is None else _numbers(arrays, name) for role, name in self._roles.items()}
        value, test = self._sign * roles["value"], self._sign * roles["test"]
        if self._roles["test"] == self._roles["value"]:
            name = self._roles["value"]
            _log.warning("no column is space.test: what the report calls test accuracy is %r, which was searched", name)
        parameters = zero_if_unknown(roles["parameters"])
        for row in np.flatnonzero(~(np.abs(parameters) < 2**63) | (parameters != np.rint(parameters)))[:1]:
            raise UserError(
                f"column {self._roles['parameters']!r} of row {row} is {parameters[row]}, must be a whole number of "
                f"parameters or empty: name a column in another unit with space.objectives"
            )
        objectives = {name: _numbers(arrays, name) for name in self._objectives}
        return TableColumns(
            archs,
            test,
            value,
            roles["cost"],
            parameters.astype(np.int64),
            objectives=objectives,
            bounds=(-_MOST, _MOST),
        )


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
