"""One measurement: a predictor learns from labelled networks, and ranks others."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from time import process_time
from typing import Any

import numpy as np

from nas._config import build
from nas._threads import one_thread
from nas.encoders import Observed, observers
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.study.metrics import rank_metrics
from nas.study.predictors import Predictor
from nas.study.splits import Kind, Pool, Split
from nas.types import Batch

PRICES = ("init_training", "init_cpu", "query_training", "query_cpu")
"""Seconds before anything can be ranked, and for each network that is: of training, which the table tells, with what it
takes to extrapolate a curve; and of CPU, measured here."""


@dataclass(frozen=True)
class Job:
    """What one measurement is of: a predictor, the kind of its networks, how many it learns from, and the split."""

    predictor: Predictor
    kind: Kind
    size: int
    split: int

    @property
    def key(self) -> str:
        """What a journal knows it by; the digest is another when the configuration is."""
        predictor = self.predictor
        return f"{predictor.name} {predictor.digest} {self.kind} {self.size} {self.split}"


class Bench:
    """A table, its networks that can be labelled, and what was observed of them so far.

    An observation is made once, and its price charged to every measurement that uses it.

    Args:
        space: its configuration.
        evaluator: its configuration, of a table.
        dataset: its configuration, or None.
        epochs: at which learning curves are seen.
        most: networks to learn from.
        test: networks to rank.

    Raises:
        UserError: a part cannot be made, or the evaluator is not of a table.
    """

    def __init__(
        self, space: Any, evaluator: Any, dataset: Any | None, epochs: list[int], most: int, test: int
    ) -> None:
        self.given: dict[str, Any] = {} if dataset is None else {"dataset": build(dataset, "dataset")}
        made = build(evaluator, "evaluator", space=build(space, "space"), **self.given)
        if not isinstance(made, TableEvaluator):
            raise UserError(f"evaluator is {type(made).__name__}, a study needs a table: evaluator=table")
        self.evaluator = made
        self.pool = Pool.of(made, epochs)
        curves = made.table.columns.curves
        self._goes_on = curves is not None and curves.one_training  # then a label's training begins with the curve
        self._most, self._test = most, test
        self._known: dict[str, tuple[Observed, float]] = {}
        self.split = lru_cache(maxsize=64)(self._split)

    def _split(self, kind: Kind, seed: int) -> Split:
        return Split.draw(self.pool, kind, seed, self._most, self._test)

    def measure(self, job: Job) -> dict[str, float] | str:
        """The metrics, the prices, how many networks got no estimate (`missing`), and the CPU seconds that it `took`.

        A text says why it failed. Not in `took` is an encoder's own training, done once.

        Raises:
            UserError: the table has too few networks.
        """
        split = self.split(job.kind, job.split)
        if len(split.train) < job.size:
            return f"only {len(split.train)} networks to learn from are in the table"
        try:
            with one_thread(), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of libraries, on small training sets; a failure is an exception
                return self._measure(job, split)
        except Exception as error:  # of a library: it is shown, and the study goes on
            return f"{type(error).__name__}: {' '.join(str(error).split())}"

    def full_training(self, kind: Kind, split: int) -> dict[str, float]:
        """What the labels of the networks themselves would tell, at the price of training all that are ranked."""
        rows = self.split(kind, split).test
        metrics = rank_metrics(self.pool.labels[rows], self.pool.truth[rows])
        price = float(self.pool.seconds[rows].mean())
        return {**metrics, **dict.fromkeys(PRICES, 0.0), "query_training": price, "missing": 0.0}

    def _measure(self, job: Job, split: Split) -> dict[str, float]:
        pool = self.pool
        rows = split.train[: job.size]
        known, asked = pool.batch.take(rows), pool.batch.take(split.test)
        made = job.predictor.make(job.split, self.evaluator, **self.given)
        start = process_time()
        prices = self._observe(observers(made), known, asked)
        took = process_time() - start
        made.prepare()
        start = process_time()
        made.fit(known, pool.labels[rows])
        fitted = process_time()
        estimates = made.predict(asked).mean
        done = process_time()
        prices["init_training"] += float(pool.seconds[rows].sum())
        prices["init_cpu"] += fitted - start
        prices["query_cpu"] += (done - fitted) / len(asked)
        metrics = rank_metrics(estimates, pool.truth[split.test])
        for name, value in {**metrics, **prices}.items():
            if not np.isfinite(value):
                raise ArithmeticError(f"{name} is {value}")
        return {**metrics, **prices, "missing": float(np.isnan(estimates).sum()), "took": took + done - start}

    def _observe(self, encoders: list[Observed], known: Batch, asked: Batch) -> dict[str, float]:
        """Observe what was not observed yet, and tell the prices of all."""
        prices = dict.fromkeys(PRICES, 0.0)
        for encoder in encoders:
            identity = f"{type(encoder).__name__} {encoder.identity()}"
            if identity in self._known:
                encoder.go_on_from(self._known[identity][0])
            else:
                self._known[identity] = encoder, encoder.prepare()
            encoder.embed(Batch.join([known, asked]))
            clock = "cpu" if encoder.measured else "training"
            prices[f"init_{clock}"] += self._known[identity][1]
            if not (encoder.partial and self._goes_on):
                prices[f"init_{clock}"] += float(np.nansum(encoder.prices(known)))
            prices[f"query_{clock}"] += float(np.nansum(encoder.prices(asked))) / len(asked)
            self._known[identity] = encoder, self._known[identity][1]
        return prices
