"""The embedding of an encoder as a place to search in."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.encoders.base import Decoder
from nas.types import Architectures, Batch, Estimator, Space

_SAMPLE = 256  # architectures that show how far the embedding spreads

Points = NDArray[np.float64]
"""`(n, dimensions)` in the embedding."""


class LatentSpace:
    """The embedding of the estimator's encoder where that can decode, so that both share one; else of `encoder`.

    Args:
        space: the search space.
        estimator: whose encoder, in its attribute `encoder`, is taken if it has `decode`.
        encoder: taken otherwise.
    """

    def __init__(self, space: Space, estimator: Estimator, encoder: Decoder) -> None:
        self.space = space
        theirs: Any = getattr(estimator, "encoder", None)
        self.encoder: Decoder = theirs if hasattr(theirs, "decode") else encoder

    @cached_property
    def _sample(self) -> Points:
        return self.embed(self.space.batch(self.space.sample(_SAMPLE, np.random.default_rng(0))))

    @property
    def mean(self) -> NDArray[np.float64]:
        """`(dimensions,)`: the mean of each component over architectures of the space."""
        mean: NDArray[np.float64] = self._sample.mean(axis=0)
        return mean

    @property
    def deviation(self) -> NDArray[np.float64]:
        """`(dimensions,)`: the standard deviation of each component over architectures of the space."""
        deviation: NDArray[np.float64] = self._sample.std(axis=0)
        return deviation

    def embed(self, batch: Batch) -> Points:
        """Where architectures lie."""
        return self.encoder.embed(batch).values.astype(np.float64)

    def decode(self, points: Points) -> Architectures:
        """`(m, genes)`: the architectures at points, in their order, without those that are none of the space."""
        archs = self.encoder.decode(points.astype(np.float32))
        return archs[self.space.valid(archs)]
