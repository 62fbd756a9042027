"""The base of every estimator: checks, and one estimate per network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nas._threads import one_blas_thread
from nas.encoders.base import Encoder
from nas.errors import UserError
from nas.types import Batch, Keys, Prediction, Space, Values

_PART = 1 << 12  # queries at once, so that memory stays small


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
        self._seconds = 0.0  # that features have cost since the last prediction

    @abstractmethod
    def _fit(self, batch: Batch, values: Values) -> None:
        """Learn from distinct networks, in the order in which they became known."""

    @abstractmethod
    def _predict(self, batch: Batch) -> Prediction:
        """Estimate distinct networks, in ascending order of keys."""

    def prepare(self) -> None:
        """Do, once, what needs no values: prepare the encoder, where there is one."""
        encoder: Encoder | None = getattr(self, "encoder", None)
        if encoder is not None:
            self._seconds += encoder.prepare()

    def identity(self) -> str:
        """Which encoder the estimates come from; empty where there is none."""
        encoder: Encoder | None = getattr(self, "encoder", None)
        return "" if encoder is None else encoder.identity()

    def fit(self, batch: Batch, values: Values) -> None:
        """Learn from all trials so far; a network that was evaluated several times counts once, with its mean.

        To be told the same again costs nothing.

        Args:
            batch: `n` architectures.
            values: `(n,)` finite.

        Raises:
            UserError: shapes differ, a value is not finite, or fewer than `min_trials` networks are known.
        """
        if values.shape != (len(batch),) or not np.isfinite(values).all():
            raise UserError(f"values must be {len(batch)} finite numbers, one per architecture")
        keys, first, inverse = np.unique(batch.keys, return_index=True, return_inverse=True)
        if len(keys) < self.min_trials:
            raise UserError(f"{type(self).__name__} needs {self.min_trials} known architectures, got {len(keys)}")
        means = np.bincount(inverse, values) / np.bincount(inverse)
        order = np.argsort(first)
        told = keys[order], means[order]
        if self._fitted is None or not all(map(np.array_equal, self._fitted, told)):
            with one_blas_thread():
                self._fit(_canonical(batch.take(first[order])), means[order])
            self._fitted = told

    def predict(self, batch: Batch) -> Prediction:
        """Estimate architectures; those that are the same network get the same estimate.

        Raises:
            RuntimeError: `fit` was not called.
        """
        return self._once(batch, self._predict)

    def _once(self, batch: Batch, estimate: Callable[[Batch], Prediction]) -> Prediction:
        """Estimate each distinct network once, in canonical form, in ascending order of keys."""
        if self._fitted is None:
            raise RuntimeError("predict() was called without calling fit()")
        if not len(batch):
            return Prediction(np.empty(0), np.empty(0) if self.gives_std else None)
        _, first, inverse = np.unique(batch.keys, return_index=True, return_inverse=True)
        with one_blas_thread():
            made = estimate(_canonical(batch.take(first))).take(inverse)
        spent, self._seconds = self._seconds, 0.0
        return replace(made, seconds=spent)

    def posterior(self, batch: Batch) -> Prediction | None:
        """Estimate values without their noise, of known architectures, too; None where no noise is told apart.

        Raises:
            RuntimeError: `fit` was not called.
        """
        return None

    def _embed(self, encoder: Encoder, batch: Batch) -> NDArray[np.float32]:
        """`(n, d)`: the features of architectures; their seconds are charged to the next prediction."""
        features = encoder.embed(batch)
        self._seconds += float(features.seconds.sum())
        return features.values


class FeatureEstimator(NetworkEstimator):
    """Shows its subclass the features of an encoder; a subclass gives `_learn` and `_estimate`.

    A network whose features could not all be observed (NaN), as its training failed, is left out of the fit, and gets
    no estimate: means and deviations are NaN.

    Args:
        space: the search space.
        encoder: maps architectures of the space to features.
        min_trials: how many distinct known networks `fit` needs, with features that could be observed.
    """

    def __init__(self, space: Space, encoder: Encoder, min_trials: int = 2) -> None:
        super().__init__(space, min_trials)
        self.encoder = encoder

    @abstractmethod
    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        """Learn from `(n, columns)` features without NaN and values `(n,)`."""

    @abstractmethod
    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        """Estimate from features without NaN, at least one row."""

    def _fit(self, batch: Batch, values: Values) -> None:
        features = self._embed(self.encoder, batch)
        there = self._observed(features)
        self._learn(features[there], values[there])

    def _observed(self, features: NDArray[np.float32]) -> NDArray[np.bool_]:
        """`(n,)`: which known networks can be learnt from. Raises UserError for fewer than `min_trials`."""
        there = observed(features)
        if (count := int(there.sum())) < self.min_trials:
            raise UserError(
                f"{type(self).__name__} needs {self.min_trials} known architectures whose features could be observed, "
                f"got {count} of {len(there)}: the training of the others failed"
            )
        return there

    def _predict(self, batch: Batch) -> Prediction:
        return Prediction.join([self._predict_part(part) for part in batch.split(_PART)])

    def _predict_part(self, batch: Batch) -> Prediction:
        features = self._embed(self.encoder, batch)
        there = observed(features)
        if there.all():
            return self._estimate(features)
        mean, std = np.full(len(batch), np.nan), np.full(len(batch), np.nan)
        if there.any():
            made = self._estimate(features[there])
            mean[there], std[there] = made.mean, np.nan if made.std is None else made.std
        return Prediction(mean, std if self.gives_std else None)


def observed(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """`(n,)`: of which networks all features `(n, columns)` could be observed."""
    there: NDArray[np.bool_] = np.logical_not(np.isnan(features).any(axis=1))
    return there


def _canonical(batch: Batch) -> Batch:
    """The same networks, whose genes are the canonical ones."""
    return Batch(batch.canonical, batch.canonical, batch.keys, batch.space)
