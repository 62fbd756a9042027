"""Search spaces: what an architecture is, which are the same, and how to draw and change them.

Mathematics only: files are the business of `nas.benchmarks`, networks that of `nas.networks`.
"""

from nas.spaces.base import Gene, GeneSpace
from nas.spaces.constrained import Constrained
from nas.spaces.nb101 import NB101
from nas.spaces.nb201 import NB201
from nas.spaces.rows import Rows

__all__ = ["NB101", "NB201", "Constrained", "Gene", "GeneSpace", "Rows"]
