"""Weighted nearest neighbours in the embedding of an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.estimators.base import FeatureEstimator
from nas.options import NonNegative, PositiveInt, validated
from nas.types import Batch, Keys, Prediction, Space, Values


@validated
class NearestNeighbours(FeatureEstimator):
    """The estimate of EmProx as published (Franken, Singh and Vanschoren 2022, sections 3.2 and 3.3), for any encoder.

    An estimate is the weighted mean of the `k` known networks nearest in the embedding, the weight of one at distance
    d being d ** -power; its standard deviation is the weighted spread of the same values. A known network gets its
    known value.

    Fitting embeds the networks that are new since the last fit.

    Args:
        space: the search space.
        encoder: maps architectures of the space to vectors, without labels.
        k: number of neighbours, at least 1.
        power: at least 0; 1 as published, 0 weighs all neighbours alike.

    Raises:
        UserError: `k` or `power` is out of its range; from `fit`, fewer than `k` networks are known.
    """

    gives_std = True

    def __init__(self, space: Space, encoder: Encoder, k: PositiveInt = 10, power: NonNegative = 1.0) -> None:
        super().__init__(space, encoder, min_trials=k)
        self.k = k
        self.power = power
        self._index: Any = None
        self._keys: Keys = np.empty(0, dtype=np.uint64)  # of what is embedded
        self._embedded: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)

    def _fit(self, batch: Batch, values: Values) -> None:
        known = len(self._keys)
        if not known or not np.array_equal(batch.keys[:known], self._keys):
            self._embedded = self._embed(self.encoder, batch)
        elif known < len(batch):
            added = self._embed(self.encoder, batch.take(slice(known, None)))
            self._embedded = np.concatenate([self._embedded, added])
        self._keys = batch.keys
        there = self._observed(self._embedded)
        self._learn(self._embedded[there], values[there])

    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        import faiss  # after torch, which `encoder.embed` has imported when this is the first fit

        self._index = faiss.IndexFlatL2(features.shape[1])
        self._index.add(features)
        self._embeddings, self._values = features, values

    def _predict(self, batch: Batch) -> Prediction:
        made = super()._predict(batch)
        assert self._fitted is not None
        assert made.std is not None
        keys, values = self._fitted
        _, here, there = np.intersect1d(batch.keys, keys, assume_unique=True, return_indices=True)
        made.mean[here], made.std[here] = values[there], 0
        return made

    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        _, neighbours = self._index.search(features, self.k)
        # FAISS's squared distances lose half of their digits to cancellation: near duplicates need exact ones.
        distances = np.linalg.norm(features[:, None] - self._embeddings[neighbours], axis=2).astype(np.float64)
        nearest = distances.min(axis=1, keepdims=True)
        # Relative to the nearest, so that no weight overflows; at distance 0 it alone counts.
        ratio = np.divide(nearest, distances, out=np.ones_like(distances), where=distances > 0)
        weights = np.where(nearest > 0, ratio**self.power, distances == 0)
        weights /= weights.sum(axis=1, keepdims=True)
        values = self._values[neighbours]
        mean = (weights * values).sum(axis=1)
        variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
        return Prediction(mean, np.sqrt(variance))
