from __future__ import annotations

import numpy as np
import pytest

from nas.search.plots import draw_progress


@pytest.mark.parametrize(
    ("incumbent", "random", "scale", "label"),
    [
        ([0.5, 0.9, 0.9], [0.4, 0.6, 0.7], 100, "best validation so far (%)"),
        ([np.nan, 0.0, 1.0], None, 100, "best validation so far (%)"),
        ([-3.8, -3.2, -3.2], [-3.9, -3.6, -3.5], 1, "best validation so far"),
        ([0.9, 0.9, 0.9], [-0.1, 0.5, 0.6], 1, "best validation so far"),
    ],
)
def test_only_what_lies_within_0_and_1_is_drawn_in_percent(
    incumbent: list[float], random: list[float] | None, scale: int, label: str
) -> None:
    known = None if random is None else np.array(random)
    [axes] = draw_progress(np.array(incumbent), known, {"signal": "validation"}).axes
    assert axes.get_ylabel() == label
    for line, curve in zip(axes.lines, filter(None, (incumbent, random)), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), scale * np.array(curve))
        low, high = axes.get_ylim()
        shown = scale * np.array(curve)[~np.isnan(curve)]
        assert low < shown.min() <= shown.max() < high
