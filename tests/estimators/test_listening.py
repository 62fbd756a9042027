"""What EmProx hears of networks: observed numbers less their noise, as coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emprox import OPTIONS, Scaled, covariance
from helpers import accuracy
from scipy.stats import kendalltau, norm, rankdata

from nas.encoders import EarlyCurve, FeatureEncoder, GraphEncoder, Joined, Observed, parted
from nas.errors import UserError
from nas.estimators import EmProx
from nas.estimators.listening import Listening
from nas.estimators.prior import Prior
from nas.evaluators import TableEvaluator
from nas.spaces import NB101
from nas.types import Batch, Features

PRIOR = Prior(1.4, 0.5, 0.1)  # that of `covariance`


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Points, and a number at each that is smooth but for noise."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(120, 6)) / 6**0.5
    return points, np.sin(2 * points[:, 0]) + points[:, 1] + rng.normal(0, 0.3, 120)


def test_what_is_smooth_is_the_kriging_mean_of_all_scores_that_are_known(drawn) -> None:
    points, numbers = drawn
    listening = Listening(PRIOR, [0.1], points[:50], numbers[:50, None].astype(np.float32))
    scores = norm.ppf((rankdata(numbers[:50]) - 0.5) / 50)
    alone = covariance(points[:50], points[:50])
    smooth = alone @ np.linalg.solve(alone + 0.1 * np.eye(50), scores)
    assert listening.known[0, :, 0] == pytest.approx(smooth, abs=1e-4)
    assert listening.known[1, :, 0] == pytest.approx(scores, abs=1e-5)
    asked = np.interp(numbers[50:], np.sort(numbers[:50]), np.sort(scores))
    whole = covariance(points, points)
    expected = whole @ np.linalg.solve(whole + 0.1 * np.eye(120), np.concatenate([scores, asked]))
    smooth, raw = listening.coordinates(points[50:], numbers[50:, None].astype(np.float32))
    assert smooth[:, 0] == pytest.approx(expected[50:], abs=1e-4)
    assert raw[:, 0] == pytest.approx(asked, abs=1e-5)


def test_what_could_not_be_observed_is_what_the_others_let_expect(drawn) -> None:
    points, numbers = drawn
    columns = np.stack([numbers, numbers], axis=1).astype(np.float32)
    columns[[3, 70], 1] = np.nan
    listening = Listening(PRIOR, [0.1], points[:50], columns[:50])
    found = listening.coordinates(points[50:], columns[50:])
    assert np.isfinite(listening.known).all()
    assert np.isfinite(found).all()
    others = np.delete(np.arange(50), 3)
    fewer = Listening(PRIOR, [0.1], points[others], columns[others][:, 1:])
    assert listening.known[:, others, 1] * 2**0.5 == pytest.approx(fewer.known[:, :, 0], abs=1e-5)
    assert listening.known[1, 3, 1] == listening.known[0, 3, 1]
    smooth = np.sin(2 * points[:, 0]) + points[:, 1]
    assert kendalltau(listening.known[0, :, 1], smooth[:50]).statistic > 0.7
    assert abs(found[0, 20, 1] - found[0, 20, 0]) < 0.5
    nothing = Listening(PRIOR, [0.1], points[:50], np.full((50, 1), np.nan, dtype=np.float32))
    assert (nothing.known == 0).all()
    assert (nothing.coordinates(points[50:], columns[50:, :1]) == 0).all()


def test_many_are_smoothed_in_parts(drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    points, numbers = drawn
    columns = numbers[:, None].astype(np.float32)
    monkeypatch.setattr("nas.estimators.listening._TOGETHER", 40)
    listening = Listening(PRIOR, [0.1], points[:50], columns[:50])
    assert np.corrcoef(listening.known[0, :, 0], numbers[:50])[0, 1] > 0.8
    found = listening.coordinates(points[50:], columns[50:])
    assert found[:, :40] == pytest.approx(listening.coordinates(points[50:90], columns[50:90]), abs=1e-6)
    assert found[:, 40:] == pytest.approx(listening.coordinates(points[90:], columns[90:]), abs=1e-6)


class Seen(Observed):
    """Numbers by key; NaN for every seventh network."""

    def __init__(self, numbers: dict[int, float]) -> None:
        super().__init__()
        self.numbers = numbers

    def observe(self, batch: Batch) -> Features:
        keys = batch.keys.tolist()
        values = np.array([np.nan if key % 7 == 0 else self.numbers[key] for key in keys], dtype=np.float32)
        return Features(values[:, None], np.ones(len(batch)))

    def identity(self) -> str:
        return "seen"


def test_failed_early_trainings_leave_the_estimates_of_all_others() -> None:
    space = NB101(max_vertices=5)
    cells = space.batch(space.enumerate()[np.random.default_rng(0).permutation(2532)[:300]])
    values = accuracy(space, cells.genes)
    seen = Seen(dict(zip(cells.keys.tolist(), values.tolist(), strict=True)))
    failed = cells.keys[100:] % 7 == 0
    assert failed.sum() > 10
    alone, listening = (
        EmProx(space, encoder, **OPTIONS)
        for encoder in (Scaled(space), Joined(space, {"graph": Scaled(space), "seen": seen}))
    )
    means = []
    for estimator in (alone, listening):
        estimator.fit(cells.take(slice(100)), values[:100])
        prediction = estimator.predict(cells.take(slice(100, 300)))
        assert np.isfinite(prediction.mean).all()
        assert np.isfinite(prediction.std).all()
        means.append(prediction.mean)
    taus = [kendalltau(mean[~failed], values[100:][~failed]).statistic for mean in means]
    assert taus[1] > taus[0] + 0.05
    assert kendalltau(means[1][failed], values[100:][failed]).statistic > 0.2


def test_early_accuracies_of_the_real_table_tell_more_the_later_they_are(real_table: Path) -> None:
    """Over 20 splits .755, .778 and .819: see `experiments/listening.py`."""
    space = NB101()
    table = TableEvaluator(space, "cifar10", str(real_table))
    with np.load(real_table) as arrays:
        rows, labels = arrays["val_row"], arrays["val_acc_1run"][:, -1].astype(float)
    batch = space.batch(table.table.columns.archs[rows])
    truth = table.test(batch)
    graph = GraphEncoder(space, cells=5000, epochs=1, device="cpu")  # a decoder is not needed
    heard = [{}, *({"early": EarlyCurve(space, table, epochs=epochs)} for epochs in (12, 36))]
    taus = np.zeros((3, 3))
    for split in range(3):
        order = np.random.default_rng(1000 + split).permutation(len(batch))[:1100]
        for row, more in enumerate(heard):
            estimator = EmProx(space, Joined(space, {"graph": graph, **more}))
            estimator.fit(batch.take(order[:100]), labels[order[:100]])
            found = estimator.predict(batch.take(order[100:])).mean
            taus[row, split] = kendalltau(found, truth[order[100:]]).statistic
    alone, early, later = taus.mean(axis=1)
    assert early > alone + 0.01
    assert later > max(early + 0.03, 0.78)


def test_parts_that_observe_are_told_from_those_of_the_graph() -> None:
    space = NB101(max_vertices=4)
    graph, more, seen = Scaled(space), FeatureEncoder(space, features=["path"]), Seen({})
    assert parted(graph) == (graph, [])
    assert parted(seen) == (None, [seen])
    assert parted(Joined(space, {"seen": seen, "graph": graph})) == (graph, [seen])
    both, observers = parted(Joined(space, {"graph": graph, "seen": seen, "more": more}))
    assert isinstance(both, Joined)
    assert list(both.encoders.values()) == [graph, more]
    assert observers == [seen]
    with pytest.raises(UserError, match=r"encoder only observes, must also give an embedding .* encoder=\[graph,early"):
        EmProx(space, seen)
