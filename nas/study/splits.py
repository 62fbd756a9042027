"""Which networks a predictor learns from, and which it has to rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.types import Batch, Values

Kind = Literal["uniform", "mutated"]
_ORIGIN = 10  # random networks, the better half of which others are mutations of (White et al. 2021, appendix)
_EDITS = 3  # at most, from a parent to a network to be ranked
_ROUNDS, _AT_ONCE = 200, 256  # of mutation, after which there are no more; and mutations in a round


@dataclass(frozen=True)
class Pool:
    """The networks of a table that can be labelled, by ascending keys.

    Attributes:
        batch: `n` networks.
        labels: `(n,)` what a search would be shown of each.
        truth: `(n,)` mean test accuracy, which nothing learns from.
        seconds: `(n,)` of training behind each label; where the table does not tell them, the mean of the others.
        signal: what the labels are.
        timed: whether the table tells seconds of training; else they are 0.
    """

    batch: Batch
    labels: Values
    truth: Values
    seconds: Values
    signal: str
    timed: bool

    def __len__(self) -> int:
        return len(self.batch)

    @classmethod
    def of(cls, evaluator: TableEvaluator, epochs: list[int]) -> Pool:
        """Take what a table knows.

        Args:
            evaluator: of the table. Where it has nothing to show but test accuracies, the labels are validation
                accuracies at the end of learning curves, of the networks that have one.
            epochs: at which each network must have a learning curve.

        Raises:
            UserError: the table has no validation accuracies.
        """
        table = evaluator.table
        columns, curves = table.columns, table.columns.curves
        rows = table.rows(table.keys)
        if curves is not None and epochs:
            known = curves.known(max(epochs))
            rows = rows[known[rows]]
        if evaluator.value == "test_mean":
            if curves is None or "valid_accuracy" not in curves.metrics:
                raise UserError(f"{table.path} has no validation accuracy to label networks with: choose another table")
            last = int(curves.epochs[-1])
            rows = rows[curves.known(last)[rows]]
            if not len(rows):
                raise UserError(f"{table.path} has no validation accuracy to label networks with: choose another table")
            batch = evaluator.space.batch(columns.archs[rows])
            accuracies, seconds = evaluator.early(batch, "valid_accuracy", last)
            labels, signal = accuracies[:, -1], f"validation of one run, {last} epochs"
        else:
            batch = evaluator.space.batch(columns.archs[rows])
            shown = evaluator.evaluate(batch)
            labels, seconds, signal = shown.value, shown.seconds, evaluator.value
        timed = not np.isnan(seconds).all()
        seconds = np.where(np.isnan(seconds), np.nanmean(seconds) if timed else 0.0, seconds)
        return cls(batch, labels, columns.test[rows], seconds, signal, timed)


@dataclass(frozen=True)
class Split:
    """Rows of a pool: `train`, of which the first `n` are learnt from, and `test`; none is in both."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]

    @classmethod
    def draw(cls, pool: Pool, kind: Kind, seed: int, most: int, test: int) -> Split:
        """Draw `test` networks to rank and up to `most` others to learn from.

        Args:
            pool: to draw from.
            kind: `uniform`, or `mutated`: what a search sees. The better half of ten random networks is mutated one to
                three times to get those to rank, which are mutated once to get those to learn from.
            seed: draws.
            most: networks to learn from; of mutations there may be fewer.
            test: networks to rank.

        Raises:
            UserError: the pool has too few networks.
        """
        if test + most > len(pool):
            raise UserError(
                f"sizes has {most} and networks is {test}, must be {len(pool)} together at most: the table has no more "
                f"with all that is needed"
            )
        rng = np.random.default_rng([seed, *kind.encode()])
        if kind == "uniform":
            order = rng.permutation(len(pool))
            return cls(order[test:][:most], order[:test])
        origin = rng.permutation(len(pool))[:_ORIGIN]
        parents = origin[np.argsort(-pool.labels[origin], kind="stable")[: _ORIGIN // 2]]
        ranked = _mutations(pool, parents, _EDITS, test, np.empty(0, dtype=np.intp), rng)
        if len(ranked) < test:
            raise UserError(f"only {len(ranked)} of {test} mutations are in the table: choose tests=[uniform]")
        return cls(_mutations(pool, ranked, 1, most, ranked, rng), ranked)


def _mutations(
    pool: Pool, parents: NDArray[np.intp], edits: int, most: int, without: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of distinct networks of the pool, 1 to `edits` mutations away from a parent; up to `most`."""
    found = np.empty(0, dtype=np.intp)
    for _ in range(_ROUNDS):
        batch = pool.batch.take(rng.choice(parents, _AT_ONCE))
        times = rng.integers(1, edits + 1, _AT_ONCE)
        for edit in range(edits):
            again = times > edit
            batch = Batch.join([batch.take(~again), pool.batch.space.mutate(batch.take(again), rng)])
            times = np.concatenate([times[~again], times[again]])
        place = np.minimum(np.searchsorted(pool.batch.keys, batch.keys), len(pool) - 1)
        rows = place[pool.batch.keys[place] == batch.keys]
        rows = rows[~np.isin(rows, without)]
        both = np.concatenate([found, rows])
        found = both[np.sort(np.unique(both, return_index=True)[1])][:most]
        if len(found) == most:
            break
    return found
