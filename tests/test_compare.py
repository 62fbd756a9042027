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
from helpers import run_search

from nas.compare import main, run
from nas.comparison_plots import draw_comparison
from nas.evaluators import TableEvaluator
from nas.metrics import expected_best_of_random
from nas.runs import by_method, read_runs

BUDGET = 30


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, small_table: Path) -> Path:
    """Two methods by three seeds on the small table."""
    cwd = tmp_path_factory.mktemp("work")
    options = ["space.max_vertices=5", "strategy=random,evolution", "estimator=none", "seed=0,1,2", f"budget={BUDGET}"]
    done = run_search("-m", *options, "hydra.sweep.dir=sweep", cwd=cwd, NAS_DATA_DIR=str(small_table.parent))
    assert done.returncode == 0, done.stderr
    return cwd / "sweep"


@pytest.fixture(autouse=True)
def data(small_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DATA_DIR", str(small_table.parent))


def compared(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def write_run(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(content))
    return folder


def changed(content: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {**content, "config": {**content["config"], **options}}


def test_the_figures_are_those_of_the_histories(sweep: Path, small_space, small_table: Path, capsys) -> None:
    found = compared(capsys, sweep, "--at", "10", "20", "--level", "90.9", "99")
    population = TableEvaluator(small_space, "auto", str(small_table), None, None).reference().signal
    expected = expected_best_of_random(population, 2000)
    assert {one["method"]: one["runs"] for one in found["methods"]} == {"random + none": 3, "evolution + none": 3}
    assert (found["at"], found["budget"], found["measures"]) == ([10, 20, BUDGET], BUDGET, ["value"])
    assert found["left_out"] == []
    for jobs, name in ((range(3), "random + none"), (range(3, 6), "evolution + none")):
        lines = [(sweep / f"{job}/history.jsonl").read_text().splitlines() for job in jobs]
        values = np.array([[json.loads(line)["value"] for line in run] for run in lines])
        [one] = [one for one in found["methods"] if one["method"] == name]
        for n in (10, 20, BUDGET):
            best = values[:, :n].max(axis=1)
            assert one["value"][str(n)]["mean"] == pytest.approx(best.mean())
            assert one["value"][str(n)]["standard_error"] == pytest.approx(best.std(ddof=1) / 3**0.5)
            needed = 1 + int(np.argmax(expected >= best.mean() - 1e-10))
            assert one["gain"][str(n)]["gain"] == pytest.approx(needed / n)
            low, high = one["gain"][str(n)]["interval"]
            assert low <= one["gain"][str(n)]["gain"] <= high
        needed = [int(np.argmax(run >= 0.909)) + 1 if run.max() >= 0.909 else BUDGET for run in values]
        assert one["queries_to"]["0.909"]["reached"] == sum(run.max() >= 0.909 for run in values)
        assert one["queries_to"]["0.909"]["restricted_mean"] == pytest.approx(np.mean(needed))
        assert one["queries_to"]["0.99"] == {
            "reached": 0, "median": None, "restricted_mean": BUDGET, "standard_error": 0.0
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
        "of the median",
    ):
        assert told in done.stdout
    page = (tmp_path / "report/comparison.html").read_text()
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
    assert json.loads((tmp_path / "report/comparison.json").read_text())["budget"] == BUDGET


def test_unfinished_and_damaged_runs_are_told_and_left_out(sweep: Path, tmp_path: Path, capsys) -> None:
    good = result(sweep / "0")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/history.jsonl").touch()
    write_run(tmp_path / "b/nested", good)
    for name, text in {"c": "{", "d": "[]", "e": json.dumps({**good, "incumbent_value": [[1.0]]})}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(text)
    write_run(tmp_path / "f", {key: value for key, value in good.items() if key != "config"})
    write_run(tmp_path / "g", {**good, "incumbent_value": [None] * BUDGET})
    write_run(tmp_path / "h", {**good, "incumbent_value": [0.5] * (BUDGET + 1)})
    found = compared(capsys, tmp_path)
    assert [one["runs"] for one in found["methods"]] == [1]
    reasons = ["a is unfinished: continue it with resume=", "c/result.json is damaged: Expecting property name",
               "d/result.json is damaged", "e/result.json is damaged: incumbent_value has shape (1, 1)",
               "f/result.json has no 'config'", "g/result.json is damaged: incumbent_value has no last value",
               "h/result.json is damaged: incumbent_value has shape (31,)"]  # fmt: skip
    assert len(found["left_out"]) == len(reasons)
    for line, reason in zip(found["left_out"], reasons, strict=True):
        assert f"{tmp_path}/{reason}" in line
        assert "\n" not in line


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


def methods(*folders: Path) -> dict[str, list[int]]:
    named, _ = by_method(read_runs(folders)[0])
    return {name: [run.seed for run in runs] for name, runs in named.items()}


def test_a_method_is_named_by_its_experiment_else_by_what_differs(sweep: Path, tmp_path: Path) -> None:
    good = result(sweep / "3")
    write_run(tmp_path / "0", good)
    write_run(tmp_path / "1", {**changed(good, seed=1), "seed": 1})
    assert methods(tmp_path) == {"evolution + none": [0, 1]}
    write_run(tmp_path / "2", changed(good, pool=7))
    write_run(tmp_path / "3", changed(good, strategy={**good["config"]["strategy"], "population": 9}))
    assert methods(tmp_path) == {
        "evolution + none, strategy.population=20, pool=1000": [0, 1],
        "evolution + none, strategy.population=20, pool=7": [0],
        "evolution + none, strategy.population=9, pool=1000": [0],
    }
    write_run(tmp_path / "4", {**changed(good, batch=2), "choices": {"experiment": "nb101/mine"}})
    assert methods(tmp_path)["nb101/mine"] == [0]
    write_run(tmp_path / "5", {**changed(good, pool=8), "choices": {}})
    assert methods(tmp_path)["RegularizedEvolution + NoEstimator"] == [0]


def test_an_experiment_with_another_choice_is_named_so(sweep: Path, tmp_path: Path) -> None:
    good = result(sweep / "0")
    own = {"strategy": "bayesian", "estimator": "emprox", "acquisition": "mean"}
    for name, choices in {
        "0": {"experiment": "nb101/emprox", **own},
        "1": {"experiment": "nb101/emprox", **own, "estimator": "ridge"},
        "2": {"experiment": "unknown/mine", **own},
        "3": {"experiment": "unknown/mine", **own, "acquisition": "ucb"},
    }.items():
        write_run(tmp_path / name, {**changed(good, pool=int(name) + 1), "choices": choices})
    assert list(methods(tmp_path)) == [
        "nb101/emprox",
        "nb101/emprox + ridge",
        "unknown/mine, acquisition=mean",
        "unknown/mine, acquisition=ucb",
    ]


def test_where_a_table_lay_makes_no_other_method(sweep: Path, tmp_path: Path) -> None:
    good = result(sweep / "0")
    moved = {**good["config"]["evaluator"], "path": "elsewhere.npz", "table": "cifar10", "signal": "test_mean"}
    other = {**changed(good, evaluator=moved, table="cifar10", executor={"_target_": "x"}, seed=5), "seed": 5}
    assert methods(sweep / "0", write_run(tmp_path / "moved", other)) == {"random + none": [0, 5]}


def test_an_estimator_seeded_with_the_run_makes_no_other_method(sweep: Path, tmp_path: Path) -> None:
    good = result(sweep / "0")
    for seed in (0, 1):
        estimator = {"_target_": "nas.estimators.Bananas", "seed": seed}
        write_run(tmp_path / f"{seed}", {**changed(good, seed=seed, estimator=estimator), "seed": seed})
    assert methods(tmp_path) == {"random + none": [0, 1]}


def test_a_repetition_counts_once_and_a_contradiction_is_refused(sweep: Path, tmp_path: Path, capsys) -> None:
    good = result(sweep / "0")
    folder = write_run(tmp_path / "again", good)
    found = compared(capsys, sweep, sweep / "1", folder)
    assert [one["runs"] for one in found["methods"]] == [3, 3]
    assert len(found["left_out"]) == 1
    assert "repeats" in found["left_out"][0]
    write_run(tmp_path / "other", {**good, "incumbent_value": [0.5] * BUDGET})
    assert main([str(sweep), str(tmp_path)]) == 1
    assert "the same method with the same seed 0, but found different values" in capsys.readouterr().err


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
    late |= {"incumbent_test_accuracy": None, "cumulative_cost_seconds": [None] * BUDGET, "best_of_space": None}
    write_run(tmp_path / "late", late)
    assert main([str(tmp_path), "--at", "1", "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    assert "no figure against cost" in shown
    found = json.loads((tmp_path / "report/comparison.json").read_text())
    [one] = found["methods"]
    assert (found["measures"], one["timed_runs"], one["wall_seconds"]) == (["value"], 0, {})
    assert one["value"]["1"]["mean"] is None
    assert one["value"][str(BUDGET)] == {
        "mean": good["best"]["value"], "standard_error": None, "median": good["best"]["value"]
    }  # fmt: skip


def test_a_run_records_how_it_was_chosen(tmp_path: Path, capsys) -> None:
    (tmp_path / "options/experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - override /strategy: random\n  - override /estimator: none\npool: 20\n"
    (tmp_path / "options/experiment/mine.yaml").write_text(text)
    options = ["space.max_vertices=5", "budget=21", "hydra.run.dir=run"]
    done = run_search("--config-dir=options", "experiment=mine", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["choices"]["experiment"] == "mine"
    (tmp_path / "run/result.json").unlink()
    done = run_search("resume=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["choices"]["experiment"] == "mine"
    assert [one["method"] for one in compared(capsys, tmp_path)["methods"]] == ["mine"]
