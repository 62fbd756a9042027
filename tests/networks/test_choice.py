from __future__ import annotations

import numpy as np
import pytest

from nas.errors import UserError
from nas.networks import ResidualSkeleton, Skeleton, skeleton_of
from nas.spaces import NB101, NB201, Constrained, Gene, Rows


def test_a_space_has_the_skeleton_of_its_class_and_a_part_of_it_the_same() -> None:
    for space, skeleton in ((NB101(max_vertices=4), Skeleton), (NB201(), ResidualSkeleton)):
        part = Constrained(space, lambda archs: archs[:, 0] == 1, "a constraint", "")
        assert skeleton_of(space) is skeleton_of(part) is skeleton


def test_rows_of_a_table_have_none() -> None:
    rows = Rows((Gene("a", ("x", "y")),), np.array([[0], [1]], dtype=np.uint8))
    for space in (rows, Constrained(rows, lambda archs: archs[:, 0] == 1, "a constraint", "")):
        with pytest.raises(UserError, match="no networks that could be trained: use evaluator=table"):
            skeleton_of(space)


def test_a_space_of_ones_own_may_have_another() -> None:
    class Mine(NB101):
        pass

    class Wide(Skeleton):
        pass

    @skeleton_of.register(Mine)
    def _wide(space: Mine) -> type[Skeleton]:
        return Wide

    assert skeleton_of(Mine()) is Wide
    assert skeleton_of(NB101()) is Skeleton
