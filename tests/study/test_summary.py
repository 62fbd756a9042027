from __future__ import annotations

import pytest

from nas.study.measuring import PRICES, Job
from nas.study.metrics import METRICS
from nas.study.predictors import Predictor
from nas.study.summary import advice, best, measured, summarise, total_seconds


def entry(name: str, tau: float, init: float, query: float, **more):
    prices = dict(zip(PRICES, (init, 0.0, query, 0.0), strict=True))
    told = {"predictor": name, "tau": {"mean": tau}, "splits": 5, "failed": 0, "test": "uniform", **prices}
    return {**told, **more}


ENTRIES = [
    entry("score", 0.3, 0, 0.01),
    entry("curve", 0.6, 0, 1),
    entry("model", 0.7, 100, 0),
    entry("bad", 0.2, 5, 1),
]


def test_means_errors_and_failures_of_the_splits() -> None:
    predictor = Predictor("ridge", {}, "model", None, [5])
    jobs = [Job(predictor, "uniform", 5, split) for split in range(4)]
    whole = dict.fromkeys((*METRICS, *PRICES), 1.0) | {"missing": 0.0}
    found = {jobs[0].key: {**whole, "tau": 0.4}, jobs[1].key: {**whole, "tau": 0.6}, jobs[2].key: "ValueError: no"}
    (told,) = summarise(jobs, found)
    assert (told["splits"], told["failed"], told["failure"]) == (2, 1, "ValueError: no")
    assert told["tau"] == {"mean": 0.5, "standard_error": pytest.approx(0.1)}
    assert measured([told], "uniform") == [told]
    assert measured([{**told, "failed": 3}], "uniform") == []
    assert measured([told], "mutated") == []


def test_the_best_is_one_that_can_be_paid() -> None:
    assert best(ENTRIES, 0, 0.001) is None
    assert best(ENTRIES, 50, 0.1)["predictor"] == "score"
    assert best(ENTRIES, 50, 2)["predictor"] == "curve"
    assert best(ENTRIES, 100, 0)["predictor"] == "model"


def test_advice_names_what_more_time_buys() -> None:
    assert [total_seconds(one) for one in ENTRIES] == [2, 200, 100, 205]
    assert [(budget, one["predictor"]) for budget, one in advice(ENTRIES, 10)] == [(0.3, "score"), (10, "model")]
