"""Evaluators: what an architecture is really worth."""

from nas.evaluators.table import TableEvaluator
from nas.evaluators.training import TrainingEvaluator

__all__ = ["TableEvaluator", "TrainingEvaluator"]
