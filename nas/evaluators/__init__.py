"""Evaluators: what an architecture is really worth, and where candidates are trained."""

from nas.evaluators.cluster import DaskExecutor
from nas.evaluators.executors import LocalExecutor
from nas.evaluators.table import TableEvaluator
from nas.evaluators.training import TrainingEvaluator

__all__ = ["DaskExecutor", "LocalExecutor", "TableEvaluator", "TrainingEvaluator"]
