"""Ensembles of trees that know how sure they are; the trees are scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from nas.options import Natural, PositiveInt, Share, validated
from nas.types import Values

Features = NDArray[Any]


class RandomForest(RandomForestRegressor):  # type: ignore[misc]
    """scikit-learn's random forest; the deviation is that of its trees' estimates."""

    def predict(self, x: Features, return_std: bool = False) -> Any:
        """Estimate `(n,)`, and the deviations."""
        if not return_std:
            return super().predict(x)
        estimates = np.stack([tree.predict(x) for tree in self.estimators_])
        return estimates.mean(axis=0), estimates.std(axis=0)


@validated
class NaturalBoosting(BaseEstimator):  # type: ignore[misc]
    """Natural-gradient boosting of a normal distribution (Duan et al. 2020, NGBoost, algorithm 1).

    Two trees a step, one for the mean and one for the logarithm of the deviation, fit the natural gradient of the
    negative log-likelihood; how far a step goes is the best of halved lengths.

    Args:
        trees: steps, at least 1.
        learning_rate: share of each step that counts, above 0 and at most 1.
        depth: of each tree, at least 1.
        columns: share of the features that a split may use, above 0 and at most 1.
        rows: share of the known values that a step sees, above 0 and at most 1.
        random_state: 0 or more.
    """

    def __init__(
        self,
        trees: PositiveInt = 505,
        learning_rate: Share = 0.08127,
        depth: PositiveInt = 6,
        columns: Share = 0.792,
        rows: Share = 0.5,
        random_state: Natural = 0,
    ) -> None:
        self.trees, self.learning_rate, self.depth = trees, learning_rate, depth
        self.columns, self.rows, self.random_state = columns, rows, random_state

    def fit(self, x: Features, y: Values) -> NaturalBoosting:
        """Learn from features `(n, columns)` and targets `(n,)`."""
        rng = np.random.RandomState(self.random_state)
        n, seen = len(y), max(2, round(self.rows * len(y)))
        self._start = np.array([y.mean(), np.log(y.std() or 1.0)])
        self._steps: list[tuple[float, list[DecisionTreeRegressor]]] = []
        state = np.tile(self._start, (n, 1))
        for _ in range(self.trees):
            rows = rng.permutation(n)[:seen] if seen < n else np.arange(n)
            trees = [self._tree(rng).fit(x[rows], part) for part in _natural_gradient(state[rows], y[rows]).T]
            direction = np.column_stack([tree.predict(x) for tree in trees])
            length = _length(state[rows], direction[rows], y[rows])
            state -= self.learning_rate * length * direction
            self._steps.append((self.learning_rate * length, trees))
        return self

    def _tree(self, rng: np.random.RandomState) -> DecisionTreeRegressor:
        return DecisionTreeRegressor(max_depth=self.depth, max_features=self.columns, random_state=rng)

    def predict(self, x: Features, return_std: bool = False) -> Any:
        """Estimate `(n,)`, and the deviations."""
        state = np.tile(self._start, (len(x), 1))
        for length, trees in self._steps:
            state -= length * np.column_stack([tree.predict(x) for tree in trees])
        return (state[:, 0], np.exp(state[:, 1])) if return_std else state[:, 0]


def _natural_gradient(state: NDArray[np.float64], y: Values) -> NDArray[np.float64]:
    """`(n, 2)`: by the mean, and by the logarithm of the deviation (Duan et al. 2020, section 3.1)."""
    mean, log_deviation = state.T
    return np.column_stack([mean - y, (1 - ((y - mean) / np.exp(log_deviation)) ** 2) / 2])


def _length(state: NDArray[np.float64], direction: NDArray[np.float64], y: Values) -> float:
    """The largest of 256, 128, ... that makes the known values likelier; the last, where none does."""
    before, length = _surprise(state, y), 256.0
    while length > 1e-6:
        if np.abs(length * direction).max() < 100 and _surprise(state - length * direction, y) < before:
            break
        length /= 2
    return length


def _surprise(state: NDArray[np.float64], y: Values) -> float:
    mean, log_deviation = state.T
    with np.errstate(over="ignore"):
        return float((log_deviation + ((y - mean) / np.exp(log_deviation)) ** 2 / 2).mean())
