"""Networks that can be trained, made from the graphs of a search space."""

from nas.networks.channels import Skeleton, vertex_channels
from nas.networks.residual import ResidualSkeleton

__all__ = ["ResidualSkeleton", "Skeleton", "vertex_channels"]
