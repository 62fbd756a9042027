"""Batches of computation graphs, and the encodings and features that follow from a graph alone."""

from nas.graphs.features import feature_names, graph_features
from nas.graphs.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.graphs.walks import signal_features, signal_names, walk_features, walk_names

__all__ = [
    "ABSENT",
    "FIRST_OPERATION",
    "INPUT",
    "OUTPUT",
    "Graphs",
    "feature_names",
    "graph_features",
    "signal_features",
    "signal_names",
    "walk_features",
    "walk_names",
]
