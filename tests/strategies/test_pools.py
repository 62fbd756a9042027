from __future__ import annotations

import numpy as np
import pytest
from helpers import Mirror, accuracy

from nas.encoders import FeatureEncoder, GraphEncoder
from nas.errors import UserError
from nas.estimators import NoEstimator, Ridge
from nas.search.build import shared_encoder
from nas.spaces import NB101
from nas.strategies import BayesianOptimisation, FullPool, SmartPool

SHARES = {"mutations": [0.3, 0.2, 0.1], "crossover": 0.1, "latent": 0.1}


@pytest.fixture(scope="module")
def encoder(space: NB101) -> GraphEncoder:
    return GraphEncoder(
        space,
        weights={"graph": 1.0, "one_hot": 0.2},
        width=64,
        cells=4096,
        hidden=256,
        epochs=6,
        batch=128,
        learning_rate=0.003,
        seed=0,
        device="cpu",
    )


def smart(space: NB101, encoder, **options) -> SmartPool:
    options = {"generations": 1, "parents": 10, "radius": 0.8, **SHARES, **options}
    return SmartPool(space, encoder=encoder, **options)


def told(pool, space: NB101, n: int):
    archs = space.unique(space.sample(n, np.random.default_rng(4)))
    archs = archs[np.random.default_rng(5).permutation(len(archs))]
    pool.tell(space.batch(archs), accuracy(space, archs))
    return archs


