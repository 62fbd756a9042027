"""Strategies: where candidates come from."""

from nas.strategies.base import ArchiveStrategy
from nas.strategies.bayesian import BayesianOptimisation
from nas.strategies.elsewhere import Elsewhere
from nas.strategies.evolution import RegularizedEvolution
from nas.strategies.latent import LatentAscent
from nas.strategies.local import LocalSearch
from nas.strategies.nevergrad import Nevergrad
from nas.strategies.pools import FullPool, SmartPool
from nas.strategies.random import RandomSearch
from nas.strategies.spread import Spread

__all__ = [
    "ArchiveStrategy",
    "BayesianOptimisation",
    "Elsewhere",
    "FullPool",
    "LatentAscent",
    "LocalSearch",
    "Nevergrad",
    "RandomSearch",
    "RegularizedEvolution",
    "SmartPool",
    "Spread",
]
