"""Search spaces: what an architecture is, which are the same, and how to draw and change them."""

from nas.spaces.base import Gene, GeneSpace
from nas.spaces.custom import Custom
from nas.spaces.nb101 import NB101
from nas.spaces.nb201 import NB201

__all__ = ["NB101", "NB201", "Custom", "Gene", "GeneSpace"]
