"""Encoders: from architectures to a continuous space."""

from nas.encoders.base import Encoder
from nas.encoders.features import FeatureEncoder
from nas.encoders.graph import GraphEncoder
from nas.encoders.sequence import SequenceEncoder
from nas.encoders.zero_cost import PublishedScores, ZeroCost

__all__ = ["Encoder", "FeatureEncoder", "GraphEncoder", "PublishedScores", "SequenceEncoder", "ZeroCost"]
