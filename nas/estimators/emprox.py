"""EmProx: proximity-weighted means in the embedding of an encoder-decoder, the weights by kriging."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.errors import UserError
from nas.estimators.base import NetworkEstimator
from nas.estimators.target import RankNormal
from nas.types import Architectures, Keys, Prediction, Space, Values

_BATCH = 1 << 11  # queries at once, so that their row of proximities stays in the processor's cache
_SAMPLE = 256  # architectures on which the standard deviation is checked
_WITHIN = (0.6827, 0.9545)  # shares of a normal distribution within 1 and 2 standard deviations


class EmProx(NetworkEstimator):
    """Weighted nearest neighbours in an embedding (after Franken et al. 2022), weighted by kriging instead of 1/d.

    At distance d the proximity is (1 + (d / length)**2) ** -0.5: like the published 1/d far away, finite near by. The
    estimate is the best linear one (kriging; Matheron 1963): a linear trend over the embedding plus a weighted mean of
    all known networks' residuals, whose weights follow from the proximities to the query and among the known, so that
    ten neighbours in one corner do not count ten times. It is made of normal scores of the values and mapped back.

    The standard deviation is of a value not seen yet, noise included; its scale is such that of the
    leave-one-out errors about 68 % are within one and 95 % within two. A known network gets its known value and 0.

    Args:
        space: the search space.
        encoder: maps architectures of the space to vectors of mean squared length about 1; trained without labels.
        length: at which distance proximity begins to fall, above 0.
        linear: prior variance of the trend, at least 0, the proximities' being 1.
        noise: prior variance of a value's noise, above 0.
        rank: how many directions of the known networks' covariance the standard deviation takes into account, at least
            1; all where fewer are known.

    Raises:
        UserError: a number is out of its range; from `fit`, fewer than 2 networks are known.
    """

    def __init__(
        self, space: Space, encoder: Encoder, *, length: float, linear: float, noise: float, rank: int
    ) -> None:
        for name, value in (("length", length), ("noise", noise)):
            if not value > 0:
                raise UserError(f"estimator.{name} is {value}, must be above 0")
        if linear < 0:
            raise UserError(f"estimator.linear is {linear}, must be at least 0")
        if rank < 1:
            raise UserError(f"estimator.rank is {rank}, must be at least 1")
        super().__init__(space, min_trials=2)
        self.encoder = encoder
        self.length, self.linear, self.noise, self.rank = length, linear, noise, rank
        self._known: tuple[Keys, Values, NDArray[np.float32]] | None = None
        self._anywhere: NDArray[np.float64] | None = None
        self._queried: tuple[Keys, NDArray[np.float32]] | None = None

    def prepare(self) -> None:
        """Train the encoder for this space, or read it from the user's cache; embed a sample of the space."""
        if self._anywhere is None:
            self.encoder.load()
            self._anywhere = self.encoder.embed(self.space.sample(_SAMPLE, np.random.default_rng(0))).astype(np.float64)

    def _proximity(self, queries: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
        """`(n, k)`: as one product of matrices, because whole spaces are queried."""
        scale = self.length**-2
        lengths = (known**2).sum(axis=1, keepdims=True) * scale
        right = np.concatenate([-2 * scale * known, 1 + lengths, np.ones_like(lengths)], axis=1)
        own = (queries**2).sum(axis=1, keepdims=True) * scale
        product: NDArray[Any] = np.concatenate([queries, np.ones_like(own), own], axis=1) @ right.T
        np.maximum(product, 1, out=product)
        np.sqrt(product, out=product)
        np.reciprocal(product, out=product)
        return product

    def _fit(self, archs: Architectures, keys: Keys, values: Values) -> None:
        from scipy.linalg import cho_factor, eigh, lapack
        from scipy.sparse.linalg import eigsh

        # All at once, though most were known at the last fit: how many are embedded together may change the last bit,
        # and a search that was stopped must continue into the same history.
        embedded = self.encoder.embed(archs)
        self._known = keys, values, embedded
        x = embedded.astype(np.float64)
        covariance = self._proximity(x, x) + self.linear * x @ x.T
        covariance[np.diag_indices_from(covariance)] += self.noise
        self._target = RankNormal(values)
        factor = cho_factor(covariance, lower=True)[0]
        inverse = lapack.dpotri(factor, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weights = inverse @ self._target.scores
        # Leave one out: its residual is weights / diagonal, its variance 1 / diagonal (Rasmussen and Williams, 5.12).
        errors = np.abs(weights) / np.sqrt(np.diag(inverse))
        self._scale = float(np.mean(np.quantile(errors, _WITHIN) / (1, 2)))
        if len(x) <= 4 * self.rank:
            eigenvalues, vectors = (part[..., -self.rank :] for part in eigh(covariance))
        else:
            eigenvalues, vectors = eigsh(covariance, self.rank, v0=np.ones(len(x)))
        directions = vectors / np.sqrt(eigenvalues)
        self._weights = np.column_stack([weights, directions]).astype(np.float32)
        # Few directions explain less than all: by how much, on average, is seen on architectures drawn anywhere.
        self.prepare()
        assert self._anywhere is not None
        shared = self._proximity(self._anywhere, x) + self.linear * self._anywhere @ x.T
        self._missed = float(
            (((shared @ inverse) * shared).sum(axis=1) - ((shared @ directions) ** 2).sum(axis=1)).mean()
        )
        self._trend = (self.linear * x.T @ np.column_stack([weights, directions])).astype(np.float32)

    def _predict(self, archs: Architectures, keys: Keys) -> Prediction:
        if self._queried is None or not np.array_equal(self._queried[0], keys):
            self._queried = keys, self.encoder.embed(archs)  # a search that ranks the whole space asks it every round
        assert self._known is not None
        known_keys, values, known = self._known
        queries = self._queried[1]
        scores, variance = np.empty(len(queries)), np.empty(len(queries))

        def estimate(start: int) -> None:
            rows = slice(start, start + _BATCH)
            x = queries[rows]
            sums = self._proximity(x, known) @ self._weights + x @ self._trend
            scores[rows] = sums[:, 0]
            variance[rows] = 1 + self.linear * (x**2).sum(axis=1) + self.noise - (sums[:, 1:] ** 2).sum(axis=1)

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(estimate, range(0, len(queries), _BATCH)))
        variance -= self._missed
        deviation = self._scale * np.sqrt(np.maximum(variance, self.noise))
        mean, std = self._target.inverse(scores), self._target.spread(scores, deviation)
        _, here, there = np.intersect1d(keys, known_keys, assume_unique=True, return_indices=True)
        mean[here], std[here] = values[there], 0
        return Prediction(mean, std)
