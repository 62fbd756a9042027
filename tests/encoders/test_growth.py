"""Learning curves and what they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas.encoders import Extrapolated, growth
from nas.errors import UserError
from nas.evaluators import TableEvaluator, TrainingEvaluator
from nas.evaluators.function import FunctionEvaluator
from nas.objectives import ConstrainedEvaluator
from nas.spaces import NB101, NB201
from nas.training import Recipe
from nas.types import Batch

EPOCHS = np.arange(1.0, 41.0)
PUBLISHED = {  # Domhan et al. 2015, table 1
    "loglog_linear": (lambda x, a, b: np.log(a * np.log(x) + b), (0.15, 1.6)),
    "log_power": (lambda x, a, b, c: a / (1 + (x / np.exp(b)) ** c), (0.9, 0.5, -0.8)),
    "mmf": (lambda x, a, b, k, d: a - (a - b) / (1 + (np.exp(k) * x) ** d), (0.92, 0.3, -1.0, 1.1)),
    "hill3": (lambda x, y, n, k: y * x**n / (np.exp(k) ** n + x**n), (0.8, 0.7, 0.4)),
}


class Points:
    """Accuracies after 4, 12, 36 and 108 epochs, but of one network, whose training failed."""

    def __init__(self, failed: int) -> None:
        self.failed = failed

    def curve_epochs(self, metric: str) -> np.ndarray:
        return np.array([4, 12, 36, 108])

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[np.ndarray, np.ndarray]:
        seen = np.array([4, 12, 36, 108])
        rates = 0.3 + (batch.keys % np.uint64(997)) / 2000
        curves = 0.9 - 0.5 * seen[seen <= epochs] ** -rates[:, None]
        curves[batch.keys == self.failed] = np.nan
        return curves, np.full(len(batch), float(epochs))

    def identity(self) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("name", PUBLISHED)
def test_families_are_those_of_the_paper_and_their_fits_find_them_again(name: str) -> None:
    formula, parameters = PUBLISHED[name]
    curve = formula(EPOCHS, *parameters)
    family = growth.FAMILIES[name]
    assert family.curve(np.log(EPOCHS), np.array(parameters)) == pytest.approx(curve)
    assert family.curve(np.log(EPOCHS), np.array([parameters] * 3)) == pytest.approx(np.tile(curve, (3, 1)))
    found = family.curve(np.log([100.0]), growth._fit(family, np.log(EPOCHS), curve))
    assert found == pytest.approx(formula(100.0, *parameters), abs=1e-3)
    assert set(PUBLISHED) == set(growth.FAMILIES)


def test_a_long_curve_tells_its_end_both_ways_and_one_outlier_changes_little() -> None:
    formula, parameters = PUBLISHED["hill3"]
    curve = formula(EPOCHS, *parameters) + np.random.default_rng(0).normal(0, 0.005, len(EPOCHS))
    end = formula(100.0, *parameters)
    assert growth.least_squares(EPOCHS, curve, 100) == pytest.approx(end, abs=0.02)
    assert growth.posterior_mean(EPOCHS, curve, 100, 800, 0) == pytest.approx(end, abs=0.03)
    curve[25] = 0.1
    assert growth.least_squares(EPOCHS, curve, 100) == pytest.approx(end, abs=0.03)


@pytest.mark.parametrize("curve", [[0.6, 0.5, 0.4], [0.9, 0.9, 0.9], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
def test_any_curve_has_an_end_and_the_posterior_believes_in_none_that_falls(curve: list[float]) -> None:
    told = np.arange(1.0, 4.0), np.array(curve)
    with np.errstate(all="raise"):
        assert -0.1 < growth.least_squares(*told, 8) < 1.2
        found = growth.posterior_mean(*told, 8, 200, 0)
    assert min(curve[-1], 0.9) - 0.1 < found < 1.2
    assert found == growth.posterior_mean(*told, 8, 200, 0)
    assert found != growth.posterior_mean(*told, 8, 200, 1)


@pytest.mark.parametrize("method", ["least_squares", "posterior"])
def test_epochs_are_the_true_ones_the_end_is_the_whole_and_what_failed_stays_so(method, small_space: NB101) -> None:
    batch = small_space.batch(small_space.enumerate()[:5])
    points = Points(int(batch.keys[2]))
    encoder, other = (
        Extrapolated(small_space, points, epochs=36, method=method, samples=60, seed=3)  # type: ignore[arg-type]
        for _ in range(2)
    )
    found = encoder.embed(batch)
    curves, seconds = points.early(batch, "valid_accuracy", 36)
    ran = np.arange(5) != 2
    if method == "least_squares":
        expected = [growth.least_squares(np.array([4.0, 12.0, 36.0]), curve, 108.0) for curve in curves[ran]]
        assert found.values[ran, 0] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(found.values[:, 0]).tolist() == (~ran).tolist()
    assert ((found.seconds > seconds) == ran).all()  # what the extrapolation takes is paid for, too
    assert found.seconds[2] == 36
    assert not encoder.embed(batch).seconds.any()
    backwards = other.embed(batch.take(slice(None, None, -1))).values[::-1]
    assert np.array_equal(found.values, backwards, equal_nan=True)  # whoever else is asked for, and when


def test_after_six_of_eight_epochs_it_ranks_the_digits() -> None:
    table = TableEvaluator(NB101(max_vertices=5), "digits", seed=1)
    assert table.curve_epochs("valid_accuracy").tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    batch = table.space.batch(table.space.sample(40, np.random.default_rng(0)))
    found = Extrapolated(table.space, table, epochs=6).embed(batch).values[:, 0]
    assert kendalltau(found, table.evaluate(batch).value).statistic > 0.6


def test_who_knows_curves_says_after_which_epochs(evaluator, real_nb201: Path) -> None:
    assert evaluator.curve_epochs("valid_accuracy").tolist() == [4, 12, 36, 108]
    assert ConstrainedEvaluator(evaluator, {"params": "<5"}).curve_epochs("valid_accuracy").tolist()[-1] == 108
    with pytest.raises(UserError, match="metric is 'train_loss', but .* has learning curves of valid_accuracy only"):
        evaluator.curve_epochs("train_loss")
    whole, short = (TableEvaluator(NB201(), "cifar10", str(real_nb201), epochs=epochs) for epochs in (None, 12))
    assert whole.curve_epochs("valid_accuracy").tolist() == [12, 200]
    assert short.curve_epochs("valid_accuracy").tolist() == [12]  # the training that the search sees
    trainer = TrainingEvaluator(NB101(max_vertices=4), recipe=Recipe(epochs=5), device="cpu")
    assert trainer.curve_epochs("valid_accuracy").tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(UserError, match="a function has no learning curve"):
        Extrapolated(evaluator.space, FunctionEvaluator(evaluator.space, len))


def test_two_points_are_no_curve(evaluator) -> None:
    with pytest.raises(UserError, match="epochs is 12, must be the third or a later point of .* at 4, 12, 36, 108"):
        Extrapolated(evaluator.space, evaluator, epochs=12)
