"""The base of every estimator: checks, and one estimate per network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from nas._threads import one_blas_thread
from nas.errors import UserError
from nas.types import Architectures, Keys, Prediction, Space, Values


class NetworkEstimator(ABC):
    """Shows its subclass each distinct network once, in canonical form; a subclass gives `_fit` and `_predict`.

    Args:
        space: the search space.
        min_trials: how many distinct known networks `fit` needs.
    """

    gives_std = False
    """Whether predictions have standard deviations; a subclass that gives them says so."""
    values_in = (-math.inf, math.inf)
    """The values that `fit` accepts: from the first to the second."""

    def __init__(self, space: Space, min_trials: int = 1) -> None:
        self.space = space
        self.min_trials = min_trials
        self._fitted: tuple[Keys, Values] | None = None

    @abstractmethod
    def _fit(self, archs: Architectures, keys: Keys, values: Values) -> None:
        """Learn from distinct networks, in the order in which they became known."""

    @abstractmethod
    def _predict(self, archs: Architectures, keys: Keys) -> Prediction:
        """Estimate distinct networks, in ascending order of keys."""

    def prepare(self) -> None:  # noqa: B027
        """Do, once, what needs no values: nothing, unless a subclass has something to do."""

    def fit(self, archs: Architectures, values: Values) -> None:
        """Learn from all trials so far; a network that was evaluated several times counts once, with its mean.

        To be told the same again costs nothing.

        Args:
            archs: `(n, genes)` uint8.
            values: `(n,)` finite.

        Raises:
            UserError: shapes differ, a value is not finite, or fewer than `min_trials` networks are known.
        """
        if values.shape != (len(archs),) or not np.isfinite(values).all():
            raise UserError(f"values must be {len(archs)} finite numbers, one per architecture")
        identity, canonical = self.space.identify(archs)
        keys, first, inverse = np.unique(identity, return_index=True, return_inverse=True)
        if len(keys) < self.min_trials:
            raise UserError(f"{type(self).__name__} needs {self.min_trials} known architectures, got {len(keys)}")
        means = np.bincount(inverse, values) / np.bincount(inverse)
        order = np.argsort(first)
        told = keys[order], means[order]
        if self._fitted is None or not all(map(np.array_equal, self._fitted, told)):
            with one_blas_thread():
                self._fit(canonical[first[order]], *told)
            self._fitted = told

    def predict(self, archs: Architectures) -> Prediction:
        """Estimate architectures `(n, genes)`; those that are the same network get the same estimate.

        Raises:
            RuntimeError: `fit` was not called.
        """
        if self._fitted is None:
            raise RuntimeError("predict() was called without calling fit()")
        if not len(archs):
            return Prediction(np.empty(0), np.empty(0) if self.gives_std else None)
        identity, canonical = self.space.identify(archs)
        keys, first, inverse = np.unique(identity, return_index=True, return_inverse=True)
        with one_blas_thread():
            return self._predict(canonical[first], keys).take(inverse)
