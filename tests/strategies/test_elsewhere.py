"""Where a search looks that has found nothing better for long."""

from __future__ import annotations

import numpy as np
import pytest
from emprox import OPTIONS, Scaled

from nas._config import build, composed
from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import EmProx, Ridge
from nas.search import Search
from nas.spaces import NB101
from nas.strategies import BayesianOptimisation, Elsewhere, SmartPool


def told(space, n: int, best: int) -> tuple[Elsewhere, np.ndarray, np.ndarray]:
    """After `n` trials, of which one is the best."""
    rng = np.random.default_rng(0)
    archs = space.batch(space.sample(3 * n, rng))
    archs = archs.take(np.sort(np.unique(archs.keys, return_index=True)[1])[:n])
    values = rng.random(n)
    values[best] = 1
    elsewhere = Elsewhere(space, patience=20, random=10)
    elsewhere.tell(archs, values)
    return elsewhere, archs, values


@pytest.mark.parametrize(("best", "since", "due"), [(49, 0, False), (30, 19, False), (29, 20, True), (0, 49, True)])
def test_it_is_due_when_nothing_better_was_found_for_long(best, since, due, space) -> None:
    elsewhere, _, _ = told(space, 50, best)
    assert (elsewhere.since, elsewhere.due) == (since, due)
    assert Elsewhere(space).since == 0


def test_it_is_never_due_without_patience(space) -> None:
    never = Elsewhere(space, patience=None)
    _, archs, values = told(space, 50, 0)
    never.tell(archs, values)
    assert not never.due


def test_trials_that_failed_are_no_progress_and_no_wait(space) -> None:
    elsewhere = told(space, 50, 30)[0]
    others = space.batch(space.sample(30, np.random.default_rng(9)))
    elsewhere.tell(others, np.full(30, np.nan))
    assert (elsewhere.since, elsewhere.due) == (19, False)


@pytest.mark.parametrize(("since", "random"), [(20, 10), (24, 6), (29, 1)])
def test_the_first_are_random_and_all_of_them_are_chosen(since, random, space) -> None:
    elsewhere, archs, _ = told(space, 50, 49 - since)
    made = elsewhere.ask(3, np.random.default_rng(0), None, None)
    assert len(made) == random
    assert made.chosen
    assert set(made.origin) == {"random"}
    assert not np.isin(made.batch.keys, archs.keys).any()


def test_then_the_whole_space_is_ranked_by_a_surrogate_that_smooths(small_space) -> None:
    elsewhere, archs, values = told(small_space, 120, 49)
    estimator = EmProx(small_space, Scaled(small_space), **OPTIONS)
    estimator.fit(archs, values)
    pending = small_space.batch(small_space.sample(200, np.random.default_rng(4)))
    made = elsewhere.ask(3, np.random.default_rng(0), pending, estimator)
    assert made.chosen
    assert set(made.origin) == {"elsewhere"}
    assert len(made) == 7  # a tenth of 70
    smoother = EmProx(small_space, Scaled(small_space), **{**OPTIONS, "noise": [10.0]})
    smoother.fit(archs, values)
    everything = small_space.batch(small_space.enumerate())
    left = everything.take(~np.isin(everything.keys, np.concatenate([archs.keys, pending.keys])))
    means = smoother.predict(left).mean
    assert made.prediction.mean == pytest.approx(np.sort(means)[::-1][:7], abs=1e-6)
    assert set(made.batch.keys.tolist()) == set(left.keys[np.argsort(-means)[:7]].tolist())
    assert made.prediction.std is None  # of a noise that is believed in, not found


def test_a_surrogate_that_does_not_smooth_ranks_the_pool(space) -> None:
    elsewhere, archs, values = told(space, 60, 0)
    ridge = Ridge(space)
    ridge.fit(archs, values)
    strategy = BayesianOptimisation(SmartPool(space), elsewhere=elsewhere)
    strategy.tell(archs, values)
    made = strategy.ask(40, np.random.default_rng(0), None, ridge)
    assert not made.chosen
    assert len(made) == 40
    assert any(origin.startswith("mutation") for origin in made.origin)


