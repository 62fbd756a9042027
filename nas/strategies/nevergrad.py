"""Any optimiser of nevergrad."""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.random import Generator

from nas.encoders.base import Decoder
from nas.errors import UserError
from nas.strategies.base import ArchiveStrategy
from nas.strategies.latent_space import LatentSpace, Points
from nas.types import Architectures, Estimator, Proposal, Space

_COMMON = ("NGOpt", "OnePlusOne", "TwoPointsDE", "CMA", "PSO")


class Nevergrad(ArchiveStrategy):
    """Candidates of a nevergrad optimiser, any that it registers (Bennet et al. 2021).

    At each round the optimiser is made anew, told all trials in order, and asked: it keeps nothing of candidates that
    were not evaluated, and continues where it was in a search that was stopped. Optimisers that cannot be told what
    they did not ask for, and those made to ask a fixed plan, are of little use so.

    Args:
        space: the search space.
        estimator: its encoder is used for `over: latent` where that can decode.
        encoder: used otherwise.
        budget: evaluations in all; some optimisers plan by it.
        optimizer: a name in nevergrad's registry, such as NGOpt, OnePlusOne, CMA, TwoPointsDE.
        over: `genes`: one coordinate for each choice of each gene, the largest of a gene's is chosen; or `latent`: the
            components of the embedding, each in its standard deviation over the space, decoded.

    Raises:
        UserError: the optimiser or `over` is unknown, or the optimiser cannot be told what it did not ask for.
    """

    rounds = 1

    def __init__(
        self, space: Space, estimator: Estimator, encoder: Decoder, budget: int, *, optimizer: str, over: str
    ) -> None:
        from nevergrad import optimizers

        if optimizer not in optimizers.registry:
            close = get_close_matches(optimizer, optimizers.registry, n=5, cutoff=0.5)
            raise UserError(
                f"strategy.optimizer is {optimizer!r}, must be one that nevergrad registers, "
                f"such as {', '.join(close or _COMMON)}"
            )
        if over not in ("genes", "latent"):
            raise UserError(f"strategy.over is {over!r}, must be genes or latent")
        super().__init__(space)
        self.optimizer, self.budget = optimizer, budget
        self._points = _GenePoints(space) if over == "genes" else LatentSpace(space, estimator, encoder)

    def propose(self, n: int, rng: Generator) -> Proposal:
        """Ask the optimiser for `n` points; those that are no architectures are left out."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nevergrad's advice on settings that are its own
            optimiser = self._told(int(rng.integers(1 << 32)))
            points = np.array([optimiser.ask().value for _ in range(n)])
        archs = self._points.decode(points * self._points.deviation)
        return Proposal(archs, np.full(len(archs), "nevergrad"))

    def _told(self, seed: int) -> Any:
        """The optimiser, told all trials."""
        import nevergrad

        points = self._points.embed(self._archs) / self._points.deviation
        parametrization = nevergrad.p.Array(shape=self._points.deviation.shape)
        parametrization.random_state = np.random.RandomState(seed)
        optimiser = nevergrad.optimizers.registry[self.optimizer](parametrization, self.budget, num_workers=1)
        try:
            for point, value in zip(points, self._values, strict=True):
                optimiser.tell(parametrization.spawn_child(new_value=point), -value)
        except nevergrad.errors.TellNotAskedNotSupportedError as error:
            raise UserError(
                f"strategy.optimizer is {self.optimizer!r}, which cannot be told what it did not ask for: "
                f"choose another, such as {', '.join(_COMMON)}"
            ) from error
        return optimiser


class _GenePoints:
    """Architectures as points: one coordinate for each choice of each gene, the largest of a gene's is chosen.

    Args:
        space: the search space.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        choices = np.arange(space.cardinalities.max())
        self._used = choices < space.cardinalities[:, None]  # (genes, most choices)
        self.deviation = np.ones(int(self._used.sum()))

    def embed(self, archs: Architectures) -> Points:
        """`(n, dimensions)`: 1 for what is chosen, else 0."""
        chosen = archs[:, :, None] == np.arange(self._used.shape[1])
        points: Points = chosen[:, self._used].astype(np.float64)
        return points

    def decode(self, points: Points) -> Architectures:
        """`(m, genes)`: the architectures at points, without those that are none of the space."""
        scores = np.full((len(points), *self._used.shape), -np.inf)
        scores[:, self._used] = points
        archs: Architectures = scores.argmax(axis=2).astype(np.uint8)
        return archs[self.space.valid(archs)]
