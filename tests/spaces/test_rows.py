from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nas.errors import UserError
from nas.graphs.features import graph_features
from nas.spaces import Gene, Rows


def table(choices: tuple[int, ...], share: float) -> tuple[tuple[Gene, ...], np.ndarray]:
    """Genes of so many choices, and a share of all combinations."""
    genes = tuple(Gene(f"g{place}", tuple(f"{n}" for n in range(most))) for place, most in enumerate(choices))
    everything = np.array(list(product(*map(range, choices))), dtype=np.uint8)
    return genes, everything[np.random.default_rng(0).random(len(everything)) < share]


def test_only_rows_are_drawn_and_mutants_are_the_nearest_rows() -> None:
    genes, there = table((4, 3, 4, 5, 6), 0.8)
    space = Rows(genes, there)
    everything = space.enumerate()
    assert {tuple(arch) for arch in everything.tolist()} == {tuple(arch) for arch in there.tolist()}
    assert len(everything) < np.prod(space.cardinalities)
    rng = np.random.default_rng(0)
    parents = space.sample(400, rng)
    mutants = space.mutate(space.batch(parents), rng).genes
    space.check(mutants)
    distances = (parents[:, None] != everything[None]).sum(axis=2)
    least = np.where(distances == 0, 99, distances).min(axis=1)
    assert ((parents != mutants).sum(axis=1) == least).all()
    first = np.repeat(parents[:1], 2000, axis=0)
    neighbours = everything[distances[0] == least[0]]
    found, counts = np.unique(space.mutate(space.batch(first), rng).genes, axis=0, return_counts=True)
    assert len(found) == len(neighbours)
    assert counts.min() > 0.5 * 2000 / len(neighbours)


def test_what_is_no_row_is_out_of_the_space() -> None:
    space = Rows((Gene("a", ("x", "y")), Gene("b", ("x", "y"))), np.array([[0, 1], [1, 0]], dtype=np.uint8))
    with pytest.raises(UserError, match=r"\[1, 1\]\) is out of the space: the table has no such row"):
        space.check(np.array([[1, 1]], dtype=np.uint8))


def test_spaces_of_other_rows_are_told_apart_in_any_order() -> None:
    genes, rows = table((3, 3), 1.0)
    assert repr(Rows(genes, rows)) == repr(Rows(genes, rows[::-1]))
    assert repr(Rows(genes, rows)) != repr(Rows(genes, rows[:-1]))


def test_one_row_cannot_be_mutated() -> None:
    space = Rows((Gene("a", ("x", "y")),), np.array([[1]], dtype=np.uint8))
    with pytest.raises(UserError, match="the table has one row only"):
        space.mutate(space.batch(space.sample(3, np.random.default_rng(0))), np.random.default_rng(1))


def test_encodings_that_would_be_too_large_say_so() -> None:
    genes = tuple(Gene(f"g{n}", tuple("abcdefghij")) for n in range(12))
    graphs = Rows(genes, np.zeros((2, 12), dtype=np.uint8)).graphs(np.zeros((2, 12), dtype=np.uint8))
    with pytest.raises(UserError, match=r"10\*\*12 paths of 12 vertices .*: choose an estimator on plain genes"):
        graphs.paths()
    with pytest.raises(UserError, match="there are 10 operations, features of graphs can be made of at most 8"):
        graph_features(graphs)
