"""What counts of a search with a budget that is not of evaluations, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nas
from nas.compare.runs import read_runs
from nas.errors import UserError

DIGITS = ("space=nb101", "space.max_vertices=5", "table=digits", "estimator=none", "strategy=evolution")


def test_what_comes_after_the_seconds_is_recorded_but_does_not_count(tmp_path: Path, caplog) -> None:
    late_better = 0
    for seed in range(6):
        caplog.clear()
        run = nas.run(*DIGITS, "budget=seconds:6", "evaluator.workers=8", f"seed={seed}", folder=tmp_path / f"{seed}")
        value, clock, content = run.trials.value, run.trials.to_pandas()["clock"].to_numpy(), run.content
        in_time = clock <= 6
        assert not in_time.all()
        assert content["best"]["value"] == content["incumbent_value"][-1] == value[in_time].max()
        assert content["recommended"]["step"] == content["best"]["step"]
        assert content["trained_to_the_end"] == len(value)
        better = value[~in_time] > value[in_time].max()
        told = f"{better.sum()} better candidates were trained to the end after the budget was spent"
        assert (told in caplog.text) == better.any()
        late_better += better.any()
    assert late_better
    [found, *_], _ = read_runs([tmp_path])
    assert found.recommended == found.test_accuracy[-1]


def test_what_was_late_counts_when_the_run_goes_on(tmp_path: Path) -> None:
    run = nas.run(*DIGITS, "budget=seconds:6", "evaluator.workers=8", folder=tmp_path / "run")
    first, late = len(run.trials), float(run.trials.value.max())
    assert late > run.content["best"]["value"]
    later = run.resume(budget="seconds:8")
    assert later.content["best"]["value"] >= late
    assert later.content["incumbent_value"][-1] == later.content["best"]["value"]
    assert len(later.trials) > first


@pytest.mark.parametrize("budget", ["epochs:24", "seconds:4"])
def test_a_candidate_that_stopped_is_told_as_such(tmp_path: Path, caplog, budget: str) -> None:
    options = ("scheduler=asha", "scheduler.eta=100", f"budget={budget}")
    content = nas.run(*DIGITS, *options, folder=tmp_path / "run").content
    assert "no candidate was trained to the end: the best is told as it is after 1 epochs" in caplog.text
    assert (content["best"]["partial"], content["best"]["epochs"]) == (True, 1)
    assert content["best"]["test_accuracy"] is content["test_regret"] is content["recommended"]["test_accuracy"] is None
    assert content["trained_to_the_end"] == 0
    assert set(content["incumbent_value"]) == {None}
    assert not (tmp_path / "run" / "progress.png").exists()
    with pytest.raises(UserError, match=r"left out: \S+run knew no whole training within .*: give it more"):
        read_runs([tmp_path])


def test_the_best_of_a_run_that_was_stopped_counts(tmp_path: Path) -> None:
    for seed in range(4):
        run = nas.run(*DIGITS, "budget=seconds:500", "stop.patience=2", f"seed={seed}", folder=tmp_path / f"{seed}")
        assert run.content["stopped"]
        assert run.content["best"]["value"] == run.trials.value.max()


def test_a_round_observes_no_more_than_half_of_what_is_left(tmp_path: Path, caplog) -> None:
    options = ("space=nb101", "space.max_vertices=5", "table=digits", "estimator=knn_graph", "encoder=[graph,early]")
    content = nas.run(*options, "pool=500", "budget=seconds:60", folder=tmp_path / "run").content
    assert 0 < content["observed_seconds"] < content["cumulative_cost_seconds"][-1] <= 60
    assert "rounds had fewer than pool=500 candidates: to observe them all takes more seconds than were" in caplog.text
    assert content["trained_to_the_end"] > 8
    free = nas.run(*options[:4], "pool=500", "budget=seconds:20", folder=tmp_path / "free")
    assert caplog.text.count("rounds had fewer") == 1
    assert free.content["observed_seconds"] == 0


def test_wall_seconds_are_all_in_some_phase(tmp_path: Path) -> None:
    options = ("scheduler=hyperband", "budget=seconds:20", "evaluator.workers=8")
    nas.run(*DIGITS, *options, folder=tmp_path / "run")
    seconds = json.loads((tmp_path / "run" / "result.json").read_text())["wall_seconds"]
    assert {"schedule", "journal", "ask", "evaluate", "report"} <= seconds.keys()
    assert np.isfinite([*seconds.values()]).all()


def test_a_scheduler_is_of_a_run() -> None:
    with pytest.raises(UserError, match="scheduler is of a run, not of a search that is driven by ask and tell"):
        nas.compose_search("space=nb201", "scheduler=asha")
