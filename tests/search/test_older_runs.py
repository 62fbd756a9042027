"""Runs that were recorded before there were schedulers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import nas
from nas.errors import UserError
from nas.search.console import print_summary

OPTIONS = ("space=nb101", "table=digits", "estimator=none", "strategy=evolution", "initial=2")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The folder of such a run."""
    folder = tmp_path / "run"
    nas.run(*OPTIONS, "budget=6", folder=folder)
    record = yaml.safe_load((folder / "config.yaml").read_text())
    del record["scheduler"], record["evaluator"]["workers"], record["choices"]["scheduler"]
    (folder / "config.yaml").write_text(yaml.safe_dump(record))
    result = json.loads((folder / "result.json").read_text())
    for name in ("unit", "evaluations", "spent"):
        del result[name]
    (folder / "result.json").write_text(json.dumps(result))
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for line in lines:
        del line["clock"]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_it_is_read_and_goes_on(older: Path, tmp_path: Path, capsys) -> None:
    found = nas.run(f"resume={older}")  # it is finished
    print_summary(found.content, older)
    assert "best after 6 evaluations" in capsys.readouterr().out
    whole = nas.run(*OPTIONS, "budget=12", folder=tmp_path / "whole")
    more = nas.run(f"resume={older}", "budget=12")
    assert [trial.genes for trial in more.trials] == [trial.genes for trial in whole.trials]
    assert more.content["cumulative_cost_seconds"] == whole.content["cumulative_cost_seconds"]


def test_it_cannot_change_its_scheduler(older: Path) -> None:
    with pytest.raises(UserError, match=r"holds a run with another configuration: scheduler"):
        nas.run(f"resume={older}", "scheduler=asha")
