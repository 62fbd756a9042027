"""Failed trials that are tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import accuracy
from loops import BUDGET, Stop, StoppedError, Threads, recorded, run

from nas.estimators import NoEstimator
from nas.search import Callback, Search, Trial
from nas.search.journal import Journal
from nas.spaces import NB101
from nas.strategies import LocalSearch, RegularizedEvolution


@pytest.mark.parametrize("slots", [1, 3])
def test_failed_trials_can_be_tried_again_and_are_charged_once(slots: int, tmp_path: Path, small_space: NB101) -> None:
    # Whatever their order, at least `slots` fail: half of all, of any value.
    before = run(tmp_path, Threads(small_space, slots, fails=lambda value: value * 1e6 % 1 < 0.5))
    failed = [trial.step for trial in before if trial.error]
    limit = np.median(accuracy(small_space, before.genes[failed]))
    again = Threads(small_space, slots, fails=lambda value: value > limit)
    after = run(tmp_path, again, retry=True)
    assert sorted(again.started) == sorted(before.keys[failed].tolist())
    assert after.keys.tolist() == before.keys.tolist()
    assert after.seconds.tolist() == [2.0 if step in failed else 1.0 for step in range(BUDGET)]
    assert len(recorded(tmp_path)) == BUDGET + len(failed)
    still = [step for step in failed if after[step].error]
    assert 0 < len(still) == after.failures < len(failed)
    for step in set(failed) - set(still):
        assert after[step].values["accuracy"] == pytest.approx(float(accuracy(small_space, before.genes[[step]])[0]))
        assert after[step].error is None
    best = int(np.nanargmax(after.value))
    assert after.best.step == best
    with Journal(tmp_path) as journal:
        read, unfinished = journal.read(small_space, "accuracy")
    assert [*read] == [*after]
    assert not unfinished
    more = run(tmp_path, Threads(small_space, slots), budget=BUDGET + 5)
    assert len(more) == len(set(more.keys.tolist())) == BUDGET + 5


@pytest.mark.parametrize("strategy", ["evolution", "local"])
def test_a_search_whose_failed_trials_were_repeated_continues_into_the_same_history(
    strategy: str, tmp_path: Path, small_space: NB101
) -> None:
    """What was repeated late came late, to a strategy that forgets the oldest, too."""

    def go_on(folder: Path, threshold: float, budget: int, **options: Any) -> None:
        evaluator = Threads(small_space, 1, fails=lambda value: value > threshold)
        make = {"evolution": lambda space: RegularizedEvolution(space, 12, 5), "local": LocalSearch}[strategy]
        none = NoEstimator(small_space)  # what the strategy proposes first is evaluated
        run(folder, evaluator, strategy=make(small_space), estimator=none, budget=budget, **options)

    for name in ("whole", "stopped"):
        folder = tmp_path / name
        folder.mkdir()
        go_on(folder, 0.899, BUDGET)
    failed = [line["step"] for line in recorded(tmp_path / "whole") if not line["values"]]
    assert len(failed) > 5
    go_on(tmp_path / "whole", 1.0, BUDGET + 20, retry=True)
    with pytest.raises(StoppedError):
        go_on(tmp_path / "stopped", 1.0, BUDGET + 20, retry=True, stop=Stop(BUDGET + 6))
    go_on(tmp_path / "stopped", 1.0, BUDGET + 20)
    lines, stopped = ([{**line, "clock": None} for line in recorded(tmp_path / name)] for name in ("whole", "stopped"))
    assert lines == stopped
    assert len(lines) == BUDGET + 20 + len(failed)


def test_a_retry_that_was_stopped_is_done_again(tmp_path: Path, small_space: NB101) -> None:
    before = run(tmp_path, Threads(small_space, 1, fails=lambda value: value > 0.902))
    failed = [trial.key for trial in before if trial.error]
    assert len(failed) > 2

    class StopAtOnce(Callback):
        def on_trial(self, search: Search, trial: Trial) -> None:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(tmp_path, Threads(small_space, 1), stop=StopAtOnce(), retry=True)
    rest = Threads(small_space, 1)
    after = run(tmp_path, rest)
    assert [f"{key:016x}" for key in rest.started] == failed[1:]
    assert after.failures == 0
