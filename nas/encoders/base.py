"""What an encoder is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas.types import Architectures


class Encoder(Protocol):
    """Maps architectures to vectors; learns from unlabelled architectures of its space only."""

    def load(self) -> None:
        """Train for the space, or read what was trained before. Costs nothing the second time."""

    def embed(self, archs: Architectures) -> NDArray[np.float32]:
        """`(n, dimensions)`: the embeddings of architectures; calls `load` where that was not done."""

    def identity(self) -> str:
        """Which encoder it is, in short: encoders of the same identity give the same embeddings."""


class Decoder(Encoder, Protocol):
    """An encoder that can also go back."""

    def decode(self, embeddings: NDArray[np.float32]) -> Architectures:
        """`(n, genes)`: the most likely genes at points `(n, dimensions)`; they need not be an architecture."""
