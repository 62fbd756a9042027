"""Searches that end before their budget is spent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nas
from nas.errors import UserError

SMALL = ("space.max_vertices=5", "table=digits", "estimator=ridge", "budget=60", "initial=5")


def test_patience_ends_a_search_when_nothing_better_was_found(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "stop.patience=8", folder=tmp_path / "run")
    values = result.trials.value
    best_at = int(values.argmax())
    assert len(values) == best_at + 1 + 8 < 60
    for end in range(1, len(values)):  # at no moment before had it waited so long
        assert end - 1 - int(values[:end].argmax()) < 8
    assert result.content["stopped"].startswith("nothing better was found in 8 evaluations")
    whole = nas.run(*SMALL, folder=tmp_path / "whole")
    assert whole.content["stopped"] is None
    assert (whole.trials.value[: len(values)] == values).all()


def test_a_stopped_run_goes_on_with_more_patience_as_it_would_have(tmp_path: Path) -> None:
    stopped = nas.run(*SMALL, "stop.patience=8", folder=tmp_path / "run")
    again = stopped.resume()
    assert len(again.trials) == len(stopped.trials)
    onwards = nas.run(f"resume={tmp_path / 'run'}", "stop.patience=1000")
    whole = nas.run(*SMALL, folder=tmp_path / "whole")
    assert (onwards.trials.genes == whole.trials.genes).all()
    assert onwards.content["stopped"] is None


def test_training_seconds_end_a_search(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "stop.training_seconds=20", folder=tmp_path / "run")
    spent = np.cumsum(result.trials.seconds)
    assert spent[-2] < 20 <= spent[-1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["stopped"].startswith("training has taken")


def test_wall_seconds_of_all_parts_end_a_search(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "stop.wall_seconds=1e-6", folder=tmp_path / "run", callbacks=[])
    assert len(result.trials) == 1


@pytest.mark.parametrize("name", ["patience", "wall_seconds", "training_seconds"])
def test_limits_out_of_range_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"stop\.{name} is 0"):
        nas.run(*SMALL, f"stop.{name}=0", folder=tmp_path / "run")
