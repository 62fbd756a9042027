"""Evaluation by look-up in a benchmark table."""

from __future__ import annotations

import logging
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks import benchmark_of, find_table, read_table
from nas.datasets import Dataset
from nas.errors import OptionError, UserError
from nas.options import Natural, PositiveInt, validated
from nas.types import Batch, Candidate, Evaluation, Outcome, Reference, Space, Values

_log = logging.getLogger(__name__)


@validated
class TableEvaluator:
    """Looks architectures up in a benchmark table; see `nas.benchmarks` for the file.

    Args:
        space: the search space; the evaluator's own `space` is the part of it that the table covers.
        table: which of the space's tables, or `auto`: that of `dataset`, else the first that is there.
        path: the file; None: look in `NAS_DATA_DIR`, then in the user's cache folder, then in this package.
        signal: what the search sees: `validation_run` (one run of each architecture, drawn once by `seed`),
            `validation` (the mean over runs) or `test_mean`; None: the first that the table has for every row.
        sha256: the digest that the file must have; None: any.
        dataset: what the networks were trained on; None: whatever the table says.
        epochs: after how many epochs of training the search sees it, where the table has several trainings of each
            architecture; None: the longest. The report tells the test accuracy of the longest.
        seed: draws the runs of `validation_run`, 0 or more.
        workers: how many trainings the clock of the search takes to go on at once, at least 1.

    Raises:
        UserError: there is no such file, it is not a valid table of this space or only of some of it, or it lacks the
            signal or the epochs, `table` and `dataset` contradict each other, or a number is out of its range.
    """

    deaths = 0
    simulated = True
    """Its seconds are the table's, not those of the wall."""

    def __init__(
        self,
        space: Space,
        table: str = "auto",
        path: str | None = None,
        signal: str | None = None,
        sha256: str | None = None,
        dataset: Dataset | None = None,
        epochs: PositiveInt | None = None,
        seed: Natural = 0,
        workers: PositiveInt = 1,
    ) -> None:
        tables = benchmark_of(space).tables
        if not tables:
            raise UserError(f"{type(space).__name__} has no benchmark table: use another evaluator")
        if dataset is not None and table not in ("auto", dataset.name):
            raise UserError(f"table is {table!r}, but dataset is {dataset.name!r}: choose one of them, or the same")
        self._name, file = find_table(path, table if dataset is None else dataset.name, tables)
        self.table = read_table(file, space, sha256, self._name)
        self.space = self.table.space
        self._check_whole()
        signals = self.table.signals(epochs, seed)
        self._signal = next(iter(signals)) if signal is None else signal
        if self._signal not in signals:
            raise OptionError(
                "signal", f"is {signal!r}, but {self.table.path} has for every architecture only {', '.join(signals)}"
            )
        self._shown = signals[self._signal]
        self.value = self._signal
        self._seed, self.slots = seed, workers
        self._epochs = max(self.table.columns.trainings, default=None) if epochs is None else epochs
        self._rungs = self.table.fidelities(self._signal, self._epochs, seed)
        self.fidelities = tuple(self._rungs)
        self.continues = bool(self._rungs) and self.table.continues
        self.tells_seconds = not np.isnan(self._shown.seconds).any()
        if workers > 1 and not self.tells_seconds:
            raise OptionError(
                "workers", f"is {workers}, but {self.table.path} has no training seconds: there is no clock to simulate"
            )
        _log.info("table %s (%s, %d architectures), signal %s", self._name, file, len(self.table), self._signal)

    def identity(self) -> dict[str, str]:
        """The table's name, digest and size, the signal, and the epochs where there is a choice."""
        table = self.table
        identity = {"table": self._name, "sha256": table.sha256, "rows": f"{len(table)}", "signal": self._signal}
        return identity if self._epochs is None else {**identity, "epochs": f"{self._epochs}"}

    def _check_whole(self) -> None:
        """Refuse a table that lacks some of its space: a search would come to them sooner or later."""
        try:
            networks = self.space.size
        except UserError:
            return  # too large to be enumerated
        if len(self.table) < networks:  # the rows are valid and distinct
            raise UserError(
                f"{self.table.path} has {len(self.table):,} of the {networks:,} architectures of the space, "
                f"{networks - len(self.table):,} are missing: obtain the whole table, or search the rows that are "
                f"there as a table of your own (space=custom)"
            )

    def _rows(self, batch: Batch) -> NDArray[np.intp]:
        try:
            return self.table.rows(batch.keys)
        except KeyError as error:
            raise UserError(f"{self.table.path} has no architecture with key {error.args[0]}") from error

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        """Look one architecture up, at once; after as many epochs as it is to be trained.

        Raises:
            UserError: the table does not know it after so many.
        """
        until = candidate.until
        if until is not None and until not in self._rungs:
            there = ", ".join(map(str, self._rungs)) or "its whole training only"
            raise UserError(f"a candidate is to be measured after {until} epochs, but {self.table.path} has {there}")
        shown = self._shown if until is None else self._rungs[until]
        [row] = self._rows(candidate.batch)
        seconds = float(shown.seconds[row])
        if candidate.reached and self.continues:
            seconds -= float(self._rungs[candidate.reached].seconds[row])
        partial = until is not None and until != self.fidelities[-1]
        future: Future[Outcome] = Future()
        measured = {self.value: float(shown.value[row])}
        epochs = until or self._epochs or (self.fidelities[-1] if self.fidelities else None)
        future.set_result(Outcome(measured, None if np.isnan(seconds) else max(seconds, 0.0), epochs, partial=partial))
        return future

    def platform(self) -> dict[str, str]:
        """It does not matter where."""
        return {}

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def objective(self, name: str, batch: Batch) -> Values:
        """Look up `params` or a further column, such as the latency on a device; NaN: unknown.

        Raises:
            UserError: the table has no such column.
        """
        columns = self.table.columns
        parameters = np.where(columns.parameters == 0, np.nan, columns.parameters.astype(np.float64))
        known = {"params": parameters} if columns.parameters.any() else {}
        known.update(columns.objectives)
        if name not in known:
            raise UserError(
                f"{self.table.path} knows nothing of {name!r} for objective.constraints, only of "
                f"{', '.join(known) or 'the value'}"
            )
        return known[name][self._rows(batch)]

    def evaluate(self, batch: Batch) -> Evaluation:
        """Look up the signal and the training seconds behind it."""
        rows = self._rows(batch)
        return Evaluation(self._shown.value[rows], self._shown.seconds[rows])

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[NDArray[np.float64], Values]:
        """Look up what was seen in the first epochs of one run of each: `(n, points)`, and the seconds `(n,)` of it.

        Raises:
            UserError: the table has no such curve.
        """
        try:
            return self.table.early(batch.keys, metric, epochs, self._seed)
        except KeyError as error:
            raise UserError(f"{self.table.path} has no architecture with key {error.args[0]}") from error

    def curve_epochs(self, metric: str) -> NDArray[np.int64]:
        """After which epochs the table has a metric, up to those of the training that the search sees.

        Raises:
            UserError: the table has no such curve.
        """
        epochs = self.table.curves(metric).epochs
        return epochs if self._epochs is None else epochs[epochs <= self._epochs]

    def test(self, batch: Batch) -> Values:
        """Look up the mean test accuracy. For the report only."""
        return self.table.columns.test[self._rows(batch)]

    def reference(self) -> Reference:
        """The signal and the test accuracy of every row. For the report only."""
        return Reference(self._shown.value, self.table.columns.test)
