"""Strategies: where candidates come from."""

from nas.strategies.base import ArchiveStrategy
from nas.strategies.evolution import RegularizedEvolution
from nas.strategies.random import RandomSearch

__all__ = ["ArchiveStrategy", "RandomSearch", "RegularizedEvolution"]
