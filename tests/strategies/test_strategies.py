from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import accuracy

from nas._config import build
from nas.errors import UserError
from nas.spaces import NB101
from nas.strategies import RandomSearch, RegularizedEvolution

GOLDEN = Path(__file__).parents[1] / "golden" / "strategies.json"


def trajectory(space: NB101, strategy, rounds: int = 12, batch: int = 5) -> list[str]:
    keys: list[str] = []
    for round_ in range(rounds):
        proposed = strategy.ask(batch, np.random.default_rng([3, round_])).batch
        archs = proposed.genes
        strategy.tell(proposed, accuracy(space, archs))
        keys += [f"{key:x}" for key in space.keys(archs)]
    return keys


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("evolution", {"_target_": "nas.strategies.RegularizedEvolution", "population": 20, "tournament": 5}),
        ("random", {"_target_": "nas.strategies.RandomSearch"}),
        ("local", {"_target_": "nas.strategies.LocalSearch"}),
        (
            "smart",
            {
                "_target_": "nas.strategies.SmartPool",
                "generations": 1,
                "parents": 5,
                "mutations": [0.3, 0.2],
                "crossover": 0.2,
                "latent": 0.0,
                "radius": 1.0,
            },
        ),
    ],
)
def test_trajectories_are_the_recorded_ones(name: str, options: dict, small_space: NB101) -> None:
    """A change of behaviour is a visible change of the golden file."""
    recorded = json.loads(GOLDEN.read_text())
    assert trajectory(small_space, build(options, name, space=small_space)) == recorded[name]


def test_parents_are_the_best_of_the_population_and_the_oldest_have_died(small_space: NB101) -> None:
    """With a tournament over the whole population, every child is a mutant of its best member."""
    strategy = RegularizedEvolution(small_space, population=10, tournament=10)
    batch = small_space.batch(small_space.enumerate()[::50][:30])
    values = np.linspace(0.9, 0.8, 30)  # the best are the oldest
    strategy.tell(batch, values)
    mutants = {
        key
        for seed in range(40)
        for key in small_space.keys(
            small_space.mutate(batch.take(np.full(50, 20)), np.random.default_rng(seed)).genes
        ).tolist()
    }
    proposal = strategy.propose(64, np.random.default_rng(0), None)
    assert set(small_space.keys(proposal.batch.genes).tolist()) <= mutants
    assert set(proposal.origin) == {"mutation"}


def test_a_tournament_draws_each_member_at_most_once(small_space: NB101) -> None:
    """A tournament of P - 1 without replacement leaves out one member: the parent is the best or the second."""
    strategy = RegularizedEvolution(small_space, population=8, tournament=7)
    batch = small_space.batch(small_space.enumerate()[::100][:8])
    strategy.tell(batch, np.arange(8.0))
    parents = []
    strategy.space = type("Recording", (), {"mutate": lambda self, batch, rng: parents.append(batch) or batch})()
    strategy.propose(4000, np.random.default_rng(0), None)
    ranks = (parents[0].genes[:, None] == batch.genes[None]).all(axis=2).argmax(axis=1)
    assert set(ranks) == {6, 7}
    assert (ranks == 6).mean() == pytest.approx(1 / 8, abs=0.02)


def test_before_anything_is_told_evolution_is_random(small_space: NB101) -> None:
    strategy = RegularizedEvolution(small_space, population=5, tournament=2)
    assert set(strategy.ask(30, np.random.default_rng(0)).origin) == {"random"}


def test_nothing_is_proposed_twice_and_the_space_is_used_up_in_the_end() -> None:
    tiny = NB101(max_vertices=4)
    strategy = RandomSearch(tiny)
    seen: set[int] = set()
    while len(seen) < 91:
        proposed = strategy.ask(10, np.random.default_rng(len(seen))).batch
        keys = set(tiny.keys(proposed.genes).tolist())
        assert len(keys) == len(proposed)
        assert not keys & seen
        seen |= keys
        strategy.tell(proposed, np.zeros(len(proposed)))
    assert len(strategy.ask(1, np.random.default_rng(0))) == 0


def test_what_random_draws_miss_is_listed_where_the_space_can_be_enumerated() -> None:
    tiny, few = NB101(max_vertices=4), NB101(max_vertices=4)
    few.sample = lambda n, rng: np.repeat(tiny.enumerate()[:3], n, axis=0)
    proposal = RandomSearch(few).ask(91, np.random.default_rng(0))
    assert len(proposal) == 91
    assert set(proposal.origin) == {"random"}
    assert (proposal.batch.genes != tiny.enumerate()).any()  # in random order
    drawn: list[int] = []

    def refuse() -> None:
        raise UserError("too large")

    few.enumerate = refuse
    few.sample = lambda n, rng: drawn.append(n) or rng.permutation(tiny.enumerate()[: 3 * len(drawn)])
    assert len(RandomSearch(few).ask(91, np.random.default_rng(0))) == 3 * len(drawn)
    assert set(drawn) == {91}


def test_when_the_neighbours_are_used_up_the_pool_is_filled_at_random(small_space: NB101) -> None:
    strategy = RegularizedEvolution(small_space, population=1, tournament=1)
    strategy.tell(small_space.batch(small_space.enumerate()[:1]), np.array([0.9]))
    proposal = strategy.ask(500, np.random.default_rng(0))
    assert len(proposal) == 500
    assert set(proposal.origin) == {"mutation", "random"}


@pytest.mark.parametrize(("population", "tournament"), [(0, 1), (5, 6), (5, 0)])
def test_numbers_out_of_range_are_refused(population: int, tournament: int, small_space: NB101) -> None:
    with pytest.raises(UserError, match="^(population|tournament) is ., must be (at least )?1"):
        RegularizedEvolution(small_space, population, tournament)
