"""The program with schedulers, budgets of epochs and seconds, and a simulated clock, on the table of digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fidelities import Dies, Line, StopsError, history, trained
from helpers import nb201_arrays

import nas
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB101, NB201

SMALL = ["space.max_vertices=5", "table=digits", "strategy=evolution", "estimator=none"]


def whole(lines: list[Line]) -> list[Line]:
    return [line for line in lines if not line.get("partial") and not line.get("error")]


def test_eight_workers_get_more_done_in_the_same_seconds(tmp_path: Path) -> None:
    done = {}
    for workers in (1, 8):
        options = [*SMALL, "scheduler=asha", "budget=seconds:4", f"evaluator.workers={workers}"]
        result = nas.run(*options, folder=tmp_path / f"{workers}")
        lines = history(tmp_path / f"{workers}")
        done[workers] = len(lines)
        early = [line["clock"] for line in lines if line["clock"] < 4]
        assert sorted(line["clock"] - line["seconds"] for line in lines) == pytest.approx([0.0] * workers + early)
        assert result.content["spent"] == lines[-1]["clock"] >= 4
    assert done[8] > 4 * done[1]


def test_runs_are_the_same_by_seed(tmp_path: Path) -> None:
    found = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        nas.run(*SMALL, "scheduler=asha", "budget=epochs:40", "evaluator.workers=8", f"seed={seed}",
                folder=tmp_path / name)  # fmt: skip
        found[name] = (tmp_path / name / "history.jsonl").read_bytes()
    assert found["a"] == found["b"] != found["c"]


@pytest.mark.parametrize("workers", [1, 8])
def test_a_run_of_the_program_goes_on_after_an_interrupt(workers: int, tmp_path: Path) -> None:
    options = [*SMALL, "scheduler=hyperband", "budget=seconds:3", f"evaluator.workers={workers}"]
    nas.run(*options, folder=tmp_path / "whole")
    with pytest.raises(StopsError):
        nas.run(*options, folder=tmp_path / "broken", callbacks=[Dies(7)])
    nas.run(f"resume={tmp_path / 'broken'}")
    assert (tmp_path / "broken/history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


def test_a_warm_start_takes_whole_trainings_alone_and_no_clock(tmp_path: Path) -> None:
    options = [*SMALL, "scheduler=asha"]
    nas.run(*options, "budget=seconds:6", folder=tmp_path / "before")
    ends = whole(history(tmp_path / "before"))
    warm = f"warm_start={tmp_path / 'before/history.jsonl'}"
    result = nas.run(*options, "budget=seconds:6", "seed=1", warm, folder=tmp_path / "after")
    known = [trial for trial in result.trials if trial.warm]
    assert {trial.key for trial in known} == {line["key"] for line in ends}
    assert not any(trial.partial for trial in known)
    own = [line for line in history(tmp_path / "after") if not line.get("warm")]
    assert own[0]["clock"] == own[0]["seconds"]
    assert result.content["spent"] == own[-1]["clock"] >= 6
    by_epochs = nas.run(*options, "budget=epochs:30", "seed=1", warm, folder=tmp_path / "epochs")
    own = [line for line in history(tmp_path / "epochs") if not line.get("warm")]
    assert by_epochs.content["spent"] == sum(trained(own))
    assert 30 - 8 < sum(trained(own)) <= 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["budget=epochs:39"], "budget is epochs:39, must be at least the epochs:40 of the run in"),
        (["budget=seconds:90"], "budget is seconds:90, but the run in .* has epochs:40: give more of the same"),
        (["budget=90"], "budget is 90, but the run in .* has epochs:40: give more of the same"),
        (["scheduler=halving"], "scheduler"),
    ],
    ids=["less", "seconds", "evaluations", "another scheduler"],
)
def test_what_a_run_cannot_go_on_with_is_refused(options: list[str], message: str, tmp_path: Path) -> None:
    nas.run(*SMALL, "scheduler=asha", "budget=epochs:40", folder=tmp_path)
    before = (tmp_path / "history.jsonl").read_bytes()
    with pytest.raises(UserError, match=message) as refused:
        nas.run(f"resume={tmp_path}", *options)
    assert "\n" not in str(refused.value)
    assert (tmp_path / "history.jsonl").read_bytes() == before


def test_a_larger_budget_goes_on_as_if_it_had_been_given(tmp_path: Path) -> None:
    options = [*SMALL, "scheduler=asha", "evaluator.workers=1"]
    nas.run(*options, "budget=epochs:60", folder=tmp_path / "whole")
    nas.run(*options, "budget=epochs:40", folder=tmp_path / "grown")
    nas.load(tmp_path / "grown").resume(budget="epochs:60")
    assert (tmp_path / "grown/history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["table=auto", "scheduler=asha"],
            "a candidate can be measured after its whole training only: leave scheduler",
        ),
        (["table=auto", "budget=epochs:40"], "how many epochs an evaluation takes is unknown here"),
        (
            ["scheduler=asha", "scheduler.first=8"],
            "scheduler.first is 8, must be one of the fidelities below the last, 1, 2, 3",
        ),
        (["budget=epochs:7"], "budget is 'epochs:7', must be at least epochs:8: one whole training takes that"),
        (["budget=minutes:7"], "budget is 'minutes:7', must be a number of evaluations of at least 1"),
    ],
    ids=["one fidelity", "epochs unknown", "first", "too few", "unit"],
)
def test_what_cannot_be_begun_is_refused_in_one_line(
    options: list[str], message: str, refused: Callable[..., str], small_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_DATA_DIR", str(small_table.parent))
    assert message in refused(*SMALL, *options)


def test_seconds_are_the_tables_for_the_epochs_that_are_trained(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "scheduler=asha", "budget=epochs:60", folder=tmp_path)
    space = NB101(max_vertices=5)
    evaluator = TableEvaluator(space, "digits")
    cost = evaluator.evaluate(space.batch(result.trials.genes))
    lines = history(tmp_path)
    assert {line["epochs"] for line in lines} == {1, 3, 8}
    for line, epochs in zip(lines, trained(lines), strict=True):  # each epoch takes an eighth
        assert line["seconds"] == pytest.approx(cost.seconds[line["step"]] * epochs / 8, rel=1e-4)
        if line["epochs"] == 8:
            assert line["values"]["validation"] == cost.value[line["step"]]


@pytest.mark.parametrize("scheduler", ["asha", "one_epoch"])
def test_separate_trainings_are_charged_whole(scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = nb201_arrays(NB201())
    for name in ("test_acc", "val_acc", "train_time"):
        arrays[f"{name}_12"] = arrays[f"{name}_200"] * np.float32(0.06 if name == "train_time" else 0.5)
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data/nasbench201.npz", **arrays)  # type: ignore[arg-type]
    monkeypatch.setenv("NAS_DATA_DIR", str(tmp_path / "data"))
    options = ["space=nb201", "table=cifar10", "strategy=random", "estimator=none", f"scheduler={scheduler}"]
    result = nas.run(*options, "budget=epochs:900", folder=tmp_path / "run")
    lines = history(tmp_path / "run")
    assert {line["epochs"] for line in lines} == {12, 200}
    assert result.content["spent"] == sum(line["epochs"] for line in lines) <= 900
    cost = TableEvaluator(NB201(), "cifar10").evaluate(NB201().batch(result.trials.genes)).seconds
    for line in lines:
        share = 1.0 if line["epochs"] == 200 else 0.06
        assert line["seconds"] == pytest.approx(cost[line["step"]] * share, rel=1e-5)


def test_a_budget_that_is_too_small_for_the_last_trainings_is_spent(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "scheduler=one_epoch", "budget=epochs:20", folder=tmp_path)
    assert result.content["spent"] == sum(trained(history(tmp_path))) == 17
    assert [line["epochs"] for line in history(tmp_path)] == [1, 8, 1, 8, 1]
