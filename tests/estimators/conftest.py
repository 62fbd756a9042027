"""What tests of estimators share."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import accuracy

from nas.spaces import NB101


@pytest.fixture
def cells(space: NB101):
    """60 cells of NAS-Bench-101 with values, and further ones."""
    archs = space.unique(space.sample(200, np.random.default_rng(0)))
    archs = archs[np.random.default_rng(1).permutation(len(archs))]
    return archs[:60], accuracy(space, archs[:60]), archs[60:]
