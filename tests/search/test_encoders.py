"""`encoder=[graph,early]`: what an estimator knows of a network, chosen by name on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from helpers import run_search

import nas
from nas._config import checked
from nas.errors import UserError
from nas.search.compose import composed_run

DIGITS = ["space=nb101", "space.max_vertices=5", "table=digits", "strategy/pool=random", "pool=20", "initial=10"]
SMALL = ["encoder.graph.cells=256", "encoder.graph.epochs=1", "encoder.graph.device=cpu"]


def estimator(*overrides: str) -> dict:
    node: dict = checked(composed_run(overrides).options).estimator
    return node


def test_a_list_of_encoders_takes_the_place_of_the_estimators_own() -> None:
    own = estimator("estimator=omni")
    both = estimator("estimator=omni", "encoder=[graph,early]", "encoder.early.epochs=12", "encoder.graph.width=32")
    assert {**both, "encoder": None} == {**own, "encoder": None}
    assert both["encoder"]["_target_"] == "nas.encoders.Joined"
    graph, early = both["encoder"]["encoders"].values()
    assert (graph["_target_"], graph["width"], graph["cells"]) == ("nas.encoders.GraphEncoder", 32, 100_000)
    assert (early["_target_"], early["epochs"], early["metric"]) == ("nas.encoders.EarlyCurve", 12, "auto")
    one = estimator("encoder=[graph]")
    assert one == estimator("encoder=graph") == estimator("encoder=[]") == estimator()


def test_a_search_listens_is_charged_and_goes_on(tmp_path: Path) -> None:
    options = [*DIGITS, "estimator=emprox", "encoder=[graph,early]", *SMALL]
    first = nas.run(*options, "budget=14", folder=tmp_path)
    assert (first.trials.estimate_seconds[10:] > 0).all()
    assert first.content["choices"]["encoder"] == "[graph,early]"
    again = nas.run(f"resume={tmp_path}", "budget=18")
    whole = nas.run(*options, "budget=18", folder=tmp_path / "whole")
    assert (again.trials.keys == whole.trials.keys).all()
    with pytest.raises(UserError, match=r"estimator\.encoder\.encoders\.early\.epochs \(recorded 4, now 3\)"):
        nas.run(f"resume={tmp_path}", "encoder.early.epochs=3")
    with pytest.raises(UserError, match=r"another configuration: estimator\.encoder"):
        nas.run(f"resume={tmp_path}", "encoder=[graph]", *SMALL)


def test_a_record_is_that_of_a_run_from_before_there_were_lists(tmp_path: Path) -> None:
    small = [option.replace("encoder.graph", "estimator.encoder") for option in SMALL]
    nas.run(*DIGITS, "estimator=emprox", *small, "budget=12", folder=tmp_path)
    assert "encoder" not in yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert len(nas.run(f"resume={tmp_path}", "budget=13").trials) == 13


def test_a_sweep_over_lists_records_and_tells_each(tmp_path: Path) -> None:
    done = run_search(
        "-m", *DIGITS, "estimator=knn_graph", "encoder=[features],[features,early]", "budget=12", "initial=11",
        "hydra.sweep.dir=sweep", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in sorted((tmp_path / "sweep").glob("*/result.json"))]
    assert [result["choices"]["encoder"] for result in results] == ["[features]", "[features,early]"]
    from nas.compare.methods import by_method
    from nas.compare.runs import read_runs

    methods, _ = by_method(read_runs([tmp_path / "sweep"])[0])
    assert [name.rpartition("encoder=")[2] for name in methods] == ["[features]", "[features,early]"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["encoder=[early]"], "estimator.encoder only observes, must also give an embedding of the graph"),
        (
            ["encoder=[nosuch]"],
            "nosuch is unknown, allowed: early, features, graph, history, published, zero_cost",
        ),
        (["encoder=[graph,nosuch]"], "encoder=nosuch is unknown, allowed: early, "),
        (["encoder={a: 1}"], "encoder is {'a': 1}, must be a list of options, such as encoder=[graph,early]"),
        (["estimator=none", "encoder=[graph]"], "encoder is [graph], but the estimator, NoEstimator, has no encoder"),
        (["estimator=nao", "encoder=[graph]"], "estimator.encoder is a GraphEncoder, must be a SequenceEncoder"),
        (["encoder=[graph]", "encoder.early.epochs=3"], "encoder.early is unknown, allowed: graph"),
        (["encoder=[graph]", "estimator.encoder.width=3"], "encoder=[graph] takes its place: leave one out"),
        (["encoder=[graph,early]", "encoder.early.epochs=9"], "epochs is 9, but "),
        (["encoder=[graph,published]"], "scores names 'jacov', which the evaluator has no published scores of"),
    ],
)
def test_bad_lists_are_answered_with_one_line(options: list[str], message: str, refused) -> None:
    assert message in refused(*DIGITS, "budget=12", *options)
