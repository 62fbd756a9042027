"""Strategies: where candidates come from."""

from nas.strategies.base import ArchiveStrategy
from nas.strategies.bayesian import BayesianOptimisation
from nas.strategies.evolution import RegularizedEvolution
from nas.strategies.pools import FullPool, SmartPool
from nas.strategies.random import RandomSearch

__all__ = ["ArchiveStrategy", "BayesianOptimisation", "FullPool", "RandomSearch", "RegularizedEvolution", "SmartPool"]
