"""Evaluators: what an architecture is really worth."""

from nas.evaluators.table import TableEvaluator

__all__ = ["TableEvaluator"]
