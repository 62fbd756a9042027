"""`nas.compare` as a user runs it, on real runs and on runs changed by hand."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import SWEEP_BUDGET, changed, result, run_search, table_arrays, write_run

from nas.compare.__main__ import main, run
from nas.compare.figures import draw_comparison
from nas.compare.metrics import expected_best_of_random
from nas.evaluators import TableEvaluator


@pytest.fixture(autouse=True)
def data(small_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DATA_DIR", str(small_table.parent))


def compared(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_figures_are_those_of_the_histories(sweep: Path, small_space, small_table: Path, capsys) -> None:
    found = compared(capsys, sweep, "--at", "10", "20", "--level", "90.9", "99")
    population = TableEvaluator(small_space, "auto", str(small_table), None, None).reference().signal
    expected = expected_best_of_random(population, 2000)
    assert {one["method"]: one["runs"] for one in found["methods"]} == {"random + none": 3, "evolution + none": 3}
    assert (found["at"], found["budget"], found["measures"]) == ([10, 20, SWEEP_BUDGET], SWEEP_BUDGET, ["value"])
    assert found["left_out"] == []
    for jobs, name in ((range(3), "random + none"), (range(3, 6), "evolution + none")):
        lines = [(sweep / f"{job}/history.jsonl").read_text().splitlines() for job in jobs]
        values = np.array([[next(iter(json.loads(line)["values"].values())) for line in run] for run in lines])
        [one] = [one for one in found["methods"] if one["method"] == name]
        for n in (10, 20, SWEEP_BUDGET):
            best = values[:, :n].max(axis=1)
            assert one["value"][str(n)]["mean"] == pytest.approx(best.mean())
            assert one["value"][str(n)]["standard_error"] == pytest.approx(best.std(ddof=1) / 3**0.5)
            needed = 1 + int(np.argmax(expected >= best.mean() - 1e-10))
            assert one["gain"][str(n)]["gain"] == pytest.approx(needed / n)
            low, high = one["gain"][str(n)]["interval"]
            assert low <= one["gain"][str(n)]["gain"] <= high
        needed = [int(np.argmax(run >= 0.909)) + 1 if run.max() >= 0.909 else SWEEP_BUDGET for run in values]
        assert one["queries_to"]["0.909"]["reached"] == sum(run.max() >= 0.909 for run in values)
        assert one["queries_to"]["0.909"]["restricted_mean"] == pytest.approx(np.mean(needed))
        assert one["queries_to"]["0.99"] == {
            "reached": 0, "median": None, "restricted_mean": SWEEP_BUDGET, "standard_error": 0.0
        }  # fmt: skip
        seconds = [result(sweep / f"{job}")["wall_seconds"]["report"] for job in jobs]
        assert one["wall_seconds"]["report"] == pytest.approx(np.mean(seconds))


class _References(HTMLParser):
    """Everything by which a page could ask for something else, and its tables."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_the_page_holds_all_and_asks_for_nothing(sweep: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nas.compare", str(sweep), "--level", "90", "--out", "report", "--curve", "median"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for told in (
        "Best test_mean so far",
        "The signal is the test accuracy itself",
        "evolution + none",
        "gain of the median",
        "With 3 seeds no p can be below 0.25",
    ):
        assert told in done.stdout
    page = (tmp_path / "report/comparison.html").read_text()
    assert "Median of the runs, band: the quartiles" in page
    references = _References()
    references.feed(page)
    assert references.tags.count("table") == 5
    assert not {"script", "link", "iframe"} & set(references.tags)
    assert "@import" not in page
    assert "url(" not in page
    [image] = references.asked
    drawing = ElementTree.fromstring(base64.b64decode(image.removeprefix("data:image/svg+xml;base64,")))
    links = [value for node in drawing.iter() for name, value in node.attrib.items() if name.endswith(("href", "src"))]
    assert len(links) > 10
    assert all(link.startswith("#") for link in links)
    from matplotlib.image import imread

    assert imread(tmp_path / "report/comparison.png")[..., :3].std() > 0.05
    assert json.loads((tmp_path / "report/comparison.json").read_text())["budget"] == SWEEP_BUDGET


def test_other_seeds_for_other_methods_are_told(sweep: Path, capsys) -> None:
    """Seeds share their first cells: means over different seeds differ by luck, too."""
    for jobs, differ in (("0134", False), ("0145", True), ("012345", False), ("01234", True)):
        assert main([str(sweep / job) for job in jobs]) == 0
        assert ("the methods differ in their seeds" in capsys.readouterr().out) == differ


