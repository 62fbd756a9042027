"""Which benchmark a search space has."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers import table_arrays

from nas.benchmarks import Benchmark, Runs, TableColumns, Training, benchmark_of, read_table
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB101, Constrained, Gene, Rows

SPACE = NB101(max_vertices=4)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", **table_arrays(SPACE, SPACE.enumerate(), validated=True))
    return tmp_path / "a.npz"


def test_a_space_without_a_benchmark_has_no_tables_and_names_of_its_choices() -> None:
    space = Rows((Gene("act", ("relu", "gelu")), Gene("width", ("8", "16"))), np.array([[0, 1], [1, 1]], np.uint8))
    benchmark = benchmark_of(space)
    assert not benchmark.tables
    assert benchmark.names(space.enumerate()) == ["act=relu, width=16", "act=gelu, width=16"]
    with pytest.raises(UserError, match="^Rows has no benchmark table: use another evaluator"):
        TableEvaluator(space, "auto", None, None, None)
    with pytest.raises(UserError, match="Rows has no benchmark table: use another evaluator"):
        benchmark.columns({})


def test_a_space_of_ones_own_has_the_benchmark_it_registers_and_so_have_those_derived_from_it() -> None:
    class Mine(NB101):
        pass

    class Derived(Mine):
        pass

    @benchmark_of.register(Mine)
    class MyTables(Benchmark):
        tables: ClassVar = {"mine": "mine.npz"}

    for space in (Mine(), Derived()):
        benchmark = benchmark_of(space)
        assert isinstance(benchmark, MyTables)
        assert benchmark.space is space
    assert "mine" not in benchmark_of(NB101()).tables


def test_a_constrained_space_has_the_rows_of_the_whole_that_satisfy(table: Path) -> None:
    part = Constrained(SPACE, lambda archs: archs[:, 0] == 1, "an edge 0->1", "")
    whole, found = read_table(table, SPACE), read_table(table, part)
    rows = np.flatnonzero(part.valid(whole.columns.archs))
    assert 0 < len(rows) < len(whole)
    assert found.space is part
    for name in ("archs", "test", "validation", "cost", "parameters", "digests"):
        np.testing.assert_array_equal(getattr(found.columns, name), getattr(whole.columns, name)[rows])
    archs = part.enumerate()
    assert benchmark_of(part).tables == benchmark_of(SPACE).tables
    assert benchmark_of(part).names(archs) == benchmark_of(SPACE).names(archs)
    evaluator = TableEvaluator(part, "auto", str(table), None, None)
    assert len(evaluator.reference().test) == len(archs)


def test_rows_are_taken_of_every_column() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 5))
    archs, count = rng.integers(2, size=(5, 3), dtype=np.uint8), np.arange(5)
    training = Training(one, other, one + other, Runs(rng.random((5, 2)), rng.random((5, 2))))
    trainings = {12: training, 200: Training(other, None, one)}
    columns = TableColumns(archs, one, None, other, count, None, trainings, {"latency": 2 * one}, (-1.0, 3.0))
    rows = np.array([4, 1, 1])
    taken = columns.take(rows)
    assert np.array_equal(taken.archs, archs[rows])
    assert np.array_equal([taken.test, taken.cost, taken.parameters], [one[rows], other[rows], count[rows]])
    assert np.array_equal(taken.objectives["latency"], 2 * one[rows])
    short, long = taken.trainings[12], taken.trainings[200]
    assert np.array_equal([short.test, short.validation, short.cost], [one[rows], other[rows], (one + other)[rows]])
    assert np.array_equal(short.runs.validation, training.runs.validation[rows])
    assert np.array_equal(short.runs.cost, training.runs.cost[rows])
    assert np.array_equal([long.test, long.cost], [other[rows], one[rows]])
    assert long.validation is long.runs is taken.validation is taken.digests is None
    assert taken.bounds == (-1, 3)
