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
from nas.estimators.hearing import Hearing
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
    columns = numbers[:, None].astype(np.float32)
    smooth, raw = Listening(PRIOR, [0.1], points[:50], columns[:50]).coordinates(points[50:], columns[50:])
    scores = norm.ppf((rankdata(numbers) - 0.5) / 120)
    whole = covariance(points, points)
    assert smooth[:, 0] == pytest.approx(whole @ np.linalg.solve(whole + 0.1 * np.eye(120), scores), abs=1e-4)
    assert raw[:, 0] == pytest.approx(scores, abs=1e-5)


def test_the_noise_is_the_likeliest_of_all_that_are_seen(drawn) -> None:
    points, numbers = drawn
    columns = numbers[:, None].astype(np.float32)
    found = [
        Listening(PRIOR, noises, points[:50], columns[:50]).coordinates(points[50:], columns[50:])[0]
        for noises in ([1e-6, 0.1, 100.0], [0.1])
    ]
    assert (found[0] == found[1]).all()


def test_what_could_not_be_observed_is_what_the_others_let_expect(drawn) -> None:
    points, numbers = drawn
    columns = np.stack([numbers, numbers], axis=1).astype(np.float32)
    columns[[3, 70], 1] = np.nan
    found = Listening(PRIOR, [0.1], points[:50], columns[:50]).coordinates(points[50:], columns[50:])
    assert np.isfinite(found).all()
    others = np.delete(np.arange(120), [3, 70])
    fewer = Listening(PRIOR, [0.1], points[others[:49]], columns[others[:49]][:, 1:])
    alone = fewer.coordinates(points[others[49:]], columns[others[49:], 1:])
    assert found[:, others, 1] * 2**0.5 == pytest.approx(alone[:, :, 0], abs=1e-5)
    assert found[1, [3, 70], 1] == pytest.approx(found[0, [3, 70], 1])
    assert abs(found[0, [3, 70], 1] - found[0, [3, 70], 0]) == pytest.approx([0, 0], abs=0.5)
    nothing = np.full((120, 1), np.nan, dtype=np.float32)
    silent = Listening(PRIOR, [0.1], points[:50], nothing[:50])
    assert (silent.coordinates(points[50:], nothing[50:]) == 0).all()
    smooth = np.sin(2 * points[:, 0]) + points[:, 1]
    assert kendalltau(found[0, :, 1], smooth).statistic > 0.7


def test_of_many_known_ones_some_are_smoothed_with_those_asked_for(drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    points, numbers = drawn
    columns = numbers[:, None].astype(np.float32)
    monkeypatch.setattr("nas.estimators.listening.TOGETHER", 20)
    smooth, _ = Listening(PRIOR, [0.1], points[:100], columns[:100]).coordinates(points[100:], columns[100:])
    used = np.concatenate([np.linspace(0, 99, 20).astype(int), np.arange(100, 120)])
    scores = norm.ppf((rankdata(numbers) - 0.5) / 120)
    weights = np.linalg.solve(covariance(points[used], points[used]) + 0.1 * np.eye(40), scores[used])
    assert smooth[:, 0] == pytest.approx(covariance(points, points[used]) @ weights, abs=1e-4)


@pytest.fixture
def hearing(drawn):
    """100 known points, scores that follow from a number that is heard, and 20 that are asked for; in parts or not."""
    points, numbers = drawn
    points, columns = points.astype(np.float32), numbers[:, None].astype(np.float32)
    along = np.random.default_rng(1).normal(size=120)
    scores = 0.8 * numbers + 0.2 * along

    def made(part: slice = slice(100, 120), **options: object) -> tuple[Hearing, tuple]:
        listening = Listening(PRIOR, [0.1], points[:100], columns[:100])
        beliefs = {"priors": [PRIOR], "noises": [0.1], "weights": [1.0], "trend": 0.5, **options}
        numbers = {"points": 200, "k": 50, "rank": 100}
        hearing = Hearing(
            **beliefs, listening=[listening], points=points[:100], along=along[:100], scores=scores[:100],
            anywhere=points[:100].astype(float), numbers=numbers,
        )  # fmt: skip
        return hearing, (points[part], along[part], [columns[part]])

    return made


def test_what_is_heard_has_coordinates_and_a_trend(hearing) -> None:
    """The means are those of one Gaussian process with both, of the form that is likelier."""
    heard, asked = hearing()
    mean, deviation = heard.estimate(*asked)
    choices = heard.choices(*asked)
    assert all(one.surprise >= choices[0].surprise for one in choices)
    expected = []
    for one in choices:
        x, trends = one.points.astype(float), one.trends
        whole = covariance(x, x) + trends @ trends.T
        known = whole[:100, :100] + 0.1 * np.eye(100)
        expected.append(whole[100:, :100] @ np.linalg.solve(known, heard.scores))
        _, volume = np.linalg.slogdet(known)
        squares = heard.scores @ np.linalg.solve(known, heard.scores)
        assert one.surprise == pytest.approx(50 * np.log(squares) + volume / 2, rel=1e-5)
        assert trends[:, 0] == pytest.approx(np.concatenate([heard.along, asked[1]]))
        assert trends[:, 1] == pytest.approx(0.5**0.5 * x[:, -1], abs=1e-6)
    share = np.exp([choices[0].surprise - one.surprise for one in choices])
    assert mean == pytest.approx(share @ expected / share.sum(), abs=1e-4)
    assert (deviation > 0).all()


def test_a_heavier_choice_is_one_that_tells_and_few_choices_count(hearing) -> None:
    heard, asked = hearing(weights=[0.0, 0.5, 1.0, 2.0, 4.0], noises=[0.01, 0.1, 1.0], trend=0.0)
    choices = heard.choices(*asked)
    assert 1 <= len(choices) <= 8
    assert np.abs(choices[0].points[:, -1]).max() > 0  # the weight is not 0
    assert choices[-1].surprise - choices[0].surprise <= np.log(20) + 1e-9


def test_many_that_are_asked_for_are_estimated_in_parts(hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.estimators.hearing.TOGETHER", 12)
    heard, asked = hearing()
    mean, deviation = heard.estimate(*asked)
    for part, rows in ((slice(100, 112), slice(12)), (slice(112, 120), slice(12, 20))):
        alone = heard.estimate(*hearing(part)[1])
        assert mean[rows] == pytest.approx(alone[0], abs=1e-6)
        assert deviation[rows] == pytest.approx(alone[1], abs=1e-6)


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
    """Over 20 splits .751, .790 and .831: see `experiments/listening.py`."""
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
