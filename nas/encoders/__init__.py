"""Encoders: from architectures to a continuous space."""

from nas.encoders.base import Encoder
from nas.encoders.early import EarlyCurve, Extrapolated
from nas.encoders.features import FeatureEncoder
from nas.encoders.graph import GraphEncoder
from nas.encoders.joined import Joined, parted
from nas.encoders.observed import Observed, encoders_of, observers
from nas.encoders.sequence import SequenceEncoder
from nas.encoders.supernet import SharedWeights
from nas.encoders.zero_cost import PublishedScores, ZeroCost

__all__ = [
    "EarlyCurve",
    "Encoder",
    "Extrapolated",
    "FeatureEncoder",
    "GraphEncoder",
    "Joined",
    "Observed",
    "PublishedScores",
    "SequenceEncoder",
    "SharedWeights",
    "ZeroCost",
    "encoders_of",
    "observers",
    "parted",
]
