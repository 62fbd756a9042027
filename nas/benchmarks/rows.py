"""The rows of a benchmark table in the project's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError


@dataclass(frozen=True)
class Runs:
    """Every training of `n` architectures for one number of epochs, told apart; NaN: there is no such run.

    Attributes:
        validation: `(n, runs)` validation accuracy, 0..1.
        cost: `(n, runs)` training seconds, NaN also where unknown.
    """

    validation: NDArray[np.float64]
    cost: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> Runs:
        """Return those of some of the architectures."""
        return Runs(self.validation[rows], self.cost[rows])


@dataclass(frozen=True)
class Training:
    """What is known of `n` architectures after one number of epochs.

    Attributes:
        test: `(n,)` mean test accuracy, 0..1.
        validation: `(n,)` mean validation accuracy, 0..1, or None where the table lacks it for some architecture.
        cost: `(n,)` training seconds behind `validation`, NaN where unknown.
        runs: the runs behind `validation`, or some of them; None where the table does not tell them apart.
    """

    test: NDArray[np.float64]
    validation: NDArray[np.float64] | None
    cost: NDArray[np.float64]
    runs: Runs | None = None

    def take(self, rows: NDArray[np.intp]) -> Training:
        """Return what is known of some of the architectures."""
        validation = None if self.validation is None else self.validation[rows]
        runs = None if self.runs is None else self.runs.take(rows)
        return Training(self.test[rows], validation, self.cost[rows], runs)


@dataclass(frozen=True)
class Curves:
    """What was seen of `n` architectures in the course of their training, run by run.

    Attributes:
        epochs: `(e,)` after how many, ascending.
        metrics: `(n, runs, e)` each, by name: `train_loss`, `train_accuracy`, `valid_loss`, `valid_accuracy`;
            accuracies in 0..1. NaN: unknown.
        seconds: `(n, runs, e)` of training up to then, NaN where unknown.
        one_training: whether the points are of one training; else each is the end of another, with its own schedule.
    """

    epochs: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]
    seconds: NDArray[np.float64]
    one_training: bool = True

    def take(self, rows: NDArray[np.intp]) -> Curves:
        """Return those of some of the architectures."""
        metrics = {name: values[rows] for name, values in self.metrics.items()}
        return Curves(self.epochs, metrics, self.seconds[rows], self.one_training)

    def known(self, epochs: int) -> NDArray[np.bool_]:
        """`(n,)`: of which architectures some run is known after so many epochs, one of `epochs`, in every metric."""
        point = int(np.searchsorted(self.epochs, epochs))
        whole = ~np.any([np.isnan(values[:, :, point]) for values in self.metrics.values()], axis=0)
        known: NDArray[np.bool_] = whole.any(axis=1)
        return known

    @classmethod
    def of_trainings(cls, trainings: Mapping[int, Training]) -> Curves | None:
        """The validation accuracies of trainings of different length, as points of one curve; None: there are none.

        A training whose seconds are unknown took its share, by epochs, of those of the longest.
        """
        known = {epochs: one for epochs, one in sorted(trainings.items()) if one.validation is not None}
        if not known:
            return None
        runs = [one.runs or Runs(np.asarray(one.validation)[:, None], one.cost[:, None]) for one in known.values()]
        if len({one.validation.shape for one in runs}) > 1:  # a run of one length is no run of another
            runs = [Runs(np.asarray(one.validation)[:, None], one.cost[:, None]) for one in known.values()]
        accuracy, seconds = (np.stack([getattr(one, name) for one in runs], axis=2) for name in ("validation", "cost"))
        epochs = np.array(list(known))
        seconds = np.where(np.isnan(seconds), seconds[..., -1:] * epochs / epochs[-1], seconds)
        return cls(epochs, {"valid_accuracy": accuracy}, seconds, one_training=False)


@dataclass(frozen=True)
class TableColumns:
    """The rows of a benchmark table in the project's terms; see `nas.benchmarks.table`.

    Attributes:
        archs: `(n, genes)` the architectures.
        test: `(n,)` mean test accuracy, 0..1; of the longest training, where there are several.
        validation: `(n,)` validation accuracy, 0..1, or None where the table lacks it for some architecture.
        cost: `(n,)` training seconds behind `validation`, NaN where the table lacks them.
        parameters: `(n,)` trainable parameters; 0: unknown.
        digests: what the file says each row's published hash is, `(n, bytes)` uint8, or None.
        trainings: what is known by epochs of training, where the table says how many they are.
        objectives: `(n,)` each: further numbers by name, such as the latency on a device; NaN: unknown.
        bounds: the least and the greatest that `test` and `validation` may be.
        curves: what was seen in the course of training, or None.
    """

    archs: NDArray[np.uint8]
    test: NDArray[np.float64]
    validation: NDArray[np.float64] | None
    cost: NDArray[np.float64]
    parameters: NDArray[np.int64]
    digests: NDArray[np.uint8] | None = None
    trainings: Mapping[int, Training] = field(default_factory=dict)
    objectives: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    bounds: tuple[float, float] = (0.0, 1.0)
    curves: Curves | None = None

    @classmethod
    def of_trainings(
        cls,
        archs: NDArray[np.uint8],
        trainings: Mapping[int, Training],
        parameters: NDArray[np.int64],
        digests: NDArray[np.uint8] | None = None,
        objectives: Mapping[str, NDArray[np.float64]] = MappingProxyType({}),
    ) -> TableColumns:
        """Make the columns of a table that has trainings by epochs: accuracies and cost are those of the longest."""
        longest = trainings[max(trainings)]
        means = longest.test, longest.validation, longest.cost
        curves = Curves.of_trainings(trainings)
        return cls(archs, *means, parameters, digests, trainings, objectives, curves=curves)

    def take(self, rows: NDArray[np.intp]) -> TableColumns:
        """Return some of the rows."""
        return TableColumns(
            self.archs[rows],
            self.test[rows],
            None if self.validation is None else self.validation[rows],
            self.cost[rows],
            self.parameters[rows],
            None if self.digests is None else self.digests[rows],
            {epochs: training.take(rows) for epochs, training in self.trainings.items()},
            {name: values[rows] for name, values in self.objectives.items()},
            self.bounds,
            None if self.curves is None else self.curves.take(rows),
        )


def check_range(name: str, values: NDArray[np.floating[Any]], least: float, most: float, allowed: str) -> None:
    """Refuse a column with a number out of its range, NaN included.

    Raises:
        UserError: names the column, the row, the number and what is allowed.
    """
    for place in np.argwhere(~((values >= least) & (values <= most)))[:1]:
        raise UserError(f"{name} of row {place[0]} is {values[tuple(place)]}, must be {allowed}")


def zero_if_unknown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values, with 0, which is in every range here, where they are unknown (NaN)."""
    return np.where(np.isnan(values), 0, values)
