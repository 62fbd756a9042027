"""Estimators: what a candidate may be worth, from the values already known."""

from nas.estimators.base import NetworkEstimator
from nas.estimators.boosting import GradientBoosting
from nas.estimators.emprox import EmProx
from nas.estimators.ensemble import MLPEnsemble
from nas.estimators.gaussian_process import GaussianProcess
from nas.estimators.graph_network import GraphNetwork
from nas.estimators.neighbours import NearestNeighbours
from nas.estimators.none import NoEstimator
from nas.estimators.published import NAO, PublishedEmProx, SemiNAS
from nas.estimators.regression import Regression
from nas.estimators.ridge import Ridge
from nas.estimators.score import Score

__all__ = [
    "NAO",
    "EmProx",
    "GaussianProcess",
    "GradientBoosting",
    "GraphNetwork",
    "MLPEnsemble",
    "NearestNeighbours",
    "NetworkEstimator",
    "NoEstimator",
    "PublishedEmProx",
    "Regression",
    "Ridge",
    "Score",
    "SemiNAS",
]
