"""The embedding of an encoder as a place to search in."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.encoders import GraphEncoder
from nas.encoders.base import Decoder
from nas.errors import UserError
from nas.types import Architectures, Batch, Space

_SAMPLE = 256  # architectures that show how far the embedding spreads

Points = NDArray[np.float64]
"""`(n, dimensions)` in the embedding."""


class LatentSpace:
    """The embedding of an encoder that can decode.

    Args:
        space: the search space.
        encoder: whose embedding it is; None: `GraphEncoder(space)`, made when it is first needed.
    """

    def __init__(self, space: Space, encoder: Decoder | None) -> None:
        self.space = space
        self._encoder = encoder

    @cached_property
    def encoder(self) -> Decoder:
        """The encoder."""
        return GraphEncoder(self.space) if self._encoder is None else self._encoder

    def check(self) -> None:
        """Make the encoder where there is none, without training it.

        Raises:
            UserError: it cannot be made for this space.
        """
        try:
            self.encoder  # noqa: B018
        except UserError as error:
            raise UserError(f"there is no embedding to search in: {error}") from error

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
