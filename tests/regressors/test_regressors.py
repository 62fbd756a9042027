"""Regressors against functions that are known."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from nas.errors import UserError
from nas.regressors import BOHAMIANN, DNGO, InducingProcess, NaturalBoosting, RandomForest, Tuned
from nas.regressors.tuned import _draw

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


class Recorded(Ridge):
    """Notes what it was made of."""

    seen: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, alpha=1.0, max_iter=None, tol=1e-4, solver="auto"):
        super().__init__(alpha=alpha, max_iter=max_iter, tol=tol, solver=solver)

    def fit(self, x, y):
        self.seen.append({**self.get_params(), "rows": len(y)})
        return super().fit(x, y)


def test_whole_numbers_orders_of_magnitude_and_choices_are_drawn() -> None:
    Recorded.seen.clear()
    ranges, choices = {"alpha": [1e-3, 1e3], "max_iter": [3, 6], "tol": [0.1, 0.2]}, {"solver": ["lsqr", "sag", "auto"]}
    Tuned(Recorded(), ranges, choices, draws=200, folds=2).fit(X[:20], Y[:20])
    seen = Recorded.seen[:-1:2]  # of each setting once; the last is fitted to all
    assert len(seen) == 200
    assert {one["rows"] for one in Recorded.seen[:-1]} == {10}
    assert Recorded.seen[-1]["rows"] == 20
    assert np.bincount([one["max_iter"] for one in seen])[3:].min() > 25
    assert all(type(one["max_iter"]) is int for one in seen)
    assert {one["solver"] for one in seen} == {"lsqr", "sag", "auto"}
    logarithms = np.log10([one["alpha"] for one in seen])
    assert -0.6 < logarithms.mean() < 0.6
    assert logarithms.min() < -2.5 < 2.5 < logarithms.max()
    assert all(0.1 <= one["tol"] <= 0.2 for one in seen)
    wide = [_draw(1, 1000, np.random.default_rng(seed)) for seed in range(300)]
    assert 1 in wide  # both ends are as likely as their share of the logarithm
    assert 1 <= min(wide) <= max(wide) <= 1000
    assert np.median(wide) < 100


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tuned(Ridge(), {"alpha": [2, 1]}), r"ranges.alpha is \[2, 1\], must be the least and the greatest"),
        (lambda: Tuned(Ridge(), {"alpha": [1, 2, 3]}), "ranges.alpha is .* must be at most 2 long"),
        (lambda: Tuned(Ridge(), {"beta": [1, 2]}), "ranges.beta is unknown, the regressor has alpha"),
        (lambda: Tuned(Ridge(), {}, {"solver": []}), "choices.solver is .*, must not be empty"),
        (lambda: Tuned(Ridge(), {}, {"solve": [1]}), "choices.solve is unknown"),
        (
            lambda: Tuned(NaturalBoosting(), {"depth": [0, 0]}, draws=1).fit(X[:9], Y[:9]),
            "depth is 0, must be at least 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