def test_what_must_not_be_mixed_is_refused_by_name(sweep: Path, tmp_path: Path, capsys) -> None:
    good = result(sweep / "0")
    short = {**good, "budget": 20, "incumbent_value": good["incumbent_value"][:20], "seed": 7}
    for name in ("incumbent_test_accuracy", "cumulative_cost_seconds", "random_search_expected_value"):
        short[name] = good[name][:20]
    short["random_search_expected_test_accuracy"] = None
    others = {
        "sha256": {**good, "measured_on": {**good["measured_on"], "sha256": "ab"}},
        "signal": {**good, "measured_on": {**good["measured_on"], "signal": "validation"}},
        "budget": short,
    }
    for name, other in others.items():
        folder = write_run(tmp_path / name, other)
        assert main([str(sweep), str(folder)]) == 1
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert f"{folder} cannot be compared" in line or f"cannot be compared with {folder}" in line
        assert "(and 5 more)" in line
        assert f"they have {name} " in line


def test_a_training_evaluator_may_be_seeded_with_the_run(sweep: Path, tmp_path: Path, capsys) -> None:
    for seed in (0, 1):
        training = {"images": "x", "seed": f"{seed}"}
        content = {**result(sweep / f"{seed}"), "measured_on": training, "best_of_space": None}
        content["config"] = {**content["config"], "evaluator": {"_target_": "nas.X", "seed": seed, "time_limit": None}}
        write_run(tmp_path / f"{seed}", content)
    found = compared(capsys, tmp_path)
    assert [one["runs"] for one in found["methods"]] == [2]
    assert found["omitted"][0] == "no sample efficiency gain: nothing is known of the whole space"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["."], "no finished run in ."),
        (["{sweep}", "--at", "31"], "--at is 31, must be 1..30"),
        (["{sweep}", "--level", "0"], "--level is 0, must be a percentage"),
        (["{sweep}", "--out", "file/report"], "file/report: Not a directory"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, sweep, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main([argument.format(sweep=sweep) for argument in arguments]) == 1
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert message in line
    assert line.count("\n") == 1


def test_the_gain_is_left_out_with_the_reason_where_the_table_is_not_at_hand(
    sweep: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("NAS_DATA_DIR", str(tmp_path))
    found = compared(capsys, sweep)
    assert [one["gain"] for one in found["methods"]] == [None, None]
    assert "no sample efficiency gain: no benchmark table nasbench101.npz in" in found["omitted"][0]
    (tmp_path / "nasbench101.npz").write_bytes(b"another")
    assert "expected " + result(sweep / "0")["measured_on"]["sha256"] in compared(capsys, sweep)["omitted"][0]


@pytest.mark.parametrize("part", ["space", "evaluator", "objective"])
def test_a_record_is_no_program(part: str, sweep: Path, tmp_path: Path, capsys) -> None:
    """`result.json` may be somebody else's."""
    harm = {"_target_": "subprocess.Popen", "args": ["touch", str(tmp_path / "made")]}
    write_run(tmp_path / "run", changed(result(sweep / "0"), **{part: harm}))
    found = compared(capsys, tmp_path / "run")
    assert f"no sample efficiency gain: {part}._target_ is subprocess.Popen, which no option" in found["omitted"][0]
    assert not (tmp_path / "made").exists()


def test_the_gain_under_constraints_is_over_random_search_under_them(tmp_path: Path, capsys) -> None:
    options = ["space.max_vertices=5", "strategy=random", "estimator=none", "budget=21", "hydra.run.dir=run"]
    done = run_search(*options, 'objective.constraints={params: "<200"}', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = compared(capsys, tmp_path)
    best, expected = (
        found["methods"][0]["value"]["21"]["mean"],
        result(tmp_path / "run")["random_search_expected_value"],
    )
    assert found["methods"][0]["gain"]["21"]["gain"] > 0
    assert (found["methods"][0]["gain"]["21"]["gain"] <= 1) == (best <= expected[-1])


def test_regret_is_to_the_best_that_each_run_could_see(sweep: Path, tmp_path: Path) -> None:
    """As with a signal that is drawn anew for each seed."""
    good = result(sweep / "0")
    for seed in (0, 1):
        names = ("incumbent_value", "random_search_expected_value")
        shifted = {name: [value - 0.1 * seed for value in good[name]] for name in names}
        best = {**good["best_of_space"], "value": good["best_of_space"]["value"] - 0.1 * seed}
        config = {**good["config"], "seed": seed, "evaluator": {**good["config"]["evaluator"], "seed": seed}}
        write_run(
            tmp_path / f"{seed}",
            {**good, **shifted, "config": config, "seed": seed, "best_of_space": best},
        )
    comparison, named = run([tmp_path], None, [])
    assert comparison["omitted"][0] == "no sample efficiency gain: the signal was drawn anew for each seed"
    figure = draw_comparison(named, {"value": 100}, "mean")
    axes = figure.axes[1]
    regret = 100 * (good["best_of_space"]["value"] - np.array(good["incumbent_value"]))
    assert axes.lines[0].get_ydata() == pytest.approx(regret)
    random = 100 * (np.array(good["random_search_expected_value"]) - 0.05)  # the mean of both seeds
    assert figure.axes[0].lines[1].get_ydata() == pytest.approx(random)


def test_the_gain_is_left_out_where_signals_have_no_more_in_common_than_their_best(
    small_space, tmp_path: Path, capsys, monkeypatch
) -> None:
    """As where one cell is ahead in each of its runs."""
    arrays = table_arrays(small_space, small_space.enumerate())
    test = arrays.pop("test_acc_108")[:, None, None].astype(np.float64)
    arrays = {name: column for name, column in arrays.items() if not name.startswith(("val_", "train_time"))}
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(len(test), 1, 3))
    noise[test.argmax()] = 0.05
    for name in ("validation_accuracy", "test_accuracy", "train_accuracy"):
        arrays[f"final_{name}"] = test + (noise if name == "validation_accuracy" else np.zeros((1, 1, 3)))
    arrays["final_training_time"] = np.full_like(noise, 100.0)
    arrays |= {name.replace("final", "halfway"): column for name, column in arrays.items() if "final" in name}
    np.savez(tmp_path / "nasbench101.npz", epochs=np.array([108], dtype=np.int32), **arrays)
    monkeypatch.setenv("NAS_DATA_DIR", str(tmp_path))
    options = ["space.max_vertices=5", "strategy=random", "estimator=none", "budget=5", "table=cifar10"]
    swept = ["-m", "seed=0,1", "evaluator.signal=validation_run", "hydra.sweep.dir=sweep"]
    done = run_search(*swept, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len({json.dumps(result(tmp_path / f"sweep/{job}")["best_of_space"]) for job in (0, 1)}) == 1
    found = compared(capsys, tmp_path / "sweep")
    assert found["omitted"] == ["no sample efficiency gain: the signal was drawn anew for each seed"]
    assert compared(capsys, tmp_path / "sweep/0")["methods"][0]["gain"]["5"]["gain"] > 0


def test_values_that_are_no_accuracies_are_shown_as_they_are(sweep: Path, tmp_path: Path, capsys) -> None:
    good = result(sweep / "0")
    curves = {name: numbers for name, numbers in good.items() if name.startswith(("incumbent", "random_search"))}
    latency = {name: [20 * number - 40 for number in numbers] for name, numbers in curves.items()}
    write_run(tmp_path / "a", {**good, **latency, "best_of_space": {"value": -20.0, "test_accuracy": -20.0}})
    assert main([str(tmp_path), "--level", "-30", "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    assert "percent" not in shown
    assert f"{latency['incumbent_value'][-1]:.6g}" in shown
    found = json.loads((tmp_path / "report/comparison.json").read_text())
    assert list(found["methods"][0]["queries_to"]) == ["-30"]
    assert main([str(tmp_path), "--level", "nan"]) == 1
    assert "--level is nan, must be a finite number" in capsys.readouterr().err


def test_what_is_unknown_is_left_blank(sweep: Path, tmp_path: Path, capsys) -> None:
    good = result(sweep / "0")
    late = {**good, "incumbent_value": [None, *good["incumbent_value"][1:]], "resumed_at": 3}
    late |= {"incumbent_test_accuracy": None, "cumulative_cost_seconds": [None] * SWEEP_BUDGET, "best_of_space": None}
    write_run(tmp_path / "late", late)
    assert main([str(tmp_path), "--at", "1", "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    assert "no figure against cost" in shown
    found = json.loads((tmp_path / "report/comparison.json").read_text())
    [one] = found["methods"]
    assert (found["measures"], one["timed_runs"]) == (["value"], 1)  # the seconds of its parts add up
    assert one["wall_seconds"] == pytest.approx(good["wall_seconds"])
    assert one["value"]["1"]["mean"] is None
    assert one["value"][str(SWEEP_BUDGET)] == {
        "mean": good["best"]["value"], "standard_error": None, "median": good["best"]["value"]
    }  # fmt: skip
