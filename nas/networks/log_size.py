"""How large networks are, before anything is built."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nas.errors import UserError
from nas.networks.choice import skeleton_of
from nas.networks.skeleton import Skeleton
from nas.types import Batch, Space, Values

_SAMPLE = 1000  # architectures that show how sizes spread


class LogSize:
    """Log parameters of networks, in deviations from their mean over the space.

    They follow from the graph alone, as the skeleton's default sizes count them.

    Args:
        space: the search space.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    @cached_property
    def known(self) -> bool:
        """Whether the architectures of the space are networks whose parameters can be counted, and that differ."""
        return self._moments is not None

    def __call__(self, batch: Batch) -> Values:
        """`(n,)` sizes; 0 where they are not known."""
        if self._moments is None:
            return np.zeros(len(batch))
        mean, deviation = self._moments
        result: Values = (self._logarithms(batch) - mean) / deviation
        return result

    @cached_property
    def _moments(self) -> tuple[float, float] | None:
        try:
            sample = self._logarithms(self.space.batch(self.space.sample(_SAMPLE, np.random.default_rng(0))))
        except UserError:  # the architectures are no networks
            return None
        deviation = float(sample.std())
        return (float(sample.mean()), deviation) if deviation > 0 else None

    @cached_property
    def _skeleton(self) -> Skeleton:
        return skeleton_of(self.space)()

    def _logarithms(self, batch: Batch) -> Values:
        result: Values = np.log(self._skeleton.parameters(batch.graphs).astype(np.float64))
        return result
