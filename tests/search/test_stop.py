"""Searches that end before their budget is spent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

import nas
from nas.errors import UserError
from nas.search.callbacks import Callback

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


EMPROX = (*SMALL[:2], "budget=80", "initial=5", "estimator.encoder.cells=2000", "estimator.encoder.epochs=1")


def test_a_search_ends_when_little_is_expected_of_what_it_evaluates(tmp_path: Path) -> None:
    """Of the last 20 that were estimated, by the textbook's formula; at no moment before was it so little."""
    result = nas.run(*EMPROX, "stop.improvement=0.0005", folder=tmp_path / "run")
    rows = [trial for trial in result.trials if trial.predicted_std is not None]
    values = result.trials.value
    assert 5 + 20 <= len(values) < 80

    def expected(trial) -> float:
        gain = trial.predicted_mean - values[: trial.step].max()
        if trial.predicted_std == 0:
            return max(gain, 0)
        z = gain / trial.predicted_std
        return gain * norm.cdf(z) + trial.predicted_std * norm.pdf(z)

    means = [np.mean([expected(trial) for trial in rows[end - 20 : end]]) for end in range(20, len(rows) + 1)]
    assert means[-1] < 0.0005 <= min(means[:-1])
    assert "stop.improvement" in result.content["stopped"]
    assert f"{means[-1]:.2g}" in result.content["stopped"]


def test_nothing_is_expected_without_deviations(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stop\.improvement is 0\.001, which needs standard deviations, but Ridge"):
        nas.run(*SMALL, "stop.improvement=0.001", folder=tmp_path / "run")


def test_training_seconds_end_a_search(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "stop.training_seconds=20", folder=tmp_path / "run")
    spent = np.cumsum(result.trials.seconds)
    assert spent[-2] < 20 <= spent[-1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["stopped"].startswith("training has taken")


def test_wall_seconds_of_all_parts_end_a_search(tmp_path: Path) -> None:
    result = nas.run(*SMALL, "stop.wall_seconds=1e-6", folder=tmp_path / "run", callbacks=[])
    assert len(result.trials) == 1


@pytest.mark.parametrize("name", ["improvement", "patience", "wall_seconds", "training_seconds"])
def test_limits_out_of_range_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"stop\.{name} is 0"):
        nas.run(*SMALL, f"stop.{name}=0", folder=tmp_path / "run")


def test_a_limit_of_training_seconds_needs_all_of_them(tmp_path: Path) -> None:
    def told(cell: dict[str, str]) -> float:
        return float(len(set(cell.values())))

    message = r"^stop\.training_seconds is 5, but the training seconds of 1 of 1 evaluations are unknown: use stop\.w"
    with pytest.raises(UserError, match=message):
        nas.run("space=nb201", "estimator=ridge", "stop.training_seconds=5", function=told, folder=tmp_path / "run")
    assert len(nas.load(tmp_path / "run").trials) == 1  # what was done is kept


def test_limits_change_from_python(tmp_path: Path) -> None:
    stopped = nas.run(*SMALL, "stop.patience=8", folder=tmp_path / "run")
    longer = stopped.resume(stop={"patience": 12})
    assert longer.content["stopped"].startswith("nothing better was found in 12 evaluations")


def test_a_run_that_was_killed_while_it_went_on_is_unfinished(tmp_path: Path) -> None:
    class Killed(Callback):
        def on_trial(self, search: nas.Search, trial: nas.search.Trial) -> None:
            raise KeyboardInterrupt

    nas.run(*SMALL, folder=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        nas.load(tmp_path / "run").resume(budget=80, callbacks=[Killed()])
    assert not nas.load(tmp_path / "run").finished
    again = nas.run(f"resume={tmp_path / 'run'}")
    assert again.finished
    assert len(again.trials) == 80
