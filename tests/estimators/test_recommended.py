"""What a search recommends, given what its estimator believes."""

from __future__ import annotations

import numpy as np
from emprox import OPTIONS, Scaled

from nas.acquisition import Mean
from nas.estimators import EmProx, Ridge
from nas.search import Search
from nas.strategies import RandomSearch


def _search(space, estimator) -> Search:
    return Search(space, RandomSearch(space), estimator, Mean(), budget=None)


def test_a_lucky_trial_is_not_recommended(space, cells) -> None:
    """Values follow from the embedding, but for one that is far above what its neighbours have."""
    known, _, _ = cells
    encoder = Scaled(space)
    x = encoder.embed(space.batch(known)).values
    values = 0.9 + 0.01 * x @ np.random.default_rng(0).normal(size=x.shape[1])
    values /= max(1.0, values.max() + 0.01)
    lucky = int(np.argsort(values)[20])
    told = values.copy()
    told[lucky] = values.max() + 0.001
    search = _search(space, EmProx(space, encoder, **{**OPTIONS, "noise": [0.3]}))
    for genes, value in zip(known, told, strict=True):
        search.tell(genes, float(value))
    assert search.best.step == lucky
    assert search.recommended().step in np.argsort(-values)[:5]
    assert search.recommended().step != lucky


def test_without_a_surrogate_that_tells_noise_apart_the_best_is_recommended(space, cells) -> None:
    known, values, _ = cells
    search = _search(space, Ridge(space))
    assert search.recommended() is None
    for genes, value in zip(known, values, strict=True):
        search.tell(genes, float(value))
    assert search.recommended().step == search.best.step


def test_too_few_trials_recommend_the_best(space, cells) -> None:
    search = _search(space, EmProx(space, Scaled(space), **OPTIONS))
    search.tell(cells[0][0], 0.5)
    assert search.recommended().step == 0


def test_half_of_what_neighbours_do_not_share_is_the_networks_own(space, cells) -> None:
    known, values, _ = cells
    estimator = EmProx(space, Scaled(space), **{**OPTIONS, "noise": [0.3]})
    search = _search(space, estimator)
    for genes, value in zip(known, values, strict=True):
        search.tell(genes, float(value))
    advised = search.recommended().step
    shared = estimator.posterior(space.batch(known)).mean
    assert advised == int(np.argmax(shared / 2 + values / 2))
    assert advised in np.argsort(-shared)[:20]
