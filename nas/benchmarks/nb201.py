"""NATS-Bench topology: its tables, what the arrays of their compact format say of the cells; see `docs/data.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.archives import column
from nas.benchmarks.base import Benchmark, benchmark_of
from nas.benchmarks.rows import Runs, TableColumns, Training, check_range, zero_if_unknown
from nas.errors import UserError
from nas.spaces import NB201
from nas.types import Architectures, Values

_BUDGETS = (12, 200)  # epochs
_DEVICES = {"cifar10": "hw_c10", "cifar100": "hw_c100"}  # HW-NAS-Bench (Li et al. 2021)
_UNKNOWN = -1  # of a device that cannot run the cell
_SCORES = {"cifar10": "zc_c10"}  # NAS-Bench-Suite-Zero (Krishnakumar et al. 2022)
_FAILED = -1e8  # a score that was not finite
_ALONE = "c10v_"  # starts the names of arrays of one data set: cifar10, trained on half of the images to be validated
_CLOCKS = {"cifar10": (f"{_ALONE}train_time", "train_time")}  # the first is that of the validation accuracy
_MOST = float(np.finfo(np.float64).max)


@benchmark_of.register(NB201)
class NASBench201(Benchmark):
    """The tables of NATS-Bench topology, one a data set, all in one file; cells are known by their string."""

    tables: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(("cifar10", "cifar100", "imagenet16-120"), "nasbench201.npz")
    )
    space: NB201

    def columns(self, arrays: Mapping[str, NDArray[Any]], table: str | None = None) -> TableColumns:
        """Read the table of all 15,625 cells in the official order, `ops` and the columns of one of its `datasets`.

        It may have trainings of 12 and of 200 epochs, as means over the runs and, to choose one, as runs; of cifar10
        the seconds are those of the training on half of the images, which the validation accuracy is of, where the
        table has them.

        A network's accuracies and seconds are the means over the cells that describe it, its parameters the fewest of
        them (the others have operations that carry nothing). Its runs are those of the cell that stands for it: of all
        its cells there would be 1,380 for one network and three for most.

        Raises:
            UserError: an array is missing, does not fit or says something impossible, or the table lacks the data set.
        """
        choices = self.space.cardinalities
        ops = column(arrays, "ops", "integers", None, len(choices))
        if not np.array_equal(ops, self.space.from_indices(np.arange(choices.prod()))):
            raise UserError("ops are not those of the 15,625 cells in the official order: obtain the file again")
        archs = ops.astype(np.uint8)
        networks, rows = self.space.unique(archs), np.unique(self.space.keys(archs), return_inverse=True)[1]
        return _columns(arrays, table, networks, rows, self.space.indices(networks))

    def names(self, archs: Architectures) -> list[str]:
        """Return the official string of each cell's canonical form."""
        return self.space.strings(self.space.canonical(archs))


def _columns(
    arrays: Mapping[str, NDArray[Any]],
    table: str | None,
    networks: Architectures,
    rows: NDArray[np.intp],
    standing: NDArray[np.intp],
) -> TableColumns:
    """Read what the arrays say of networks that one or several cells describe.

    Args:
        arrays: of the file.
        table: which of its `datasets`.
        networks: `(n, genes)`, the rows of the table.
        rows: `(cells,)`: which network each cell is.
        standing: `(n,)`: the cell that stands for each network.

    Raises:
        UserError: an array is missing, does not fit or says something impossible, or the table lacks the data set.
    """
    names = [name.lower() for name in _names(arrays, "datasets")]
    if table not in names:
        raise UserError(f"it has no data set {table!r}, set dataset to one of: {', '.join(names)}")
    one = _DataSet(arrays, table, names.index(table), len(names), rows, standing)
    cells = one.read("params_m", _MOST)
    for row in np.flatnonzero(np.isnan(cells))[:1]:
        raise UserError(f"params_m of row {row} is nan, must be 0 or more")
    parameters = np.full(len(networks), np.inf)
    np.minimum.at(parameters, rows, 1e6 * cells)
    there = [epochs for epochs in _BUDGETS if f"val_acc_{epochs}" in arrays or epochs == _BUDGETS[-1]]
    return TableColumns.of_trainings(
        networks,
        {epochs: one.training(epochs) for epochs in there},
        np.rint(parameters).astype(np.int64),
        objectives={**_on_devices(arrays, table, rows), **_scores(arrays, table, rows)},
    )


