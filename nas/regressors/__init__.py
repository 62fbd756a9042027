"""Regressors on features in scikit-learn's form, where scikit-learn has none."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.regressors.networks import BOHAMIANN, DNGO
    from nas.regressors.processes import InducingProcess
    from nas.regressors.trees import NaturalBoosting, RandomForest
    from nas.regressors.tuned import Tuned

__all__ = ["BOHAMIANN", "DNGO", "InducingProcess", "NaturalBoosting", "RandomForest", "Tuned"]

_MODULES = {
    "BOHAMIANN": "networks",
    "DNGO": "networks",
    "InducingProcess": "processes",
    "NaturalBoosting": "trees",
    "RandomForest": "trees",
    "Tuned": "tuned",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: each brings libraries of its own."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nas.regressors.{_MODULES[name]}"), name)
