"""Runs with budgets of epochs and seconds are compared by percent of what they were given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fidelities import Line, history, trained
from helpers import result

import nas
from nas.compare.__main__ import main
from nas.compare.methods import by_method
from nas.compare.runs import check_comparable, read_runs
from nas.errors import UserError

SMALL = ["space.max_vertices=5", "table=digits", "strategy=random", "estimator=none"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods by two seeds with epochs, one with seconds, one with evaluations, and two with other workers."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in {
        "epochs/asha0": ["scheduler=asha", "budget=epochs:80"],
        "epochs/asha1": ["scheduler=asha", "budget=epochs:80", "seed=1"],
        "epochs/full0": ["budget=epochs:80"],
        "epochs/full1": ["budget=epochs:80", "seed=1"],
        "seconds": ["scheduler=asha", "budget=seconds:12", "evaluator.workers=3"],
        "evaluations": ["scheduler=asha", "budget=27"],
        "more": ["scheduler=asha", "budget=epochs:88"],
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        nas.run(*SMALL, *options, folder=folder / name)
    return folder


def curve(folder: Path, spent: list[float], amount: float) -> list[float | None]:
    """At each percent of the amount: the best value of a whole training among the lines that were paid by then."""
    best: list[float | None] = []
    for percent in range(1, 101):
        known = [one["values"]["validation"] for one, so_far in zip(history(folder), spent, strict=True)
                 if so_far <= amount * percent / 100 * (1 + 1e-9) and not one.get("partial")]  # fmt: skip
        best.append(max(known, default=None))
    return best


def summed(numbers: list[int]) -> list[float]:
    return [float(sum(numbers[: n + 1])) for n in range(len(numbers))]


@pytest.mark.parametrize("name", ["asha0", "asha1", "full0", "full1"])
def test_a_curve_of_epochs_is_that_of_the_history(name: str, runs: Path) -> None:
    folder = runs / "epochs" / name
    expected = curve(folder, summed(trained(history(folder))), 80)
    assert expected[0] is None
    assert len({*expected}) > 2
    content = result(folder)
    assert content["unit"] == "percent"
    assert content["incumbent_value"] == expected
    seconds = [0.0]
    paid = summed(trained(history(folder)))
    for line in history(folder):
        seconds.append(seconds[-1] + line["seconds"])
    costs = [seconds[sum(so_far <= 80 * percent / 100 for so_far in paid)] for percent in range(1, 101)]
    assert content["cumulative_cost_seconds"] == pytest.approx(costs, abs=1e-3)
    expected_random = content["random_search_expected_value"]
    assert [one is None for one in expected_random] == [80 * percent // 100 < 8 for percent in range(1, 101)]


def test_a_curve_of_seconds_is_by_the_clock(runs: Path) -> None:
    folder = runs / "seconds"
    lines: list[Line] = history(folder)
    expected = curve(folder, [line["clock"] for line in lines], 12)
    assert len({*expected}) > 1
    assert result(folder)["incumbent_value"] == expected
    assert result(folder)["random_search_expected_value"] is None


def test_trainings_that_stop_early_in_a_budget_of_evaluations(runs: Path) -> None:
    folder = runs / "evaluations"
    lines = history(folder)
    new = summed([line["step"] not in {one["step"] for one in lines[:place]} for place, line in enumerate(lines)])
    assert new[-1] == 27 < len(lines)
    assert result(folder)["unit"] == "percent"
    assert result(folder)["incumbent_value"] == curve(folder, new, 27)


def compared(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_methods_are_compared_by_percent_and_named_by_their_scheduler(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(capsys, runs / "epochs", "--at", "30", "60")
    assert found["unit"] == "% of 80 epochs"
    assert found["at"] == [30, 60, 100]
    by_name = {one["method"]: one for one in found["methods"]}
    assert set(by_name) == {"random + none + asha", "random + none"}
    for method, names in (("random + none + asha", ("asha0", "asha1")), ("random + none", ("full0", "full1"))):
        curves = [curve(runs / "epochs" / name, summed(trained(history(runs / "epochs" / name))), 80) for name in names]
        for percent in (60, 100):
            values = [one[percent - 1] for one in curves]
            assert None not in values
            mean = sum(value for value in values if value is not None) / 2
            assert by_name[method]["value"][str(percent)]["mean"] == pytest.approx(mean)


@pytest.mark.parametrize("other", ["seconds", "evaluations", "more"])
def test_runs_with_other_budgets_are_not_compared(other: str, runs: Path) -> None:
    with pytest.raises(UserError, match="cannot be compared with .*: they have budget .*: compare them apart"):
        check_comparable(read_runs([runs / "epochs", runs / other])[0])


def test_workers_of_a_simulated_clock_make_a_method(runs: Path, tmp_path: Path) -> None:
    nas.run(*SMALL, "scheduler=asha", "budget=seconds:12", "seed=1", folder=tmp_path / "one")
    nas.run(*SMALL, "scheduler=hyperband", "budget=seconds:12", "seed=1", folder=tmp_path / "two")
    names, _ = by_method(read_runs([runs / "seconds", tmp_path])[0])
    assert set(names) == {
        "random + none + asha, evaluator.workers=3", "random + none + asha, evaluator.workers=absent",
        "random + none + hyperband",
    }  # fmt: skip
