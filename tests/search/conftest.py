"""What tests of the search share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driven import ROUND, STRATEGIES

from nas.acquisition import Mean
from nas.estimators import Ridge
from nas.search import Search
from nas.search.journal import Journal
from nas.spaces import NB101


@pytest.fixture(params=STRATEGIES)
def make(request, small_space: NB101):
    """Makes a search that knows nothing yet."""

    def make(estimator: Any = None, **options: Any) -> Search:
        estimator = estimator or Ridge(small_space, 10.0)
        strategy = STRATEGIES[request.param](small_space, estimator)
        return Search(small_space, strategy, estimator, Mean(), **{**ROUND, **options})

    return make


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path) as journal:
        yield journal
