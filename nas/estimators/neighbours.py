"""Weighted nearest neighbours in the embedding of an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.estimators.base import NetworkEstimator
from nas.options import NonNegative, PositiveInt, validated
from nas.types import Batch, Keys, Prediction, Space, Values


@validated
class NearestNeighbours(NetworkEstimator):
    """The estimate of EmProx as published (Franken, Singh and Vanschoren 2022, sections 3.2 and 3.3), for any encoder.

    An estimate is the weighted mean of the `k` known networks nearest in the embedding, the weight of one at distance
    d being d ** -power; its standard deviation is the weighted spread of the same values. A known network gets its
    known value.

    Fitting embeds the networks that are new since the last fit and adds them to the index.

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
        super().__init__(space, min_trials=k)
        self.encoder = encoder
        self.k = k
        self.power = power
        self._index: Any = None
        self._keys: Keys = np.empty(0, dtype=np.uint64)
        self._values: Values = np.empty(0)
        self._embeddings: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)

    def _fit(self, batch: Batch, values: Values) -> None:
        import faiss  # after torch, which `encoder.embed` has imported when this is the first fit

        keys, known = batch.keys, len(self._keys)
        if self._index is None or not np.array_equal(keys[:known], self._keys):
            self._index, known = None, 0
        if known < len(keys):
            added = self._embed(self.encoder, batch.take(slice(known, None)))
            if self._index is None:
                self._index, self._embeddings = faiss.IndexFlatL2(added.shape[1]), added[:0]
            self._index.add(added)
            self._embeddings = np.concatenate([self._embeddings, added])
        self._keys, self._values = keys, values

    def _predict(self, batch: Batch) -> Prediction:
        embedded = self._embed(self.encoder, batch)
        _, neighbours = self._index.search(embedded, self.k)
        # FAISS's squared distances lose half of their digits to cancellation: near duplicates need exact ones.
        distances = np.linalg.norm(embedded[:, None] - self._embeddings[neighbours], axis=2).astype(np.float64)
        nearest = distances.min(axis=1, keepdims=True)
        # Relative to the nearest, so that no weight overflows; at distance 0 it alone counts.
        ratio = np.divide(nearest, distances, out=np.ones_like(distances), where=distances > 0)
        weights = np.where(nearest > 0, ratio**self.power, distances == 0)
        weights /= weights.sum(axis=1, keepdims=True)
        values = self._values[neighbours]
        mean = (weights * values).sum(axis=1)
        variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
        _, here, there = np.intersect1d(batch.keys, self._keys, assume_unique=True, return_indices=True)
        mean[here], variance[here] = self._values[there], 0
        return Prediction(mean, np.sqrt(variance))
