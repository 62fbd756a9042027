from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.benchmarks import benchmark_of, read_table
from nas.spaces import NB101

SPACE = NB101()
NAMES = benchmark_of(SPACE).names


def test_cells_have_the_same_hash_exactly_where_they_have_the_same_key() -> None:
    rng = np.random.default_rng(0)
    small = NB101(max_vertices=4)
    archs = small.mutate(small.batch(small.sample(300, rng)), rng).genes
    names, keys = benchmark_of(small).names(archs), small.keys(archs).tolist()
    assert len(set(zip(names, keys, strict=True))) == len(set(names)) == len(set(keys)) < len(archs)


def test_every_cell_of_the_real_table_has_its_own_key_and_is_in_the_enumeration(real_table: Path) -> None:
    table = read_table(real_table, SPACE)
    keys = SPACE.keys(table.columns.archs)
    assert (np.sort(keys) == SPACE.keys(SPACE.enumerate())).all()


def test_module_hashes_equal_the_published_ones(real_table: Path) -> None:
    columns = read_table(real_table, SPACE).columns
    rows = np.random.default_rng(0).integers(len(columns.archs), size=3000)
    assert NAMES(columns.archs[rows]) == [columns.digests[row].tobytes().hex() for row in rows]
    assert NAMES(columns.archs[[columns.test.argmax()]])[0].startswith("02e5a024")


@pytest.mark.slow
def test_module_hashes_equal_the_published_ones_on_all_rows(real_table: Path) -> None:
    columns = read_table(real_table, SPACE).columns
    for part in np.array_split(np.arange(len(columns.archs)), 100):
        assert NAMES(columns.archs[part]) == [columns.digests[row].tobytes().hex() for row in part]
