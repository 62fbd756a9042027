"""Networks that can be trained, made from the graphs of a search space."""

from nas.networks.channels import Skeleton, parameter_counts, vertex_channels

__all__ = ["Skeleton", "parameter_counts", "vertex_channels"]
