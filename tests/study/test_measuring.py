from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas._config import composed
from nas.errors import UserError
from nas.study.measuring import Bench, Job
from nas.study.predictors import predictors

SIZES = [5, 20, 60]


@pytest.fixture(scope="module")
def bench() -> Bench:
    options = composed(["table=digits", "dataset=digits"], "study")
    parts = {name: options[name] for name in ("space", "evaluator", "dataset")}
    return Bench(**parts, epochs=[2, 4], most=60, test=40)


def made(bench: Bench, name: str, *, missing: str = ""):
    node = composed([f"estimator={name}"], resolve=False)["estimator"]
    return predictors(name, node, bench.evaluator, [2, 4], SIZES, missing, **bench.given)


def measured(bench: Bench, name: str, size: int = 0, at: int = 0, split: int = 0):
    found = bench.measure(Job(made(bench, name)[at], "uniform", size, split))
    assert not isinstance(found, str), found
    return found


@pytest.mark.parametrize(
    ("name", "family", "epochs", "sizes"),
    [
        ("ridge", "model", [None], SIZES),
        ("gcn", "model", [None], SIZES),
        ("sotl_e", "learning curve", [2, 4], [0]),
        ("lcsvr", "learning curve", [4], SIZES),  # two points have no second difference
        ("synflow", "zero-cost", [None], [0]),
        ("omni", "hybrid", [2, 4], SIZES),
        ("knn_graph", "model", [None], [20, 60]),  # it has ten neighbours
    ],
)
def test_a_predictor_has_a_family_and_its_fidelities(bench, name, family, epochs, sizes) -> None:
    found = made(bench, name)
    assert [one.epochs for one in found] == epochs
    assert {one.family for one in found} == {family}
    assert all(one.sizes == sizes for one in found)
    assert len({one.digest for one in found}) == len(epochs)


def test_without_images_what_needs_them_is_left_out(bench) -> None:
    with pytest.raises(UserError, match="no images of it"):
        made(bench, "synflow", missing="no images of it")
    assert made(bench, "sotl_e", missing="no images of it")


def test_scores_that_the_table_has_are_read_there(real_nb201) -> None:
    options = composed(["space=nb201", "table=cifar10"], "study")
    bench = Bench(options["space"], options["evaluator"], None, [], 20, 40)
    (jacov,) = made(bench, "jacov", missing="no images")
    found = bench.measure(Job(jacov, "uniform", 0, 0))
    rows = bench.split("uniform", 0).test
    published = bench.evaluator.objective("zero_cost.jacov", bench.pool.batch.take(rows))
    assert found["tau"] == pytest.approx(kendalltau(published, bench.pool.truth[rows]).statistic)
    assert found["query_training"] == pytest.approx(0.7)
    with pytest.raises(UserError, match="learning curves of valid_accuracy only"):
        made(bench, "sotl_e")


def test_what_learns_pays_for_its_labels(bench) -> None:
    found = measured(bench, "ridge", 20)
    assert found["init_training"] == pytest.approx(bench.pool.seconds[bench.split("uniform", 0).train[:20]].sum())
    assert found["query_training"] == 0
    assert found["init_cpu"] > 0


def test_what_looks_pays_for_what_it_sees(bench) -> None:
    found = measured(bench, "early_accuracy", at=1)
    rows = bench.split("uniform", 0).test
    curves, seconds = bench.evaluator.early(bench.pool.batch.take(rows), "valid_accuracy", 4)
    assert found["tau"] == pytest.approx(kendalltau(curves[:, -1], bench.pool.truth[rows]).statistic)
    assert found["query_training"] == pytest.approx(seconds.mean())
    assert found["init_training"] == 0


def test_the_first_epochs_of_a_labelled_network_are_paid_with_its_label(bench) -> None:
    labels = bench.pool.seconds[bench.split("uniform", 0).train[:20]].sum()
    assert measured(bench, "emprox_early", 20, at=1)["init_training"] == pytest.approx(labels)


def test_where_they_are_of_another_training_they_are_paid_too(real_nb201) -> None:
    options = composed(["space=nb201", "table=cifar10"], "study")
    bench = Bench(options["space"], options["evaluator"], None, [12], most=20, test=40)
    node = composed(["estimator=emprox_early"], resolve=False)["estimator"]
    [heard] = predictors("emprox_early", node, bench.evaluator, [12], [20], "")
    [alone] = predictors("ridge", composed(["estimator=ridge"])["estimator"], bench.evaluator, [12], [20], "")
    both = [bench.measure(Job(one, "uniform", 20, 0)) for one in (heard, alone)]
    assert both[0]["init_training"] == pytest.approx(both[1]["init_training"] * (1 + 12 / 200), rel=1e-3)


def test_fewer_networks_than_are_to_be_learnt_from_are_a_failure() -> None:
    options = composed(["table=digits"], "study")
    bench = Bench(options["space"], options["evaluator"], None, [], most=1000, test=200)
    ridge = predictors("ridge", composed(["estimator=ridge"])["estimator"], bench.evaluator, [], [1000], "")[0]
    assert len(bench.split("mutated", 0).train) == 891
    assert bench.measure(Job(ridge, "mutated", 1000, 0)) == "only 891 networks to learn from are in the table"


def test_a_function_in_the_place_of_a_class_is_told(bench) -> None:
    node = {**composed(["estimator=random_forest"], resolve=False)["estimator"]}
    node["regressor"] = {"_target_": "sklearn.pipeline.make_pipeline"}
    with pytest.raises(UserError, match="make_pipeline, which is no class"):
        predictors("mine", node, bench.evaluator, [2], SIZES, "", **bench.given)


def test_an_observation_is_made_once_and_charged_each_time(bench) -> None:
    first, again = (measured(bench, "synflow") for _ in range(2))
    assert again["query_cpu"] == pytest.approx(first["query_cpu"], rel=0.2)  # that of the estimate is small
    assert first["tau"] == again["tau"]
    other = measured(bench, "omni", 20)
    assert other["query_cpu"] > 0.1 * first["query_cpu"]


def test_estimates_do_not_depend_on_the_test_accuracies(bench, monkeypatch) -> None:
    estimates = []

    def keep(means, truth):
        estimates.append(means)
        return {}

    monkeypatch.setattr("nas.study.measuring.rank_metrics", keep)
    measured(bench, "ridge", 20)
    monkeypatch.setattr(bench, "pool", bench.pool.__class__(**{**vars(bench.pool), "truth": np.zeros(2532)}))
    measured(bench, "ridge", 20)
    assert (estimates[0] == estimates[1]).all()


def test_each_split_has_a_seed_of_its_own(bench) -> None:
    (forest,) = made(bench, "random_forest")
    seeds = [forest.make(split, bench.evaluator).regressor.random_state for split in (0, 7)]
    assert seeds == [0, 7]


def test_a_failure_is_told(bench, monkeypatch) -> None:
    (ridge,) = made(bench, "ridge")
    assert "needs 2 known architectures, got 1" in str(bench.measure(Job(ridge, "uniform", 1, 0)))
    monkeypatch.setattr("nas.study.measuring.rank_metrics", lambda *_: {"tau": np.nan})
    assert bench.measure(Job(ridge, "uniform", 20, 0)) == "ArithmeticError: tau is nan"


def test_the_labels_themselves_cost_whole_trainings(bench) -> None:
    rows = bench.split("uniform", 2).test
    found = bench.full_training("uniform", 2)
    assert found["tau"] == pytest.approx(kendalltau(bench.pool.labels[rows], bench.pool.truth[rows]).statistic)
    assert found["query_training"] == pytest.approx(bench.pool.seconds[rows].mean())