def test_each_move_has_its_share(space: NB101, encoder) -> None:
    pool = smart(space, encoder)
    told(pool, space, 60)
    proposal = pool.ask(300, np.random.default_rng(0))
    names, counts = np.unique(proposal.origin, return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert len(proposal) == 300
    assert {name: found[name] for name in ("mutation 1", "mutation 2", "mutation 3", "crossover", "latent")} == {
        "mutation 1": 90,
        "mutation 2": 60,
        "mutation 3": 30,
        "crossover": 30,
        "latent": 30,
    }
    assert found["random"] == 60


def test_moves_start_from_the_best(space: NB101, encoder) -> None:
    """Every mutant is so many genes from one of the parents, every gene of a crossover is a parent's."""
    pool = smart(space, encoder, parents=4)
    archs = told(pool, space, 60)
    parents = archs[np.argsort(-accuracy(space, archs))[:4]]
    proposal = pool.ask(200, np.random.default_rng(0))
    distance = (proposal.batch.genes[:, None] != parents).sum(axis=2).min(axis=1)
    for changes in (1, 2, 3):
        assert distance[proposal.origin == f"mutation {changes}"].max() == changes
    crossed = proposal.batch.genes[proposal.origin == "crossover"]
    assert len(crossed)
    assert (crossed[:, None] == parents).any(axis=1).all()
    decoded, anywhere = (distance[proposal.origin == origin].mean() for origin in ("latent", "random"))
    assert decoded < anywhere


def test_decoded_points_lie_around_each_parent_at_the_radius(space: NB101) -> None:
    """The radius is in standard deviations of each component over the space."""
    encoder = Mirror(space)
    decoded: list[np.ndarray] = []
    encoder.decode = lambda points: decoded.append(points) or space.sample(1, np.random.default_rng(0))
    pool = smart(space, encoder, parents=2, radius=0.1, mutations=[], crossover=0.0, latent=1.0)
    told(pool, space, 60)
    pool.ask(1000, np.random.default_rng(0))
    parents = encoder.embed(pool.best(2)).values
    nearest = np.linalg.norm(decoded[0][:, None] - parents, axis=2).argmin(axis=1)
    assert nearest.mean() == pytest.approx(0.5, abs=0.05)
    away = decoded[0] - parents[nearest]
    anywhere = encoder.embed(space.batch(space.sample(5000, np.random.default_rng(1)))).values
    assert away.std(axis=0) == pytest.approx(0.1 * anywhere.std(axis=0), rel=0.2, abs=0.002)
    together = np.corrcoef(away[:, anywhere.std(axis=0) > 0.1], rowvar=False)
    assert np.abs(np.triu(together, 1)).max() < 0.2


def test_the_estimators_encoder_is_shared_where_it_decodes(space: NB101, encoder) -> None:
    estimator = NoEstimator(space)
    assert shared_encoder(estimator) == {}
    estimator.encoder = FeatureEncoder(space, features=["one_hot"])  # which cannot decode
    assert shared_encoder(estimator) == {}
    estimator.encoder = encoder
    assert smart(space, **shared_encoder(estimator))._latent_space.encoder is encoder


def test_later_generations_start_from_the_best_estimates(space: NB101) -> None:
    """So more generations reach higher estimates with as many candidates."""
    estimator = Ridge(space, alpha=1.0)
    options = {"mutations": [0.4, 0.4], "crossover": 0.0, "latent": 0.0}
    pools = [smart(space, None, generations=number, **options) for number in (1, 4)]
    for pool in pools:
        archs = told(pool, space, 60)
    estimator.fit(space.batch(archs), accuracy(space, archs))
    proposals = [pool.ask(400, np.random.default_rng(0), None, estimator) for pool in pools]
    highest = [np.sort(estimator.predict(proposal.batch).mean)[-20:].mean() for proposal in proposals]
    assert highest[0] < highest[1]
    for proposal in proposals:
        assert len(np.unique(space.keys(proposal.batch.genes))) == 400
        assert (proposal.origin == "random").sum() >= 80


@pytest.mark.parametrize(("generations", "estimated"), [(1, False), (2, True)])
def test_estimates_are_asked_for_where_a_generation_starts_from_them(generations, estimated, space: NB101) -> None:
    pool, estimator = smart(space, None, generations=generations, latent=0.0), Ridge(space, alpha=1.0)
    archs = told(pool, space, 60)
    estimator.fit(space.batch(archs), accuracy(space, archs))
    proposal = pool.ask(50, np.random.default_rng(0), None, estimator)
    assert (proposal.prediction is not None) == estimated


def test_a_later_generation_starts_from_so_many_of_the_best_estimates_and_the_best(space: NB101) -> None:
    estimator = Ridge(space, alpha=1.0)
    pool = smart(space, None, generations=2, parents=3, mutations=[1.0], crossover=0.0, latent=0.0)
    archs = told(pool, space, 60)
    estimator.fit(space.batch(archs), accuracy(space, archs))
    proposal = pool.propose(80, np.random.default_rng(0), estimator)
    first, second = proposal.take(np.arange(40)), proposal.take(np.arange(40, 80))
    starts = np.concatenate([pool.best(3).genes, first.batch.genes[first.prediction.top(3)]])
    mutants = second.batch.genes[second.origin == "mutation 1"]
    distance = (mutants[:, None] != starts).sum(axis=2)
    assert (distance.min(axis=1) == 1).all()
    assert (distance.argmin(axis=1) >= 3).any()


@pytest.mark.parametrize("generations", [1, 4])
def test_candidates_of_all_generations_are_new_and_distinct(generations: int, space: NB101) -> None:
    pool = smart(space, None, generations=generations, parents=1, mutations=[0.5], crossover=0.0, latent=0.0)
    archs = told(pool, space, 60)
    batch = pool.propose(60, np.random.default_rng(0), None).batch
    assert len(np.unique(batch.keys)) == len(batch) == 60
    assert not np.isin(batch.keys, space.keys(archs)).any()


def test_generations_need_no_estimates(space: NB101) -> None:
    pool = smart(space, None, generations=4, latent=0.0)
    archs = told(pool, space, 60)
    none = NoEstimator(space)
    none.fit(space.batch(archs), accuracy(space, archs))
    assert len(pool.ask(203, np.random.default_rng(0), None, none)) == 203
    few = smart(space, None, generations=4, latent=0.0)
    few.tell(space.batch(archs[:1]), np.ones(1))  # fewer than an estimator needs
    assert len(few.ask(203, np.random.default_rng(0))) == 203


def test_what_the_moves_cannot_supply_is_random() -> None:
    tiny = NB101(max_vertices=4)
    pool = smart(tiny, None, latent=0.0, parents=1)
    tiny_archs = told(pool, tiny, 10)
    proposal = pool.ask(91, np.random.default_rng(0))
    assert len(proposal) == 91 - len(tiny_archs)
    assert "random" in proposal.origin


def test_the_full_pool_is_the_space_without_what_is_known(small_space: NB101) -> None:
    strategy = BayesianOptimisation(FullPool(small_space))
    assert len(strategy.ask(20, np.random.default_rng(0))) == 20
    archs = told(strategy, small_space, 40)
    rest = strategy.ask(5, np.random.default_rng(0), pending=small_space.batch(small_space.enumerate()[:7]))
    keys = np.concatenate([small_space.keys(rest.batch.genes), small_space.keys(archs)])
    missing = np.setdiff1d(small_space.keys(small_space.enumerate()), keys)
    assert np.isin(missing, small_space.keys(small_space.enumerate()[:7])).all()
    assert len(np.unique(keys)) == len(keys)
    assert (np.diff(small_space.keys(rest.batch.genes).astype(float)) < 0).any()  # in random order


def test_the_full_pool_is_all_that_is_neither_known_nor_pending(small_space: NB101) -> None:
    everything, pool = small_space.batch(small_space.enumerate()), FullPool(small_space)
    pending = everything.take(slice(7))
    first = pool.ask(len(everything), np.random.default_rng(0), pending)
    assert set(first.batch.keys.tolist()) == set(everything.keys[7:].tolist())
    known = small_space.keys(told(pool, small_space, 40))
    for waiting in (everything.take(slice(0)), pending):
        proposal = pool.ask(5, np.random.default_rng(0), waiting if len(waiting) else None)
        left = np.setdiff1d(everything.keys, np.concatenate([known, waiting.keys]))
        assert set(proposal.batch.keys.tolist()) == set(left.tolist())
        assert set(proposal.origin) == {"full"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parents": 0}, r"^parents is 0, must be at least 1"),
        ({"generations": 0}, r"^generations is 0, must be at least 1"),
        ({"radius": 0.0}, r"^radius is 0\.0, must be above 0"),
        ({"mutations": [0.5, -0.1]}, r"^mutations\[1\] is -0\.1, must be at least 0"),
        ({"crossover": 0.5}, r"^mutations is .* shares sum to 1\.2 with crossover and latent, must be at most 1"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict, message: str, space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        smart(space, None, **options)
