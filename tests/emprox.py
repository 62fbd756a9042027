"""What tests of EmProx share."""

from __future__ import annotations

import numpy as np

from nas.encoders import FeatureEncoder
from nas.spaces import NB101
from nas.types import Batch, Features

OPTIONS = {"length": [1.4], "linear": 0.5, "noise": [0.1], "rank": 64, "size": 0.0}


class Scaled(FeatureEncoder):
    """Graph features of mean squared length about 1, and a count of what was embedded."""

    def __init__(self, space: NB101) -> None:
        super().__init__(space, features=["graph"], cells=500)
        self.embedded: list[int] = []

    def embed(self, batch: Batch) -> Features:
        self.embedded.append(len(batch))
        return Features.free(super().embed(batch).values / np.float32(8.5))


def covariance(a, b):
    distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    return (1 + (distance / 1.4) ** 2) ** -0.5 + 0.5 * a @ b.T
