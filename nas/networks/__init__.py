"""Networks that can be trained, made from the graphs of a search space.

A skeleton is what surrounds the cells: `skeleton_of(space)` names its class, `Skeleton.network` builds the network of a
graph. What is a torch module (`classifier`, `cell`, `residual_cell`) is imported when the first network is built.
"""

from nas.networks.channels import vertex_channels
from nas.networks.choice import skeleton_of
from nas.networks.log_size import LogSize
from nas.networks.residual import ResidualSkeleton
from nas.networks.sizes import SizeOptions, Sizes
from nas.networks.skeleton import Skeleton

__all__ = ["LogSize", "ResidualSkeleton", "SizeOptions", "Sizes", "Skeleton", "skeleton_of", "vertex_channels"]
