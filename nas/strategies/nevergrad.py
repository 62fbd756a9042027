"""Any optimiser of nevergrad."""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from typing import Literal

import numpy as np
from numpy.random import Generator

from nas.encoders.base import Decoder
from nas.errors import OptionError
from nas.options import validated
from nas.strategies.base import ArchiveStrategy
from nas.strategies.latent_space import LatentSpace, Points
from nas.types import Architectures, Batch, Estimator, Proposal, Space

_WORKERS = 10  # that an optimiser is told to serve: some that serve only 1 refuse to propose twice before they are told
_COMMON = ("NGOpt", "OnePlusOne", "TwoPointsDE", "CMA", "PSO")


@validated
class Nevergrad(ArchiveStrategy):
    """Candidates of a nevergrad optimiser, any that it registers (Bennet et al. 2021).

    At each round the optimiser is made anew, told all trials in order, and asked: it keeps nothing of candidates that
    were not evaluated, and continues where it was in a search that was stopped. So it has to learn from points that it
    did not ask for, which about a quarter of those registered refuse.

    Args:
        space: the search space.
        estimator: its encoder may be used.
        encoder: whose embedding it is for `over: latent`; None: the estimator's where that can decode, else
            `GraphEncoder(space)`.
        budget: evaluations in all, by which some optimisers plan; None: unknown.
        optimizer: a name in nevergrad's registry, such as NGOpt, OnePlusOne, CMA, TwoPointsDE.
        over: `genes`: one coordinate for each choice of each gene, the largest of a gene's is chosen; or `latent`: the
            components of the embedding, each in its standard deviation over the space, decoded.

    Raises:
        UserError: the optimiser or `over` is unknown, the optimiser refuses to be used so, or the space cannot be
            embedded.
    """

    rounds = 1

    def __init__(
        self,
        space: Space,
        encoder: Decoder | None = None,
        budget: int | None = None,
        *,
        optimizer: str = "TwoPointsDE",
        over: Literal["genes", "latent"] = "genes",
    ) -> None:
        from nevergrad import optimizers

        if optimizer not in optimizers.registry:
            close = get_close_matches(optimizer, optimizers.registry, n=5, cutoff=0.5)
            raise OptionError(
                "optimizer",
                f"is {optimizer!r}, must be one that nevergrad registers, such as {', '.join(close or _COMMON)}",
            )
        if optimizers.registry[optimizer].no_parallelization:
            raise OptionError(
                "optimizer",
                f"is {optimizer!r}, which must be told what it asked for, one by one: "
                f"choose another, such as {', '.join(_COMMON)}",
            )
        super().__init__(space)
        self.optimizer, self.budget = optimizer, budget
        self._points = _GenePoints(space) if over == "genes" else LatentSpace(space, encoder)
        self._ask(2, seed=0)

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Ask the optimiser for `n` points; those that are no architectures are left out."""
        asked = self._ask(n, int(rng.integers(1 << 32)))
        return self.proposal(self._points.decode(self._points.mean + self._points.deviation * asked), "nevergrad")

    def _ask(self, n: int, seed: int) -> Points:
        """`(n, dimensions)`: what the optimiser asks for, told all trials."""
        import nevergrad

        mean, deviation = self._points.mean, self._points.deviation
        told = self._points.embed(self.told) - mean
        told = np.divide(told, deviation, out=np.zeros_like(told), where=deviation > 0)
        parametrization = nevergrad.p.Array(shape=mean.shape)
        parametrization.random_state = np.random.RandomState(seed)
        make = nevergrad.optimizers.registry[self.optimizer]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # nevergrad's advice on settings that are its own
                optimiser = make(parametrization, self.budget, num_workers=_WORKERS)
                for point, value in zip(told, self.values, strict=True):
                    optimiser.ask()  # what comes of it is not used, but some learn in turns only
                    optimiser.tell(parametrization.spawn_child(new_value=point), -value)
                return np.array([optimiser.ask().value for _ in range(n)])
        except Exception as error:  # nevergrad's optimisers raise whatever the libraries below them do
            raise OptionError(
                "optimizer",
                f"is {self.optimizer!r}, which cannot be used here "
                f"({type(error).__name__} {str(error)[:100].splitlines()[:1]}): "
                f"choose another, such as {', '.join(_COMMON)}",
            ) from error


class _GenePoints:
    """Architectures as points: one coordinate for each choice of each gene, the largest of a gene's is chosen.

    Args:
        space: the search space.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        choices = np.arange(space.cardinalities.max())
        self._used = choices < space.cardinalities[:, None]  # (genes, most choices)
        self.mean, self.deviation = np.zeros(self._used.sum()), np.ones(self._used.sum())

    def embed(self, batch: Batch) -> Points:
        """`(n, dimensions)`: 1 for what is chosen, else 0."""
        chosen = batch.genes[:, :, None] == np.arange(self._used.shape[1])
        points: Points = chosen[:, self._used].astype(np.float64)
        return points

    def decode(self, points: Points) -> Architectures:
        """`(m, genes)`: the architectures at points, without those that are none of the space."""
        scores = np.full((len(points), *self._used.shape), -np.inf)
        scores[:, self._used] = points
        archs: Architectures = scores.argmax(axis=2).astype(np.uint8)
        return archs[self.space.valid(archs)]
