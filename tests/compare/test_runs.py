"""Reading runs and naming methods, on real runs and on runs changed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import SWEEP_BUDGET, changed, result, run_search, write_run

from nas.compare.methods import by_method
from nas.compare.runs import read_runs
from nas.errors import UserError


def test_unfinished_and_damaged_runs_are_told_and_left_out(sweep: Path, tmp_path: Path) -> None:
    good = result(sweep / "0")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/history.jsonl").touch()
    write_run(tmp_path / "b/nested", good)
    for name, text in {"c": "{", "d": "[]", "e": json.dumps({**good, "incumbent_value": [[1.0]]})}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(text)
    write_run(tmp_path / "f", {key: value for key, value in good.items() if key != "config"})
    write_run(tmp_path / "g", {**good, "incumbent_value": [None] * SWEEP_BUDGET})
    write_run(tmp_path / "h", {**good, "incumbent_value": [0.5] * (SWEEP_BUDGET + 1)})
    write_run(tmp_path / "i", {**good, "incumbent_value": [float("inf")] * SWEEP_BUDGET})
    runs, left_out = read_runs([tmp_path])
    assert [run.folder for run in runs] == [tmp_path / "b/nested"]
    reasons = ["a is unfinished: continue it with resume=", "c/result.json is damaged: Expecting property name",
               "d/result.json is damaged", "e/result.json is damaged: incumbent_value has shape (1, 1)",
               "f/result.json has no 'config'", "g/result.json is damaged: incumbent_value has no finite last value",
               "h/result.json is damaged: incumbent_value has shape (31,)",
               "i/result.json is damaged: incumbent_value has no finite last value"]  # fmt: skip
    assert len(left_out) == len(reasons)
    for line, reason in zip(left_out, reasons, strict=True):
        assert f"{tmp_path}/{reason}" in line
        assert "\n" not in line


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


def test_a_repetition_counts_once_and_a_contradiction_is_refused(sweep: Path, tmp_path: Path) -> None:
    good = result(sweep / "0")
    folder = write_run(tmp_path / "again", good)
    named, left_out = by_method(read_runs([sweep, sweep / "1", folder])[0])
    assert [len(runs) for runs in named.values()] == [3, 3]
    assert len(left_out) == 1
    assert "repeats" in left_out[0]
    write_run(tmp_path / "other", {**good, "incumbent_value": [0.5] * SWEEP_BUDGET})
    with pytest.raises(UserError, match="the same method with the same seed 0, but found different values"):
        methods(sweep, tmp_path)


def test_a_run_records_how_it_was_chosen(tmp_path: Path, small_table: Path) -> None:
    (tmp_path / "options/experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - override /strategy: random\n  - override /estimator: none\npool: 20\n"
    (tmp_path / "options/experiment/mine.yaml").write_text(text)
    data, options = str(small_table.parent), ["space.max_vertices=5", "budget=21", "hydra.run.dir=run"]
    done = run_search("--config-dir=options", "experiment=mine", *options, cwd=tmp_path, NAS_DATA_DIR=data)
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["choices"]["experiment"] == "mine"
    (tmp_path / "run/result.json").unlink()
    done = run_search("resume=run", cwd=tmp_path, NAS_DATA_DIR=data)
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["choices"]["experiment"] == "mine"
    assert methods(tmp_path) == {"mine": [0]}


def test_a_run_on_a_table_of_ones_own_goes_on_from_any_folder(own_table: Path, tmp_path: Path) -> None:
    options = ["space=custom", "space.path=mine.csv", "space.value=valid", "space.test=test", "space.cost=seconds"]
    for seed, name in enumerate(("here", "there")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.csv").write_bytes(own_table.read_bytes())
        plain = [*options, "estimator=none", "budget=21", f"seed={seed}", "hydra.run.dir=run"]
        done = run_search(*plain, cwd=tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert methods(tmp_path) == {"bayesian + none": [0, 1]}
    (tmp_path / "here/run/result.json").unlink()
    done = run_search("resume=here/run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert methods(tmp_path) == {"bayesian + none": [0, 1]}


def test_what_is_continued_is_a_search(sweep: Path, tmp_path: Path) -> None:
    harm = {"_target_": "subprocess.Popen", "args": ["touch", str(tmp_path / "made")]}
    (tmp_path / "config.yaml").write_text(json.dumps({**result(sweep / "0")["config"], "acquisition": harm}))
    done = run_search(f"resume={tmp_path}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: acquisition._target_ is subprocess.Popen, which no option of")
    assert not (tmp_path / "made").exists()
