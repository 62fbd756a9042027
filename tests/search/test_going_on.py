"""Runs that go on: what is taken from the record, what may be given, and what is refused before anything is lost."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import nas
from nas.errors import UserError
from nas.search import Callback, Search, Trial
from nas.search.__main__ import main

SMALL = ["space.max_vertices=5", "strategy=random", "estimator=none"]
TRAINED = ["space.max_vertices=4", "evaluator=training", "evaluator.recipe.epochs=1", "estimator=none", "seed=1"]


def size(cell: dict[str, str]) -> float:
    return float(sum(choice == "edge" for choice in cell.values()))


class Stop(Callback):
    """Ctrl-C at one of the trials."""

    def __init__(self, at: int) -> None:
        self.left = at

    def on_trial(self, search: Search, trial: Trial) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def fails_at_first() -> tuple[list[str], Any]:
    """A function that fails for every third cell the first time; and what it was called with."""
    calls: list[str] = []

    def function(cell: dict[str, str]) -> float:
        text = json.dumps(cell)
        calls.append(text)
        if calls.count(text) == 1 and len(calls) % 3 == 0:
            raise RuntimeError("no luck")
        return size(cell)

    return calls, function


def test_a_retry_that_was_stopped_and_is_asked_for_again_tries_each_once(tmp_path: Path) -> None:
    calls, function = fails_at_first()
    nas.run(*SMALL, "budget=12", function=function, folder=tmp_path)
    again = [f"resume={tmp_path}", "retry_failed=true"]
    with pytest.raises(KeyboardInterrupt):
        nas.run(*again, function=function, callbacks=[Stop(2)])
    result = nas.run(*again, function=function)
    assert len(calls) == 12 + 4
    assert result.trials.failures == 0
    assert [*nas.load(tmp_path).trials] == [*result.trials]


@pytest.mark.parametrize("given", [[], ["evaluator=training"]])
def test_a_run_goes_on_with_other_workers(given: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*TRAINED, "budget=2", "hydra.run.dir=run"]) == 0
    before = nas.load("run").record
    assert main(["resume=run", "budget=3", *given, "evaluator.threads=2", "executor=local"]) == 0
    result = nas.load("run")
    assert len(result.trials) == 3
    assert result.record["evaluator"] == {**before["evaluator"], "threads": 2}
    with pytest.raises(UserError, match="evaluator.recipe.epochs"):
        result.resume(**{"evaluator.recipe.epochs": 2})


def test_a_function_is_given_again(tmp_path: Path) -> None:
    folder = tmp_path / "it's $5"
    nas.run(*SMALL, "budget=4", function=size, folder=folder)
    with pytest.raises(UserError, match=r"calls a function, .*size: go on with nas.load\(...\).resume\(function"):
        nas.load(folder).resume(budget=6)
    assert len(nas.load(folder).resume(budget=6, function=size).trials) == 6


def test_another_function_of_the_same_name_is_another_search(tmp_path: Path) -> None:
    def score(cell: dict[str, str]) -> float:
        return size(cell)

    first = nas.run(*SMALL, "budget=4", function=score, folder=tmp_path)

    def score(cell: dict[str, str]) -> float:
        # comments and layout are no code
        return size(cell)

    assert nas.run(*SMALL, "budget=4", function=score, folder=tmp_path).content == first.content

    def score(cell: dict[str, str]) -> float:
        return -size(cell)

    for function in (score, lambda cell: size(cell), partial(score)):
        with pytest.raises(UserError, match=r"another configuration: .*measured_on.code"):
            nas.run(*SMALL, "budget=6", function=function, folder=tmp_path)
    assert len(nas.load(tmp_path).trials) == 4
    with pytest.raises(UserError, match="function is 7, must be a function"):
        nas.run(*SMALL, "budget=4", function=7, folder=tmp_path / "seven")  # type: ignore[arg-type]


def test_a_lambda_is_told_from_another_of_its_line(tmp_path: Path) -> None:
    one, two = (lambda cell: size(cell)), (lambda cell: -size(cell))
    nas.run(*SMALL, "budget=4", function=one, folder=tmp_path)
    nas.load(tmp_path).resume(budget=6, function=one)
    with pytest.raises(UserError, match=r"measured_on.code"):
        nas.load(tmp_path).resume(budget=8, function=two)


def test_huge_values_are_failed_trials(tmp_path: Path) -> None:
    def huge(cell: dict[str, str]) -> float:
        return -1e300 if size(cell) > 6 else -1e90 * size(cell)

    result = nas.run(*SMALL[:2], "estimator=knn_onehot", "budget=30", function=huge, folder=tmp_path)
    failed = [trial for trial in result.trials if trial.error]
    assert 0 < len(failed) < 30
    assert failed[0].error == "ValueError: value is -1e+300, must be within -1e+100..1e+100"
    assert result.best.values["value"] > -1e91


def test_one_folder_is_resumed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        nas.run(*SMALL, "budget=4", function=size, folder=tmp_path / name)
    for other in ("two", "three"):
        with pytest.raises(UserError, match=f"the run is to be in .*{other}: leave that out"):
            nas.run(f"resume={tmp_path / 'one'}", "budget=6", function=size, folder=tmp_path / other)
    assert len(nas.load(tmp_path / "two").trials) == 4
    assert not (tmp_path / "three").exists()


def test_what_is_known_comes_as_a_table_and_its_test_accuracies_are_unknown(tmp_path: Path) -> None:
    before = nas.run(*TRAINED, "budget=4", folder=tmp_path / "before")
    before.to_csv(tmp_path / "known.csv")
    warm = [*TRAINED[:-1], "seed=2", "evaluator.seed=1", "budget=2", f"warm_start={tmp_path / 'known.csv'}"]
    result = nas.run(*warm, folder=tmp_path / "after")
    assert result.trials.warm.tolist() == [True] * 4 + [False] * 2
    assert result.trials.value[:4].tolist() == before.trials.value.tolist()
    told = json.loads((tmp_path / "after/result.json").read_text())
    for value, accuracy in zip(told["incumbent_value"], told["incumbent_test_accuracy"], strict=True):
        assert (accuracy is None) == (value in before.trials.value)


def test_what_is_known_agrees_with_the_table(tmp_path: Path) -> None:
    options = ["space.max_vertices=5", "table=digits", "estimator=none", "budget=5"]
    before = nas.run(*options, folder=tmp_path / "before")
    path = tmp_path / "known.csv"
    before.to_csv(path)
    lines = path.read_text().splitlines()
    fields = lines[2].rsplit(",", 3)
    path.write_text("\n".join([*lines[:2], ",".join([fields[0], "95.3", *fields[2:]]), *lines[3:]]))
    with pytest.raises(UserError, match=r"line 3 of .*known.csv: validation is 95.3, but the table has 0\."):
        nas.run(*options, "seed=1", f"warm_start={path}", folder=tmp_path / "after")


def test_a_history_without_a_record_is_no_warm_start(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("hello\n")
    with pytest.raises(
        UserError, match="has no config.yaml beside it: what it was measured on is unknown: put that of"
    ):
        nas.run(*SMALL, "budget=4", f"warm_start={tmp_path / 'history.jsonl'}", function=size, folder=tmp_path / "run")


def test_a_retry_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="retry_failed is True, but there is no earlier run: name it with resume=RUN"):
        nas.run(*SMALL, "budget=4", "retry_failed=true", function=size, folder=tmp_path / "run")


def test_a_damaged_history_stays_as_it_is(tmp_path: Path) -> None:
    nas.run(*SMALL, "budget=4", function=size, folder=tmp_path)
    path = tmp_path / "history.jsonl"
    path.write_text(f"no trial\n{path.read_text()}half a li")
    before = path.read_bytes()
    with pytest.raises(UserError, match="line 1 of .* is not a trial"):
        nas.run(f"resume={tmp_path}", "budget=6", function=size)
    assert path.read_bytes() == before


def test_a_refused_warm_start_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "run"
    with pytest.raises(UserError, match="where there is no file"):
        nas.run(*SMALL, "budget=4", "warm_start=nowhere.csv", function=size, folder=folder)
    assert not folder.parent.exists()


def test_a_warm_search_in_which_everything_fails_stops(tmp_path: Path) -> None:
    def gone(cell: dict[str, str]) -> float:
        if len(cell_of) >= 20:
            raise RuntimeError("the disk is gone")
        cell_of.append(cell)
        return size(cell)

    cell_of: list[dict[str, str]] = []
    nas.run(*SMALL, "budget=20", function=gone, folder=tmp_path / "before")
    warm = f"warm_start={tmp_path / 'before/history.jsonl'}"
    with pytest.raises(UserError, match="all 10 evaluations failed; the first: RuntimeError: the disk is gone"):
        nas.run(*SMALL, "seed=1", "budget=20", warm, function=gone, folder=tmp_path / "after")


def test_the_summary_says_what_was_known_before_and_what_was_never_asked(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["space.max_vertices=5", "table=digits", "estimator=knn_onehot"]
    assert main([*options, "budget=100", "hydra.run.dir=before"]) == 0
    best = nas.load("before").best
    assert main([*options, "seed=1", "budget=5", "initial=5", f"warm_start={Path('before/history.jsonl').absolute()}",
                 "hydra.run.dir=after"]) == 0  # fmt: skip
    told = capsys.readouterr().out
    assert f"best after 5 evaluations: {best.values['validation']:.5f} (known before)" in told
    (tmp_path / "before/result.json").unlink()  # killed between the last trial and the result
    assert main(["resume=before"]) == 0
    assert "never asked" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [{"budget": "abc"}, {"made_with": "abc"}, {"measured_on": [1]}, {"choices": ["a"]}, {"choices": 3}],
    ids=str,
)
def test_a_damaged_record_is_one_line(change: dict[str, Any], tmp_path: Path) -> None:
    nas.run(*SMALL, "budget=4", function=size, folder=tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(UserError, match=rf"is not the record of a run: {next(iter(change))} is"):
        nas.run(f"resume={tmp_path}", "budget=6", function=size)
