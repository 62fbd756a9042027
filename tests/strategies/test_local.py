from __future__ import annotations

import numpy as np
from helpers import accuracy

from nas.spaces import NB101
from nas.strategies import LocalSearch


def neighbours_by_hand(space: NB101, arch: np.ndarray) -> set[int]:
    """Keys of all networks that differ by one gene, one gene at a time."""
    found = set()
    for gene, choices in enumerate(space.cardinalities):
        for value in range(choices):
            child = arch.copy()
            child[gene] = value
            if space.valid(child[None])[0]:
                found.add(int(space.keys(child[None])[0]))
    return found - {int(space.keys(arch[None])[0])}


def climb(space: NB101, strategy: LocalSearch, evaluations: int):
    """Evaluate one at a time; return what was evaluated, and by which move."""
    archs, origins = [], []
    for step in range(evaluations):
        proposal = strategy.ask(1, np.random.default_rng([8, step]))
        strategy.tell(proposal.batch, accuracy(space, proposal.batch.genes))
        archs.append(proposal.batch.genes[0])
        origins.append(str(proposal.origin[0]))
    return np.array(archs), origins


def test_it_walks_uphill_over_neighbours_and_starts_anew_only_at_a_local_optimum(small_space: NB101) -> None:
    archs, origins = climb(small_space, LocalSearch(small_space), 200)
    keys, values = small_space.keys(archs).tolist(), accuracy(small_space, archs)
    incumbent, starts = 0, 0
    for step in range(1, 200):
        around = small_space.neighbours(small_space.batch(archs[incumbent][None]))[0].keys.tolist()
        if origins[step] == "random":
            assert set(around) <= set(keys[:step])
            incumbent, starts = step, starts + 1
        else:
            assert keys[step] in around
            incumbent = step if values[step] > values[incumbent] else incumbent
    assert starts > 0


def test_neighbours_are_all_single_changes_and_those_behind_a_silent_one(space: NB101) -> None:
    archs = space.sample(6, np.random.default_rng(2))
    neighbours, rows = space.neighbours(space.batch(archs))
    assert (space.canonical(neighbours.genes) == neighbours.genes).all()
    keys = space.keys(neighbours.genes)
    assert (neighbours.keys == keys).all()
    for row, arch in enumerate(archs):
        found = keys[rows == row].tolist()
        assert len(set(found)) == len(found)
        assert int(space.keys(arch[None])[0]) not in found
        single = neighbours_by_hand(space, arch)
        assert single <= set(found)
        silent = [child for child in _changed(space, arch) if space.keys(child[None]) == space.keys(arch[None])]
        assert set(found) == single.union(*(neighbours_by_hand(space, child) for child in silent))


def _changed(space: NB101, arch: np.ndarray) -> list[np.ndarray]:
    children = []
    for gene, choices in enumerate(space.cardinalities):
        for value in set(range(choices)) - {int(arch[gene])}:
            child = arch.copy()
            child[gene] = value
            if space.valid(child[None])[0]:
                children.append(child)
    return children


def test_a_failed_neighbour_is_not_asked_for_again(small_space: NB101) -> None:
    strategy = LocalSearch(small_space)
    start = small_space.batch(small_space.sample(1, np.random.default_rng(0)))
    strategy.tell(start, np.array([0.9]))
    around = strategy.ask(100, np.random.default_rng(0))
    assert set(around.origin) == {"neighbour"}
    strategy.tell(around.batch.take(slice(4)), np.full(4, np.nan))
    again = strategy.ask(100, np.random.default_rng(0))
    assert len(again) == len(around) - 4
    strategy.tell(again.batch, np.full(len(again), 0.8))
    assert set(strategy.ask(5, np.random.default_rng(0)).origin) == {"random"}


def test_a_neighbour_that_is_as_good_is_not_moved_to(small_space: NB101) -> None:
    strategy = LocalSearch(small_space)
    strategy.tell(small_space.batch(small_space.sample(1, np.random.default_rng(0))), np.array([0.9]))
    around = strategy.ask(100, np.random.default_rng(0)).batch
    strategy.tell(around.take(slice(1)), np.array([0.9]))
    left = strategy.ask(len(around) - 1, np.random.default_rng(0)).batch
    assert set(left.keys.tolist()) == set(around.keys[1:].tolist())
