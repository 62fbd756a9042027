"""Benchmark tables: read, checked, and indexed by key."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.base import Benchmark, benchmark_of
from nas.benchmarks.flat_files import read_arrays
from nas.benchmarks.rows import Curves, Runs, TableColumns, Training, check_range, zero_if_unknown
from nas.errors import OptionError, UserError
from nas.types import Evaluation, Keys, Space, Values

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

    @property
    def keys(self) -> Keys:
        """`(n,)`: the keys of all rows, ascending."""
        return self._sorted_keys

    def signals(self, epochs: int | None, seed: int) -> dict[str, Evaluation]:
        """What a search may be shown of every row, most honest first, and the training seconds behind it.

        Args:
            epochs: of the training; None: the longest there is.
            seed: draws for each row the one run of `validation_run`.

        Raises:
            UserError: the table has no training of so many epochs.
        """
        columns = self.columns
        if epochs is not None and epochs not in columns.trainings:
            there = ", ".join(map(str, columns.trainings)) or "no trainings by epochs to choose from: leave it null"
            raise OptionError("epochs", f"is {epochs}, but {self.path} has {there}")
        if columns.trainings:
            training = columns.trainings[max(columns.trainings) if epochs is None else epochs]
        else:
            training = Training(columns.test, columns.validation, columns.cost)
        shown = {"validation": training.validation, "test_mean": training.test}
        means = {name: Evaluation(values, training.cost) for name, values in shown.items() if values is not None}
        if training.runs is None or np.isnan(training.runs.validation).all(axis=1).any():
            return means
        return {"validation_run": self._one_of(training.runs, seed), **means}

    @property
    def continues(self) -> bool:
        """Whether the points of its learning curves are of one training; else each is the end of another."""
        return self.columns.curves is not None and self.columns.curves.one_training

    def fidelities(self, signal: str, epochs: int | None, seed: int) -> dict[int, Evaluation]:
        """What a search may be shown of every row by epochs of training, ascending, the last being the whole.

        Empty where the table knows the end of each training only.

        Args:
            signal: what it is shown at the end, one of `signals`.
            epochs: of the whole training; None: the longest there is.
            seed: draws the run of each row, the same as for `signals`.
        """
        trainings = [one for one in sorted(self.columns.trainings) if epochs is None or one <= epochs]
        if len(trainings) > 1:
            shown = {one: self.signals(one, seed) for one in trainings}
            known = {one: signals[signal] for one, signals in shown.items() if signal in signals}
            whole = known[trainings[-1]].seconds
            shares = {one: whole * one / trainings[-1] for one in known}  # for seconds that are unknown
            return {
                one: Evaluation(each.value, np.where(np.isnan(each.seconds), shares[one], each.seconds))
                for one, each in known.items()
            }
        curves = self.columns.curves
        if not self.continues or curves is None or signal not in ("validation", "validation_run"):
            return {}
        accuracy, seconds = curves.metrics.get("valid_accuracy"), curves.seconds
        if accuracy is None or np.isnan(accuracy).any() or np.isnan(seconds).any():
            return {}
        rows, run = np.arange(len(self)), self._drawn(~np.isnan(accuracy[:, :, -1]), seed)
        if signal == "validation_run":
            accuracy, seconds = accuracy[rows, run], seconds[rows, run]
        else:  # the mean of all runs, all of which were paid for
            accuracy, seconds = accuracy.mean(axis=1), seconds.sum(axis=1)
        return {int(one): Evaluation(accuracy[:, at], seconds[:, at]) for at, one in enumerate(curves.epochs)}

    def _one_of(self, runs: Runs, seed: int) -> Evaluation:
        """One run of every row, each of those that there are as likely."""
        one = np.arange(len(self)), self._drawn(~np.isnan(runs.validation), seed)
        return Evaluation(runs.validation[one], runs.cost[one])

    def _drawn(self, there: NDArray[np.bool_], seed: int) -> NDArray[np.intp]:
        """`(n,)`: one run of every row, of the `(n, runs)` that are there."""
        luck = np.empty(there.shape)
        # in the order of keys, so that it does not depend on the order of the rows
        luck[self._rows] = np.random.default_rng([seed, *b"run"]).random(luck.shape)
        drawn: NDArray[np.intp] = np.where(there, luck, -1).argmax(axis=1)
        return drawn

    def curves(self, metric: str) -> Curves:
        """The learning curves, with a metric among others.

        Raises:
            UserError: the table has no such curves.
        """
        curves = self.columns.curves
        if curves is None or metric not in curves.metrics:
            if metric.startswith(("fresh_", "consensus_")):
                raise OptionError("metric", f"is {metric!r}, of a feature history, which needs evaluator=training")
            there = "no learning curves" if curves is None else f"learning curves of {', '.join(curves.metrics)} only"
            raise OptionError("metric", f"is {metric!r}, but {self.path} has {there}")
        return curves

    def early(self, keys: Keys, metric: str, epochs: int, seed: int) -> tuple[NDArray[np.float64], Values]:
        """What was seen in one run of each network up to an epoch: `(n, points)`, and the seconds `(n,)` of it.

        Args:
            keys: of the networks.
            metric: what is seen.
            epochs: the last of them.
            seed: draws the run of each row; that of `validation_run`.

        Raises:
            UserError: the table has no such curves, no point after so many epochs, or none of a network.
            KeyError: a key is not in the table.
        """
        curves = self.curves(metric)
        if epochs not in curves.epochs:
            there = ", ".join(map(str, curves.epochs.tolist()))
            raise OptionError("epochs", f"is {epochs}, but {self.path} has learning curves at epochs {there}")
        rows, points = self.rows(keys), int(np.searchsorted(curves.epochs, epochs)) + 1
        values = curves.metrics[metric]
        drawn = self._drawn(~np.isnan(values[:, :, points - 1]), seed)[rows]
        seen = values[rows, drawn, :points]
        for key in keys[np.isnan(seen).any(axis=1)][:1]:
            raise UserError(f"{self.path} has no learning curve of the architecture with key {key:016x}")
        return seen, curves.seconds[rows, drawn, points - 1]

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
        space: its benchmark says what the arrays mean.
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
        space = benchmark_of(space).covered(arrays)
        benchmark = benchmark_of(space)
        columns = benchmark.columns(arrays, name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: the arrays do not fit together ({error}): obtain the file again") from error
    try:
        space.check(columns.archs)
        _check_values(columns)
        keys = space.keys(columns.archs)
        _check_rows(benchmark, columns, keys)
    except UserError as error:
        raise UserError(f"{path} is no valid table: {error}") from error
    order = np.argsort(keys)
    return Table(path, digest, space, columns, keys[order], order)


def _check_values(columns: TableColumns) -> None:
    n = len(columns.archs)
    if n == 0:
        raise UserError("it has no rows")
    _check_training(Training(columns.test, columns.validation, columns.cost), n, columns.bounds)
    _check_column("parameters", columns.parameters, (n,), 0, _MOST, "0 or more")
    for name, values in columns.objectives.items():
        _check_column(name, zero_if_unknown(values), (n,), -_MOST, _MOST, "finite")
    for epochs, training in columns.trainings.items():
        if epochs < 1:
            raise UserError(f"it has trainings of {epochs} epochs, must be 1 or more")
        _check_training(training, n, columns.bounds, f" after {epochs} epochs")
    if (curves := columns.curves) is not None:
        for name, points in {**curves.metrics, "seconds": curves.seconds}.items():
            most, allowed = (1, "an accuracy in 0..1") if name.endswith("accuracy") else (_MOST, "0 or more")
            shape = n, curves.seconds.shape[1], len(curves.epochs)
            _check_column(f"{name} of a learning curve", zero_if_unknown(points), shape, 0, most, allowed)


def _check_training(training: Training, n: int, bounds: tuple[float, float], when: str = "") -> None:
    accuracy = *bounds, "an accuracy in 0..1" if bounds == (0, 1) else "finite"
    seconds = 0, _MOST, "0 or more seconds"
    _check_column(f"test{when}", training.test, (n,), *accuracy)
    if training.validation is not None:
        _check_column(f"validation{when}", training.validation, (n,), *accuracy)
    _check_column(f"cost{when}", zero_if_unknown(training.cost), (n,), *seconds)
    if training.runs is None:
        return
    shape = n, training.runs.validation.shape[-1]
    if shape[1] < 1:
        raise UserError(f"it has no run{when}, at least 1 is needed")
    _check_column(f"validation of a run{when}", zero_if_unknown(training.runs.validation), shape, *accuracy)
    _check_column(f"cost of a run{when}", zero_if_unknown(training.runs.cost), shape, *seconds)


def _check_column(
    name: str, values: NDArray[Any], shape: tuple[int, ...], least: float, most: float, allowed: str
) -> None:
    if values.shape != shape:
        raise UserError(f"{name} has shape {values.shape}, expected {shape}")
    check_range(name, values, least, most, allowed)


def _check_rows(benchmark: Benchmark, columns: TableColumns, keys: Keys) -> None:
    unique, counts = np.unique(keys, return_counts=True)
    for key in unique[counts > 1][:1]:
        rows = np.flatnonzero(keys == key)[:2].tolist()
        raise UserError(f"rows {rows[0]} and {rows[1]} are the same network")
    if columns.digests is None:
        return
    if len(columns.digests) != len(keys):
        raise UserError(f"there are {len(columns.digests)} hashes for {len(keys)} rows")
    sample = np.linspace(0, len(keys) - 1, min(_CHECKED_ROWS, len(keys))).astype(np.intp)
    for row, computed in zip(sample, benchmark.names(columns.archs[sample]), strict=True):
        stated = columns.digests[row].tobytes().hex()
        if stated != computed:
            raise UserError(f"row {row} is said to hash to {stated}, but hashes to {computed}")
