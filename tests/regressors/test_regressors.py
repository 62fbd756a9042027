"""Regressors against functions that are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from nas.errors import UserError
from nas.regressors import BOHAMIANN, DNGO, InducingProcess, NaturalBoosting, RandomForest, Tuned

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype(np.float32)
SIGNAL = (X[:, 0] + 0.5 * np.abs(X[:, 1])).astype(np.float64)
Y = (SIGNAL - SIGNAL.mean()) / SIGNAL.std() + RNG.normal(0, 0.1, 300)
MAKE = {
    "forest": lambda: RandomForest(50, random_state=1),
    "boosting": lambda: NaturalBoosting(100, depth=3, learning_rate=0.1, random_state=1),
    "dngo": lambda: DNGO(epochs=60, random_state=1),
    "bohamiann": lambda: BOHAMIANN(steps=1500, burn_in=700, keep=50, random_state=1),
    "inducing": lambda: InducingProcess(30, steps=100, random_state=1),
    "variational": lambda: InducingProcess(30, True, steps=200, random_state=1),
}


@pytest.fixture(params=MAKE)
def make(request):
    return MAKE[request.param]


def test_a_smooth_function_is_learnt_and_the_deviation_is_of_the_size_of_the_error(make) -> None:
    mean, std = make().fit(X[:200], Y[:200]).predict(X[200:], return_std=True)
    error = mean - Y[200:]
    assert np.mean(error**2) < 0.25 * Y[200:].var()
    assert (std > 0).all()
    assert 0.5 < np.mean(np.abs(error) < 2 * std) <= 1
    assert std.mean() < Y.std()


def test_the_same_seed_gives_the_same_and_another_leaves_the_global_numbers_alone(make) -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two = (make().fit(X[:60], Y[:60]).predict(X[60:90]) for _ in range(2))
    assert np.array_equal(one, two)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_boosting_tells_where_the_noise_is() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, size=(800, 2))
    noise = np.where(x[:, 0] > 0, 1.0, 0.1)
    _, std = NaturalBoosting(150, depth=2, learning_rate=0.1).fit(x, rng.normal(0, noise)).predict(x, return_std=True)
    assert np.median(std[x[:, 0] > 0.1]) > 4 * np.median(std[x[:, 0] < -0.1])


def test_boosting_of_one_value_is_that_value() -> None:
    mean = NaturalBoosting(5).fit(X[:20], np.full(20, 3.0)).predict(X[20:30])
    assert mean == pytest.approx(np.full(10, 3.0))


def test_a_setting_is_scored_by_what_was_left_out() -> None:
    """With as many columns as values, the least penalty fits best what it has seen, and the largest ranks the rest."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 59))
    y = x[:, 0] + rng.normal(0, 1, 60)
    tuned = Tuned(Ridge(), {"alpha": [1e-6, 1e4]}, draws=40).fit(x, y)
    assert tuned._model.alpha > 1
    again = Tuned(Ridge(), {"alpha": [1e-6, 1e4]}, draws=40).fit(x, y)
    assert again._model.alpha == tuned._model.alpha


def test_features_that_never_vary_and_few_values_are_no_obstacle() -> None:
    x = np.column_stack([X[:3, 0], np.ones(3)])
    assert np.isfinite(Tuned(Ridge(), {"alpha": [0.1, 1.0]}).fit(x, Y[:3]).predict(x)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NaturalBoosting(learning_rate=0.0), "learning_rate is 0.0"),
        (lambda: DNGO(width=0), "width is 0"),
        (lambda: BOHAMIANN(keep=0), "keep is 0"),
        (lambda: Tuned(Ridge(), {"alpha": [1, 2]}, folds=1), "folds is 1"),
        (lambda: InducingProcess(0), "points is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