def test_warm_trials_are_no_wait(small_space) -> None:
    """Their order says nothing: with the best of them first, the search waits from its own first trial on."""
    made, warm = search(small_space, budget=40), search(small_space)
    for genes in small_space.sample(60, np.random.default_rng(5)):
        if (key := f"{small_space.keys(genes[None])[0]:016x}") not in {trial.key for trial in warm.trials}:
            warm.tell(genes, 1.0 if not len(warm.trials) else float(int(key, 16) % 101) / 102)
    made.add(warm.trials, warm=True)
    origins = [origin for _, origin in drive(made, 40)]
    assert any(origin.startswith("mutation") for origin in origins[:14])
    assert origins[16:25] == ["random"] * 9
    assert set(origins[25:]) == {"elsewhere"}


def test_of_a_space_too_large_to_list_random_ones_and_mutants_are_ranked(small_space, monkeypatch) -> None:
    """A limit that the real space exceeds; networks one mutation from a trial are among the best ranked."""
    monkeypatch.setattr("nas.strategies.elsewhere._LISTED", 1000)
    monkeypatch.setattr("nas.strategies.elsewhere._DRAWN", 300)
    elsewhere, archs, values = told(small_space, 120, 0)
    estimator = EmProx(small_space, Scaled(small_space), **OPTIONS)
    estimator.fit(archs, values)
    made = elsewhere.ask(3, np.random.default_rng(0), None, estimator)
    assert len(made) == len(np.unique(made.batch.keys)) == 12
    assert not np.isin(made.batch.keys, archs.keys).any()
    near = np.isin(made.batch.keys, small_space.neighbours(archs)[0].keys)
    assert near.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"patience": 0}, "patience is 0"), ({"random": -1}, "random is -1"), ({"noise": 0.0}, "noise is 0.0"),
     ({"share": 1.5}, "share is 1.5")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(change, message, space) -> None:
    with pytest.raises(UserError, match=message):
        Elsewhere(space, **change)


def search(space: NB101, **more: int) -> Search:
    elsewhere = Elsewhere(space, patience=15, random=10)
    strategy = BayesianOptimisation(SmartPool(space), elsewhere=elsewhere)
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    return Search(space, strategy, estimator, Mean(), initial=5, pool=50, batch=2, **more)


def drive(made: Search, n: int) -> list[tuple[str, str]]:
    """Evaluate `n`: the fifth is the best of all."""
    asked = []
    for _ in range(n):
        for one in made.ask():
            made.tell(one, 1.0 if len(made.trials) == 4 else float(int(one.key, 16) % 101) / 102)
            asked.append((one.key, one.origin))
    return asked


def test_a_search_that_waits_looks_elsewhere_within_its_budget(small_space) -> None:
    asked = drive(search(small_space, budget=36), 50)
    origins = [origin for _, origin in asked]
    assert len(asked) == 36
    assert not {"random", "elsewhere"} & set(origins[6:20]) - {"random"}  # its pool has random ones, too
    assert origins[21:30] == ["random"] * 9
    assert set(origins[30:]) == {"elsewhere"}


def test_a_search_that_is_continued_looks_where_it_would_have(small_space) -> None:
    whole = search(small_space, budget=45)
    asked = drive(whole, 50)
    for stopped in (12, 21, 25, 31, 33):
        first = search(small_space, budget=45)
        begun = drive(first, stopped)
        second = search(small_space, budget=45)
        second.add(first.trials, first.unfinished)
        assert begun + drive(second, 50) == asked


def test_published_methods_do_not_look_elsewhere() -> None:
    for experiment in ("bananas", "npenas"):
        nodes = composed([f"experiment=nb101/{experiment}"])
        space = build(nodes["space"], "space")
        assert not build(nodes["strategy"], "strategy", space=space, budget=10).elsewhere.patience
    nodes = composed(["strategy=bayesian"])
    made = build(nodes["strategy"], "strategy", space=build(nodes["space"], "space"), budget=10)
    assert made.elsewhere.patience == 100
