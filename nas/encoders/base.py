"""What an encoder is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas.types import Architectures, Batch, Features


class Encoder(Protocol):
    """Maps architectures to vectors, and tells the price.

    What follows from the graph is free. A zero-cost score, an early accuracy or a feature history is an encoder, too:
    its features cost seconds of candidate training.
    """

    def prepare(self) -> float:
        """Do, once for the space, what `embed` needs, such as training on unlabelled graphs or a supernet.

        Returns:
            The seconds of candidate training that it cost; 0 the second time, and where no candidate is trained.
        """

    def embed(self, batch: Batch) -> Features:
        """`n` rows of features, and what they cost; calls `prepare` where that was not done."""

    def identity(self) -> str:
        """Which encoder it is, in short: encoders of the same identity give the same embeddings."""


class Decoder(Encoder, Protocol):
    """An encoder that can also go back."""

    def decode(self, embeddings: NDArray[np.float32]) -> Architectures:
        """`(n, genes)`: the most likely genes at points `(n, dimensions)`; they need not be an architecture."""
