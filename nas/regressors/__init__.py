"""Regressors on features in scikit-learn's form, where scikit-learn has none."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.regressors.networks import BOHAMIANN, DNGO
    from nas.regressors.processes import InducingProcess
    from nas.regressors.trees import NaturalBoosting, RandomForest

__all__ = ["BOHAMIANN", "DNGO", "InducingProcess", "NaturalBoosting", "RandomForest"]

_MODULES = {
    "BOHAMIANN": "networks",
    "DNGO": "networks",
    "InducingProcess": "processes",
    "NaturalBoosting": "trees",
    "RandomForest": "trees",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nas.regressors.{_MODULES[name]}"), name)
