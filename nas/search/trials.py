"""The trials of a search, as columns that grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas._growing import GrowingArray
from nas.search.columns import Columns, known_or_none
from nas.search.events import Events
from nas.search.trial import Trial
from nas.types import Candidate, Keys, Outcome, Values, top

if TYPE_CHECKING:
    from pandas import DataFrame

_NUMBERS = ("seconds", "epochs", "predicted_mean", "predicted_std", "estimate_seconds", "clock")


class Trials:
    """The `n` trials of one search in order of evaluation; every array is a view of what is there.

    Args:
        genes: how many genes an architecture has.
        value: the name of the value that the search sees.
    """

    def __init__(self, genes: int, value: str) -> None:
        self.value_name = value
        self._genes: GrowingArray[np.uint8] = GrowingArray((genes,), np.uint8)
        self._keys: GrowingArray[np.uint64] = GrowingArray((), np.uint64)
        self._numbers, self._values = Columns(*_NUMBERS), Columns(value)
        self._warm: GrowingArray[np.bool_] = GrowingArray((), np.bool_)
        self._partial: GrowingArray[np.bool_] = GrowingArray((), np.bool_)
        self._brackets: GrowingArray[np.int64] = GrowingArray((), np.int64)
        self.events = Events()
        """The evaluations, as they came: a trial that is repeated, or goes on, has several."""
        self._origins: list[str] = []
        self._texts: dict[str, dict[int, Any]] = {"error": {}, "details": {}}
        self._best = -1
        self.failures = 0
        """How many evaluations failed."""
        self.charged = 0
        """How many are this search's own: all but the warm ones."""

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Trial]:
        return (self[row] for row in range(len(self)))

    @property
    def genes(self) -> NDArray[np.uint8]:
        """`(n, genes)`: the architectures as they were proposed, failed ones included."""
        return self._genes.view

    @property
    def keys(self) -> Keys:
        """`(n,)`: the networks' keys."""
        return self._keys.view

    @property
    def value(self) -> Values:
        """`(n,)`: what the search sees, NaN where the evaluation failed."""
        return self._values.column(self.value_name)

    @property
    def values(self) -> dict[str, Values]:
        """All that was measured, by name, `(n,)` each; NaN: not measured."""
        return {name: self._values.column(name) for name in self._values.names}

    @property
    def seconds(self) -> Values:
        """`(n,)`: seconds of training that each stands for, NaN where unknown."""
        return self._numbers.column("seconds")

    @property
    def epochs(self) -> Values:
        """`(n,)`: epochs of training behind the values, NaN where unknown."""
        return self._numbers.column("epochs")

    @property
    def predicted_mean(self) -> Values:
        """`(n,)`: the estimate of each at the time it was chosen, NaN where there was none."""
        return self._numbers.column("predicted_mean")

    @property
    def predicted_std(self) -> Values:
        """`(n,)`: the standard deviation of that estimate, NaN where there was none."""
        return self._numbers.column("predicted_std")

    @property
    def estimate_seconds(self) -> Values:
        """`(n,)`: seconds of candidate training that the estimates of each trial's round cost."""
        return self._numbers.column("estimate_seconds")

    @property
    def warm(self) -> NDArray[np.bool_]:
        """`(n,)`: which were known before the search began."""
        return self._warm.view

    @property
    def partial(self) -> NDArray[np.bool_]:
        """`(n,)`: whose training stopped before its end, and may go on."""
        return self._partial.view

    @property
    def brackets(self) -> NDArray[np.int64]:
        """`(n,)`: the scheduler's bracket of each."""
        return self._brackets.view

    @property
    def charges(self) -> Values:
        """`(m,)`: seconds of each trial that is not warm, those of estimates included; NaN where unknown."""
        own = ~self.warm
        result: Values = self.seconds[own] + self.estimate_seconds[own]
        return result

    @property
    def known(self) -> NDArray[np.intp]:
        """The rows that did not fail."""
        return np.flatnonzero(np.isfinite(self.value))

    @property
    def whole(self) -> NDArray[np.intp]:
        """The rows that did not fail and were trained to the end."""
        return np.flatnonzero(np.isfinite(self.value) & ~self.partial)

    @property
    def leading(self) -> NDArray[np.intp]:
        """The rows that did not fail and were trained the longest: to the end, where any was."""
        known = self.known
        trained = np.where(self.partial[known], self.epochs[known], np.inf)
        longest: NDArray[np.intp] = known[trained == trained.max(initial=-np.inf)]
        return longest

    @property
    def best(self) -> Trial | None:
        """The trial of the highest value among the leading, the first of equals; None where none has a value."""
        return None if self._best < 0 else self[self._best]

    def top(self, n: int) -> list[Trial]:
        """The `n` trials of the highest values among the leading, or fewer, best first."""
        rows = self.leading
        return [self[int(rows[place])] for place in top(self.value[rows], n)]

    def __getitem__(self, row: int) -> Trial:
        row = range(len(self))[row]
        numbers = self._numbers.row(row)
        return Trial(
            step=row,
            key=f"{self.keys[row]:016x}",
            genes=self.genes[row].tolist(),
            values={name: number for name, number in self._values.row(row).items() if number is not None},
            seconds=numbers["seconds"],
            predicted_mean=numbers["predicted_mean"],
            predicted_std=numbers["predicted_std"],
            proposed_by=self._origins[row],
            epochs=None if numbers["epochs"] is None else int(numbers["epochs"]),
            estimate_seconds=numbers["estimate_seconds"] or 0.0,
            warm=bool(self.warm[row]),
            partial=bool(self.partial[row]),
            bracket=int(self.brackets[row]),
            clock=numbers["clock"],
            **{name: texts.get(row) for name, texts in self._texts.items()},
        )

    def closed(self, row: int) -> bool:
        """Whether a trial is measured to the end: it neither failed nor may go on."""
        return bool(np.isfinite(self.value[row]) and not self.partial[row])

    def append(self, candidate: Candidate, outcome: Outcome, clock: float | None = None) -> int:
        """Append a trial, and return its row."""
        row = len(self)
        self._keys.extend(candidate.batch.keys)
        self._genes.extend(candidate.batch.genes)
        self._warm.extend([False])
        self._partial.extend([outcome.partial])
        self._brackets.extend([candidate.bracket])
        self._origins.append(candidate.origin)
        self._numbers.extend(
            {
                "seconds": [outcome.seconds],
                "epochs": [outcome.epochs],
                "predicted_mean": [candidate.mean],
                "predicted_std": [candidate.std],
                "estimate_seconds": [candidate.seconds],
                "clock": [clock],
            },
            1,
        )
        self._values.extend({name: [number] for name, number in outcome.values.items()}, 1)
        self.events.extend([row], [outcome], self.value[row:], [clock])
        self._note(row, outcome)
        self.charged += 1
        self.failures += not np.isfinite(self.value[row])
        return row

    def extend(self, trials: Sequence[Trial], genes: NDArray[np.uint8], keys: Keys) -> None:
        """Append trials that were recorded: their genes are `(m, genes)`, their keys `(m,)`."""
        first = len(self)
        self._keys.extend(keys)
        self._genes.extend(genes)
        self._warm.extend([trial.warm for trial in trials])
        self._partial.extend([trial.partial for trial in trials])
        self._brackets.extend([trial.bracket for trial in trials])
        self._origins += [trial.proposed_by for trial in trials]
        self._numbers.extend({name: [getattr(trial, name) for trial in trials] for name in _NUMBERS}, len(trials))
        names = dict.fromkeys(name for trial in trials for name in trial.values)
        self._values.extend({name: [trial.values.get(name) for trial in trials] for name in names}, len(trials))
        clocks = [trial.clock for trial in trials]
        self.events.extend(np.arange(first, first + len(trials)), trials, self.value[first:], clocks)
        for row, trial in enumerate(trials, first):
            self._note(row, trial)
        self.charged = len(self) - int(self.warm.sum())
        self.failures = int(np.isnan(self.value).sum())

    def replace(self, row: int, outcome: Outcome, clock: float | None = None) -> None:
        """Put a further outcome in the place of a trial's that failed, or was partial; the seconds of all are charged.

        Raises:
            ValueError: the trial neither failed nor was partial.
        """
        if self.closed(row):
            raise ValueError(f"trial {row} neither failed nor was partial: its outcome stays")
        for name, number in {self.value_name: np.nan, **outcome.values}.items():
            self._values.column(name)[row] = number
        spent = [seconds for seconds in (known_or_none(self.seconds[row]), outcome.seconds) if seconds is not None]
        self.seconds[row] = sum(spent) if spent else np.nan
        self._numbers.column("clock")[row] = np.nan if clock is None else clock
        if outcome.epochs is not None:
            self.epochs[row] = outcome.epochs
        for texts in self._texts.values():
            texts.pop(row, None)
        self.partial[row] = outcome.partial
        self._best = -1  # it may have been this one
        self.events.extend([row], [outcome], self.value[row : row + 1], [clock])
        self._note(row, outcome)
        leading = self.leading
        self._best = int(leading[self.value[leading].argmax()]) if len(leading) else -1
        self.failures = int(np.isnan(self.value).sum())

    def _note(self, row: int, told: Outcome | Trial) -> None:
        for name, texts in self._texts.items():
            if (content := getattr(told, name)) is not None:
                texts[row] = content
        if self._rank(row) > self._rank(self._best):
            self._best = row

    def _rank(self, row: int) -> tuple[float, float]:
        """What is compared: how long it was trained, and its value."""
        if row < 0 or np.isnan(self.value[row]):
            return -np.inf, -np.inf
        return float(self.epochs[row]) if self.partial[row] else np.inf, float(self.value[row])

    def detail(self, name: str) -> list[Any]:
        """`n` entries of this name among the details, None where there is none."""
        details = self._texts["details"]
        return [(details.get(row) or {}).get(name) for row in range(len(self))]

    def to_pandas(self) -> DataFrame:
        """One row a trial: step, key, genes, a column for each value, and the fields of `Trial`."""
        from pandas import DataFrame

        rows = []
        for trial in self:
            fields = dict(vars(trial))
            rows.append({"step": fields.pop("step"), "key": fields.pop("key"), "genes": fields.pop("genes"),
                         **fields.pop("values"), **fields})  # fmt: skip
        return DataFrame(rows)
