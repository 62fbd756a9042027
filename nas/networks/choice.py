"""In which skeleton the cells of a search space are trained."""

from __future__ import annotations

from functools import singledispatch

from nas.errors import UserError
from nas.networks.residual import ResidualSkeleton
from nas.networks.skeleton import Skeleton
from nas.spaces import NB201, Constrained, Rows
from nas.types import Space


@singledispatch
def skeleton_of(space: Space) -> type[Skeleton]:
    """Return the skeleton of a search space, that of its class: `@skeleton_of.register(MySpace)` gives it another.

    Raises:
        UserError: the architectures of the space are no networks.
    """
    return Skeleton


@skeleton_of.register(NB201)
def _residual(space: NB201) -> type[Skeleton]:
    return ResidualSkeleton


@skeleton_of.register(Constrained)
def _of_the_whole(space: Constrained) -> type[Skeleton]:
    return skeleton_of(space.whole)


@skeleton_of.register(Rows)
def _none(space: Rows) -> type[Skeleton]:
    raise UserError("the rows of a table are no networks that could be trained: use evaluator=table")
