from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nas.study.__main__ import main

FEW = ["predictors=[ridge,sotl_e,params]", "sizes=[5,20]", "epochs=[1,4]", "splits=2", "networks=30", "table=digits"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_DATA_DIR", raising=False)
    return tmp_path


def entries(folder) -> dict[tuple, dict]:
    report = json.loads((folder / "study.json").read_text())
    return {(one["predictor"], one["epochs"], one["test"], one["size"]): one for one in report["measured"]}


def test_a_study_ranks_reports_and_is_not_measured_again(here, capsys) -> None:
    assert main(FEW) == 0
    told = capsys.readouterr().out
    assert "With this much time, take this predictor (uniform networks)" in told
    folder = here / "outputs/study/nb101_digits"
    found = entries(folder)
    assert set(found) == {
        *(("ridge", None, kind, size) for kind in ("uniform", "mutated") for size in (5, 20)),
        *(("sotl_e", epochs, kind, 0) for kind in ("uniform", "mutated") for epochs in (1, 4)),
        *(("params", None, kind, 0) for kind in ("uniform", "mutated")),
        *(("full training", None, kind, 0) for kind in ("uniform", "mutated")),
    }
    assert found["sotl_e", 4, "uniform", 0]["tau"]["mean"] > found["sotl_e", 1, "uniform", 0]["tau"]["mean"]
    assert found["full training", None, "uniform", 0]["tau"]["mean"] > 0.8
    page = (folder / "study.html").read_text()
    assert page.count("<img") == 4
    assert "http" not in page.replace("http://www.w3.org", "")
    journal = (folder / "journal.jsonl").read_bytes()
    assert len(journal.splitlines()) == 1 + 2 * 2 * 5
    assert main(FEW) == 0
    assert (folder / "journal.jsonl").read_bytes() == journal


def test_processes_measure_the_same(here) -> None:
    assert main([*FEW, "tests=[uniform]", "folder=one"]) == 0
    assert main([*FEW, "tests=[uniform]", "folder=two", "workers=2"]) == 0
    one, two = entries(here / "one"), entries(here / "two")
    assert {what: entry["tau"] for what, entry in one.items()} == {what: entry["tau"] for what, entry in two.items()}


def test_what_the_table_lacks_is_left_out_with_a_reason(here, own_table, capsys) -> None:
    own = ["space=custom", f"space.path={own_table}", "space.value=valid", "space.test=test", "space.cost=seconds"]
    predictors = "predictors=[random_forest,sotl_e,params]"
    code = main([*own, predictors, "sizes=[5,20]", "splits=2", "networks=30", "tests=[uniform]"])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "left out: sotl_e: " in told.err
    assert "left out: params: " in told.err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["predictors=[nosuch]"], "estimator=nosuch is unknown, allowed: "),
        (["predictors=[]"], "predictors is [], must not be empty"),
        (["sizes=[0]"], "sizes[0] is 0, must be at least 1"),
        (["networks=5"], "networks is 5, must be at least 20"),
        (["tests=[near]"], "tests[0] is 'near', must be uniform or mutated"),
        (["size=[5]"], "size is unknown, allowed: "),
        (["sizes=[2400]"], "sizes has 2400 and networks is 200, must be 2532 together at most"),
        (["epochs=[8]"], "epochs has 8, the table has before the end of a training: 1, 2, 3, 4, 5, 6, 7"),
        (["table=nosuch"], "nosuch"),
        (
            ["folder=/dev/null/here", "predictors=[ridge]"],
            "folder is /dev/null/here, which cannot be made (Not a directory): name another",
        ),
        (["space=5"], "space=5 names nothing, allowed: custom, nb101, nb201"),
        (["evaluator=training"], "evaluator is TrainingEvaluator, a study needs a table: evaluator=table"),
    ],
)
def test_a_mistake_is_one_line(here, capsys, options, line) -> None:
    assert main(["table=digits", *options]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("error: ")
    assert line in told[-1]


def test_a_journal_of_another_protocol_is_refused(here, capsys) -> None:
    assert main([*FEW, "tests=[uniform]", "splits=1", "folder=one"]) == 0
    assert main([*FEW, "tests=[uniform]", "splits=1", "folder=one", "networks=31"]) == 1
    assert "holds measurements of another ranked (30; now 31)" in capsys.readouterr().err


def test_sizes_that_the_table_does_not_have_leave_no_trace(here, capsys) -> None:
    few = ["table=digits", "predictors=[ridge]", "splits=1", "tests=[uniform]"]
    assert main([*few, "sizes=[5,2600]"]) == 1
    assert "sizes has 2600 and networks is 200, must be 2532 together at most" in capsys.readouterr().err
    assert main([*few, "sizes=[5]"]) == 0
    assert entries(here / "outputs/study/nb101_digits")["ridge", None, "uniform", 5]["splits"] == 1


@pytest.mark.parametrize(("option", "name"), [("seed=3", "seed"), ("dataset.train=100", "images")])
def test_what_is_seen_otherwise_is_not_taken_from_a_journal(here, capsys, option, name) -> None:
    few = ["table=digits", "dataset=digits", "predictors=[early_accuracy]", "epochs=[1]", "splits=1", "tests=[uniform]"]
    assert main(few) == 0
    assert main([*few, option]) == 1
    assert f"holds measurements of another {name} (" in capsys.readouterr().err


def test_nothing_is_counted_twice_and_nothing_vanishes(here, capsys) -> None:
    few = ["table=digits", "predictors=[knn_graph,ridge,lcsvr]", "sizes=[5]", "epochs=[2,4]", "splits=2", "networks=30"]
    assert main([*few, "tests=[uniform,uniform]"]) == 0
    found = entries(here / "outputs/study/nb101_digits")
    assert found["ridge", None, "uniform", 5]["splits"] == 2
    told = capsys.readouterr().err
    assert "left out: knn_graph: it needs 10 labels, sizes has at most 5" in told
    assert "left out: lcsvr (2 ep.): it needs more of a learning curve" in told
    report = json.loads((here / "outputs/study/nb101_digits/study.json").read_text())
    assert report["observes"]["lcsvr (4 ep.)"][0].startswith("valid_accuracy 4 ")


def test_it_is_a_command_of_the_program(here) -> None:
    done = subprocess.run([sys.executable, "-m", "nas", "study", "--help"], capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
