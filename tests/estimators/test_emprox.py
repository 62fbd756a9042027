from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emprox import OPTIONS, Scaled, covariance
from helpers import Mirror
from scipy.stats import kendalltau

from nas._config import build, composed
from nas.errors import UserError
from nas.estimators import EmProx, Ridge
from nas.estimators.emprox import _fitted_anew
from nas.estimators.kriging import Kriging
from nas.estimators.target import RankNormal
from nas.spaces import NB101, NB201
from nas.strategies import SmartPool
from nas.types import Batch, Features


def test_the_estimate_is_the_kriging_mean_of_normal_scores(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    estimator.fit(space.batch(known), values)
    x, q = (Scaled(space).embed(space.batch(archs)).values.astype(float) for archs in (known, queries))
    target = RankNormal(values)
    scores = covariance(q, x) @ np.linalg.solve(covariance(x, x) + 0.1 * np.eye(60), target.scores)
    prediction = estimator.predict(space.batch(queries))
    assert prediction.mean == pytest.approx(target.inverse(scores), abs=1e-5)


def test_std_is_the_kriging_deviation_scaled_to_the_leave_one_out_errors(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    estimator.fit(space.batch(known), values)
    x, q = (Scaled(space).embed(space.batch(archs)).values.astype(float) for archs in (known, queries))
    target = RankNormal(values)
    prior = covariance(x, x) + 0.1 * np.eye(60)

    def predicted(rows, point):
        gain = np.linalg.solve(prior[np.ix_(rows, rows)], covariance(x[rows], point[None])[:, 0])
        return gain @ target.scores[rows], covariance(point[None], point[None])[0, 0] + 0.1 - gain @ covariance(
            x[rows], point[None]
        )[:, 0]

    errors = []
    for left_out in range(60):
        mean, variance = predicted(np.delete(np.arange(60), left_out), x[left_out])
        errors.append(abs(target.scores[left_out] - mean) / np.sqrt(variance))
    scale = np.mean(np.quantile(errors, [0.6827, 0.9545]) / [1, 2])
    mean, variance = np.transpose([predicted(np.arange(60), point) for point in q])
    assert estimator.predict(space.batch(queries)).std == pytest.approx(
        target.spread(mean, scale * np.sqrt(variance)), rel=1e-3, abs=1e-5
    )


@pytest.mark.parametrize(("deviation", "expected"), [(0.0, 0.01), (1.0, 1.0)])
def test_the_likeliest_noise_is_taken(deviation, expected, space, cells) -> None:
    from scipy.stats import multivariate_normal

    known, _, queries = cells
    rng = np.random.default_rng(3)
    x = Scaled(space).embed(space.batch(known)).values.astype(float)
    values = x @ rng.normal(size=x.shape[1]) + rng.normal(0, deviation, len(x))
    scores, choices = RankNormal(values).scores, [0.01, 0.1, 1.0, 10.0]

    def likelihood(noise: float) -> float:
        prior = covariance(x, x) + noise * np.eye(60)
        scales = np.geomspace(1e-3, 1e3, 2000)
        return max(multivariate_normal.logpdf(scores, cov=scale * prior) for scale in scales)

    assert max(choices, key=likelihood) == expected
    chosen, fixed = (EmProx(space, Scaled(space), **{**OPTIONS, "noise": noise}) for noise in (choices, [expected]))
    for estimator in (chosen, fixed):
        estimator.fit(space.batch(known), values)
    assert (chosen.predict(space.batch(queries)).mean == fixed.predict(space.batch(queries)).mean).all()


def test_networks_at_one_place_do_not_count_as_their_own_neighbours(space, cells) -> None:
    """FAISS may give any of many at distance 0: leaving one out must still leave exactly that one out."""
    known, values, _ = cells

    class Constant(Scaled):
        def embed(self, batch: Batch) -> Features:
            return Features.free(np.ones((len(batch), 4), dtype=np.float32))

    estimator = EmProx(space, Constant(space), **{**OPTIONS, "k": 5, "points": 20})
    estimator.fit(space.batch(known), values)
    assert np.isfinite(estimator.predict(space.batch(cells[2])).std).all()


def test_few_directions_widen_single_deviations_but_not_their_mean(space, cells) -> None:
    known, values, queries = cells
    whole, few = (EmProx(space, Scaled(space), **{**OPTIONS, "rank": rank}) for rank in (64, 8))
    for estimator in (whole, few):
        estimator.fit(space.batch(known), values)
    exact, rough = whole.predict(space.batch(queries)), few.predict(space.batch(queries))
    assert rough.mean == pytest.approx(exact.mean)
    assert rough.std.mean() == pytest.approx(exact.std.mean(), rel=0.1)


def test_a_known_network_gets_its_value_whatever_its_form(space, cells) -> None:
    known, values, _ = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    estimator.fit(space.batch(known), values)
    prediction = estimator.predict(space.batch(known[::-1]))
    assert (prediction.mean == values[::-1]).all()
    assert (prediction.std == 0).all()


@pytest.mark.parametrize("rank", [64, 8])
def test_a_fit_depends_on_nothing_before_it_to_the_last_bit(rank: int, space, cells) -> None:
    known, values, queries = cells
    growing, whole = (EmProx(space, Scaled(space), **{**OPTIONS, "rank": rank}) for _ in range(2))
    for n in (20, 45):
        growing.fit(space.batch(known[:n]), values[:n])
        growing.predict(space.batch(queries[:n]))
    for estimator in (growing, whole):
        estimator.fit(space.batch(known), values)
    ours, theirs = growing.predict(space.batch(queries)), whole.predict(space.batch(queries))
    assert (ours.mean == theirs.mean).all()
    assert (ours.std == theirs.std).all()


def test_what_was_asked_for_lately_or_is_known_is_not_embedded_again(space, cells) -> None:
    known, values, queries = cells
    encoder = Scaled(space)
    estimator = EmProx(space, encoder, **OPTIONS)
    estimator.fit(space.batch(known[:30]), values[:30])
    estimator.predict(space.batch(queries))
    estimator.fit(space.batch(known), values)
    encoder.embedded.clear()
    estimator.predict(space.batch(queries))
    part = estimator.predict(space.batch(queries[5:20]))
    assert encoder.embedded == []
    estimator.predict(space.batch(np.concatenate([queries[1:], known[:3]])))
    assert encoder.embedded == []
    others = space.sample(3, np.random.default_rng(9))
    assert not np.isin(space.keys(others), space.keys(np.concatenate([known, queries]))).any()
    estimator.predict(space.batch(np.concatenate([queries[1:], others])))
    assert encoder.embedded == [3]
    assert estimator.predict(space.batch(queries[5:20])).mean == pytest.approx(part.mean, abs=1e-6)


def test_a_pool_made_in_generations_is_embedded_once(space, cells) -> None:
    """The strategy asks for each generation; nothing is left to be asked for by the search."""
    known, values, _ = cells
    encoder = Scaled(space)
    estimator = EmProx(space, encoder, **OPTIONS)
    shares = {"mutations": [0.4, 0.3], "crossover": 0.1, "latent": 0.0, "radius": 1.0}
    pool = SmartPool(space, Mirror(space), generations=4, parents=10, **shares)
    pool.tell(space.batch(known), values)
    estimator.fit(space.batch(known), values)
    encoder.embedded.clear()
    proposal = pool.ask(120, np.random.default_rng(0), None, estimator)
    assert sum(encoder.embedded) == len(np.unique(proposal.batch.keys)) == 120
    whole = EmProx(space, Scaled(space), **OPTIONS)
    whole.fit(space.batch(known), values)
    assert proposal.prediction.mean == pytest.approx(whole.predict(proposal.batch).mean, abs=1e-6)


@pytest.mark.parametrize("noise", [[0.1], [0.03, 0.1, 1.0]])
def test_equal_values_are_estimated_as_that_value(noise: list[float], space, cells) -> None:
    known, _, queries = cells
    estimator = EmProx(space, Scaled(space), **{**OPTIONS, "noise": noise})
    estimator.fit(space.batch(known), np.full(60, 0.9))
    prediction = estimator.predict(space.batch(queries))
    assert prediction.mean == pytest.approx(0.9)
    assert np.isfinite(prediction.std).all()


def test_it_names_the_encoder_that_its_estimates_come_from(space) -> None:
    encoder = Scaled(space)
    assert EmProx(space, encoder, **OPTIONS).identity() == encoder.identity() != ""
    assert Ridge(space).identity() == ""


@pytest.mark.parametrize("points", [100, 20])
@pytest.mark.parametrize("most", [5, 50])
def test_estimates_in_many_parts_are_those_in_one(points, most, space, cells, monkeypatch) -> None:
    known, values, queries = cells
    monkeypatch.setattr("nas.estimators.kriging._EACH", 10)
    estimator = EmProx(space, Scaled(space), **{**OPTIONS, "points": points, "k": 30})
    estimator.fit(space.batch(known), values)
    expected = estimator.predict(space.batch(queries))
    monkeypatch.setattr("nas.estimators.kriging._PART", most)
    monkeypatch.setattr("nas.estimators.kriging._SHARED", most * len(known))
    found = estimator.predict(space.batch(queries))
    assert found.mean == pytest.approx(expected.mean, abs=1e-6)
    assert found.std == pytest.approx(expected.std, rel=1e-3, abs=1e-6)


def test_what_becomes_known_joins_until_it_is_a_tenth_more(space, cells, monkeypatch) -> None:
    """Whatever was fitted before, to the last bit, also where a believed value was replaced by what was measured."""
    known, values, queries = cells
    options = {**OPTIONS, "points": 20, "k": 15}
    growing, whole = (EmProx(space, Scaled(space), **options) for _ in range(2))
    fits, fit = [], Kriging.__init__
    monkeypatch.setattr(Kriging, "__init__", lambda self, *a, **b: fits.append(len(a[1])) or fit(self, *a, **b))
    for n in (30, 39, 40, 41):
        believed = np.where(np.arange(n) < n - 1, values[:n], 0.5)
        growing.fit(space.batch(known[:n]), believed)
    assert fits == [30, 39, 39]  # again, as the last of them had been believed
    for estimator in (growing, whole):
        estimator.fit(space.batch(known[:41]), values[:41])
    ours, theirs = growing.predict(space.batch(queries)), whole.predict(space.batch(queries))
    assert (ours.mean == theirs.mean).all()
    assert (ours.std == theirs.std).all()


def test_fits_are_anew_by_number_alone() -> None:
    sizes = np.array([_fitted_anew(n, 100) for n in range(1, 2000)])
    assert (sizes[:100] == np.arange(1, 101)).all()
    assert (np.diff(sizes) >= 0).all()
    assert (sizes <= np.arange(1, 2000)).all()
    assert (np.arange(1, 2000) < 1.1 * sizes + 1).all()
    assert np.unique(sizes[100:400]).tolist() == [
        100,
        110,
        121,
        133,
        146,
        160,
        176,
        193,
        212,
        233,
        256,
        281,
        309,
        339,
        372,
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": [1.4, 0.0]}, r"^length\[1\] is 0.0"),
        ({"points": 0}, "points is 0"),
        ({"noise": [0.1, 0.0]}, r"^noise\[1\] is 0.0"),
        ({"noise": []}, r"noise is \[\], must not be empty$"),
        ({"linear": -1.0}, "linear is -1.0"),
        ({"rank": 0}, "rank is 0"),
        ({"k": 0}, "k is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(change, message, space) -> None:
    with pytest.raises(UserError, match=message):
        EmProx(space, Scaled(space), **{**OPTIONS, **change})


def test_a_hundred_labels_rank_the_real_table(real_table) -> None:
    """Kendall tau with mean test accuracy, labels of one run: about .76 over 20 splits and 20,000 cells."""
    from experiments.estimators import Labels
    from nas.benchmarks.table import read_table

    space = NB101()
    node = composed(["estimator=emprox"])["estimator"]
    node["encoder"].update(cells=5000, epochs=1)  # a decoder is not needed
    estimator = build(node, "estimator", space=space)
    labels = Labels(real_table, read_table(real_table, space))
    taus, within = [], []
    for seed in range(1000, 1005):
        split = labels.split(100, seed, 2000)
        estimator.fit(space.batch(split.known), split.labels)
        taus.append(kendalltau(estimator.predict(space.batch(split.queries)).mean, split.truth).statistic)
        left_out = estimator.predict(space.batch(split.left_out))
        within.append(np.abs(left_out.mean - split.left_out_labels) <= np.outer([1, 2], left_out.std))
    assert np.mean(taus) >= 0.72
    one, two = np.mean(within, axis=(0, 2))
    assert 0.55 <= one <= 0.80
    assert 0.88 <= two <= 0.99


def test_thousands_of_labels_rank_the_real_table(real_table) -> None:
    """More than all count at once: Kendall tau with mean test accuracy is about .857, as where all count."""
    from experiments.estimators import Labels
    from nas.benchmarks.table import read_table

    space = NB101()
    node = composed(["estimator=emprox", "estimator.points=1000", "estimator.k=256"])["estimator"]
    node["encoder"].update(cells=5000, epochs=1)  # a decoder is not needed
    estimator = build(node, "estimator", space=space)
    split = Labels(real_table, read_table(real_table, space)).split(3000, 1000, 5000)
    estimator.fit(space.batch(split.known), split.labels)
    assert kendalltau(estimator.predict(space.batch(split.queries)).mean, split.truth).statistic >= 0.845
    left_out = estimator.predict(space.batch(split.left_out))
    one, two = (np.abs(left_out.mean - split.left_out_labels) <= np.outer([1, 2], left_out.std)).mean(axis=1)
    assert 0.65 <= one <= 0.74
    assert 0.91 <= two <= 0.97


@pytest.mark.parametrize("table", ["cifar10", "cifar100"])
def test_a_hundred_and_twenty_one_labels_rank_nas_bench_201(table: str, real_nb201: Path) -> None:
    """Kendall tau with mean test accuracy over all other networks: about .81 over 20 splits."""
    from experiments.estimators import Labels
    from nas.benchmarks.table import read_table

    space = NB201()
    node = composed(["estimator=emprox"])["estimator"]
    node["encoder"].update(cells=5000, epochs=1)  # a decoder is not needed
    estimator = build(node, "estimator", space=space)
    labels = Labels(real_nb201, read_table(real_nb201, space, name=table))
    taus = []
    for seed in range(1000, 1005):
        split = labels.split(121, seed, 20_000)
        assert len(split.queries) == 5_044 - 121
        estimator.fit(space.batch(split.known), split.labels)
        taus.append(kendalltau(estimator.predict(space.batch(split.queries)).mean, split.truth).statistic)
    assert np.mean(taus) >= 0.78
