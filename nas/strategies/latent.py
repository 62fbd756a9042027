"""Ascent in the embedding, the move of NAO."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from nas.encoders.base import Decoder
from nas.options import Positive, PositiveInt, validated
from nas.strategies.base import ArchiveStrategy
from nas.strategies.latent_space import LatentSpace, Points
from nas.types import Batch, Estimator, Proposal, Space

_PENALTY = 1e-3  # of the local linear model, relative to the squared distances it is fitted on


@validated
class LatentAscent(ArchiveStrategy):
    """From the best trials along the gradient in the embedding, decoded (NAO, Luo et al. 2018, section 3.3).

    The gradient at a trial is that of a linear model, fitted by ridge regression to the estimates of networks one or
    two changed genes away: it needs nothing of an estimator but estimates. The candidates of each trial lie on the line
    from it along its gradient, at equal distances up to `reach`; nearer ones come first. Where nothing can be
    estimated yet, candidates are random, and so are those that are missing.

    Args:
        space: the search space.
        encoder: whose embedding it is: in a composition the estimator's, where that can decode; None:
            `GraphEncoder(space)`.
        parents: how many of the best trials to start from, at least 1.
        samples: changed networks around each, at least 2.
        reach: the length of the longest step, in the embedding; above 0.

    Raises:
        UserError: a number is out of its range, or the space cannot be embedded.
    """

    rounds = 1

    def __init__(
        self,
        space: Space,
        encoder: Decoder | None = None,
        *,
        parents: PositiveInt = 20,
        samples: Annotated[int, Ge(2)] = 64,
        reach: Positive = 1.0,
    ) -> None:
        super().__init__(space)
        self.parents, self.samples, self.reach = parents, samples, reach
        self._latent_space = LatentSpace(space, encoder)
        self._latent_space.check()

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Make about `n` candidates on the lines, those that can be decoded."""
        if not len(self.told) or surrogate is None:
            return self.random(n, rng)
        parents = self.best(self.parents)
        starts = self._latent_space.embed(parents)
        slopes = self._gradients(parents, starts, surrogate, rng)
        lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
        rising = np.flatnonzero(lengths > 0)
        if not len(rising):
            return self.random(n, rng)
        steps = -(-n // len(rising))
        distances = self.reach * np.arange(1, steps + 1) / steps
        points = starts[rising] + distances[:, None, None] * (slopes[rising] / lengths[rising])
        return self.proposal(self._latent_space.decode(points.reshape(-1, starts.shape[1])), "ascent")

    def _gradients(self, parents: Batch, starts: Points, surrogate: Estimator, rng: Generator) -> Points:
        """`(p, dimensions)`: of the estimate at each parent; 0 where there is no estimate."""
        repeated = np.repeat(parents.genes, self.samples, axis=0)
        changed = self.space.perturb(repeated, rng)
        changed[1::2] = self.space.perturb(changed[1::2], rng)
        there = self.space.valid(changed)
        changed[~there] = repeated[~there]  # distance 0: without weight
        around = self.space.batch(changed)
        means = surrogate.predict(Batch.join([parents, around])).mean
        rises = means[len(parents) :].reshape(len(parents), -1) - means[: len(parents), None]
        offsets = self._latent_space.embed(around).reshape(len(parents), self.samples, -1) - starts[:, None]
        rises[missing := np.isnan(rises)], offsets[missing] = 0, 0  # as at distance 0
        # Dual form: as many unknowns as samples, fewer than dimensions or not.
        products = offsets @ offsets.transpose(0, 2, 1)
        penalty = _PENALTY * np.trace(products, axis1=1, axis2=2)[:, None, None] + 1e-12
        weights = np.linalg.solve(products + penalty * np.eye(self.samples), rises[:, :, None])
        gradients: Points = (offsets.transpose(0, 2, 1) @ weights)[:, :, 0]
        return gradients