@dataclass(frozen=True)
class _DataSet:
    """One of the `width` data sets of the arrays, that at `place`; the others as in `read_columns`."""

    arrays: Mapping[str, NDArray[Any]]
    name: str
    place: int
    width: int
    rows: NDArray[np.intp]
    standing: NDArray[np.intp]

    def training(self, epochs: int) -> Training:
        clocks = _CLOCKS.get(self.name, ("train_time",))
        validation, test = (self.read(f"{part}_acc_{epochs}", 100) for part in ("val", "test"))
        cost = self._mean(self._seconds([f"{clock}_{epochs}" for clock in clocks], validation))
        runs = None
        if f"val_acc_{epochs}_runs" in self.arrays:
            accuracies = self.read(f"val_acc_{epochs}_runs", 100, None)
            seconds = self._seconds([f"{clocks[0]}_{epochs}_runs"], accuracies)
            runs = Runs(accuracies[self.standing] / 100, seconds[self.standing])
        return Training(self._mean(test) / 100, self._mean(validation) / 100, cost, runs)

    def read(self, name: str, most: float, *runs: None) -> Values:
        """`(cells,)`, or `(cells, runs)` where that is asked for; NaN: unknown.

        Raises:
            UserError: the array is missing or does not fit, or a number is neither NaN nor in 0..`most`.
        """
        if name.startswith(_ALONE):
            values = column(self.arrays, name, "floats", len(self.rows), *runs)
        else:
            values = column(self.arrays, name, "floats", len(self.rows), self.width, *runs)[:, self.place]
        values = values.astype(np.float64)
        allowed = "0 or more" if most == _MOST else f"0..{most} percent"
        check_range(name, zero_if_unknown(values), 0, most, allowed)
        return values

    def _seconds(self, names: Sequence[str], like: Values) -> Values:
        """The first of some arrays that is there, else unknown."""
        for name in names:
            if name in self.arrays:
                return self.read(name, _MOST, *(None,) * (like.ndim - 1))
        return np.full(like.shape, np.nan)

    def _mean(self, values: Values) -> Values:
        """Of each network, over its cells."""
        mean: Values = np.bincount(self.rows, values) / np.bincount(self.rows)
        return mean


def _on_devices(arrays: Mapping[str, NDArray[Any]], table: str, rows: NDArray[np.intp]) -> dict[str, Values]:
    """Latency and energy on devices by network, the means over its cells; NaN where a device cannot run it."""
    if _DEVICES.get(table, "") not in arrays:
        return {}
    names = _names(arrays, "hw_columns")
    columns = column(arrays, _DEVICES[table], "floats", len(rows), len(names)).astype(np.float64).T
    found = {}
    for name, values in zip(names, columns, strict=True):
        known = values != _UNKNOWN
        check_range(name, np.where(known, values, 0), 0, _MOST, f"0 or more, or {_UNKNOWN}: unknown")
        found[name] = _mean_of_known(values, known, rows)
    return found


def _scores(arrays: Mapping[str, NDArray[Any]], table: str, rows: NDArray[np.intp]) -> dict[str, Values]:
    """Published zero-cost scores by network, as `zero_cost.NAME`: means over its cells; NaN: none is known."""
    if _SCORES.get(table, "") not in arrays:
        return {}
    names = _names(arrays, "zc_columns")
    columns = column(arrays, _SCORES[table], "floats", len(rows), len(names)).astype(np.float64).T
    found = {}
    for name, values in zip(names, columns, strict=True):
        check_range(f"zero_cost.{name}", zero_if_unknown(values), -_MOST, _MOST, "finite, or nan: unknown")
        found[f"zero_cost.{name}"] = _mean_of_known(values, ~np.isnan(values) & (values != _FAILED), rows)
    return found


def _mean_of_known(values: Values, known: NDArray[np.bool_], rows: NDArray[np.intp]) -> Values:
    """Of each network, over those of its cells that are known; NaN: none is."""
    total, count = np.bincount(rows, np.where(known, values, 0)), np.bincount(rows, known)
    mean: Values = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def _names(arrays: Mapping[str, NDArray[Any]], key: str) -> list[str]:
    names = arrays[key]
    if names.ndim != 1 or names.dtype.kind != "U" or len(np.unique(names)) < len(names):
        raise UserError(f"{key} are {names.tolist()}, must be different names")
    found: list[str] = names.tolist()
    return found
