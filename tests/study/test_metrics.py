from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.study.metrics import METRICS, rank_metrics

TRUTH = np.linspace(0.5, 0.9, 41)


def concordance(x, y) -> float:
    """Kendall's tau b, pair by pair."""
    pairs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i in range(len(x)) for j in range(i)]
    a, b = np.array(pairs).T
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def test_a_perfect_order_and_its_reverse() -> None:
    best, worst = rank_metrics(TRUTH, TRUTH), rank_metrics(-TRUTH, TRUTH)
    assert list(best) == list(METRICS)
    for name in ("tau", "spearman", "pearson"):
        assert best[name] == pytest.approx(1)
        assert worst[name] == pytest.approx(-1)
    assert (best["precision_10"], best["precision_20"], best["best_rank_10"]) == (1, 1, 1)
    assert (worst["precision_10"], worst["precision_20"], worst["best_rank_10"]) == (0, 0, 32)


@given(arrays(np.float64, 12, elements=st.integers(0, 5)), arrays(np.float64, 12, elements=st.integers(0, 900)))
def test_tau_is_that_of_the_pairs_and_rounds_the_truth_alone(estimates, thousandths) -> None:
    truth = thousandths / 1e4
    found = rank_metrics(estimates, truth)
    for name, values in (("tau", truth), ("tau_rounded", np.round(truth, 3))):
        ranked = np.ptp(estimates) > 0 and np.ptp(values) > 0
        assert found[name] == pytest.approx(concordance(estimates, values) if ranked else 0)


def test_what_has_no_estimate_comes_last() -> None:
    estimates = TRUTH.copy()
    estimates[:5] = np.nan  # the worst
    assert rank_metrics(estimates, TRUTH)["precision_10"] == 1
    estimates[-5:] = np.nan  # and the best
    found = rank_metrics(estimates, TRUTH)
    assert found["precision_10"] == 0.5
    assert found["best_rank_10"] == 6
    assert rank_metrics(np.full(41, np.nan), TRUTH)["tau"] == 0


def test_pearson_keeps_its_sign() -> None:
    assert rank_metrics(np.exp(-TRUTH), TRUTH)["pearson"] < -0.99
