"""Searches that stop trainings early, on budgets of epochs and seconds: what is spent, recorded and gone on with."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fidelities import VALUE, Dies, Line, Staged, StopsError, history, never, run, some, trained

from nas.schedulers import Asha, Forecast, Full, Halving, Hyperband, OneEpoch
from nas.search.phases import Phases
from nas.search.schedule import Schedule
from nas.spaces import NB101
from nas.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from nas.types import Batch, Candidate, Values

SCHEDULERS: dict[str, Callable[[], Any]] = {
    "asha": Asha,
    "halving": Halving,
    "hyperband": Hyperband,
    "one_epoch": OneEpoch,
    "forecast": lambda: Forecast(learn=3, eta=3.0),
}
SMALL = ["space.max_vertices=5", "table=digits", "strategy=evolution", "estimator=none"]


def constant(candidate: Candidate) -> float:
    return 1.0


def whole(lines: list[Line]) -> list[Line]:
    return [line for line in lines if not line.get("partial") and not line.get("error")]


@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_epochs_are_never_overspent_and_all_are_spent_up_to_one_job(
    name: str, continues: bool, slots: int, small_space: NB101, tmp_path: Path
) -> None:
    evaluator = Staged(small_space, slots=slots, continues=continues, fails=some)
    search = run(tmp_path, evaluator, SCHEDULERS[name](), "epochs:60", strategy=RandomSearch)
    lines = history(tmp_path)
    spent = trained(lines, continues)
    assert [*np.cumsum(spent)] == [*np.cumsum(search.trials.events.trained(continues))]
    assert search.spending.spent == sum(spent) <= 60
    spending = search.spending
    if spending.left and (job := search.schedule.next(spending, True, Phases())):  # the next job is not paid for
        reached = 0 if job.row is None else next(one["epochs"] for one in reversed(lines) if one["step"] == job.row)
        assert (job.until or 9) - reached * continues > 60 - sum(spent)
    else:
        assert 60 - sum(spent) < (1 if name != "one_epoch" else 10)
    for number, line in enumerate(lines):  # a training goes from rung to rung, and a failure ends it
        before = [one for one in lines[:number] if one["step"] == line["step"]]
        assert not any(one.get("error") for one in before)
        assert [one["epochs"] for one in before] == sorted({one["epochs"] for one in before})
        assert not before or before[-1]["epochs"] < line["epochs"]
        assert line.get("partial", False) == (line["epochs"] < 9 and not line.get("error"))


@pytest.mark.parametrize("continues", [True, False])
def test_what_goes_on_is_charged_as_the_evaluator_trains(continues: bool, small_space: NB101, tmp_path: Path) -> None:
    evaluator = Staged(small_space, continues=continues, seconds=constant)
    search = run(tmp_path, evaluator, Asha(), "epochs:90", strategy=RandomSearch)
    lines = history(tmp_path)
    expected = {1: 1, 3: 2, 9: 6} if continues else {1: 1, 3: 3, 9: 9}
    assert {line["epochs"] for line in lines} == {1, 3, 9}
    assert [line["seconds"] for line in lines] == [expected[line["epochs"]] for line in lines]
    assert search.spending.spent == sum(expected[line["epochs"]] for line in lines)
    by_trial = Counter({line["step"]: 0 for line in lines})
    for line in lines:
        by_trial[line["step"]] += line["seconds"]
    assert search.trials.seconds.tolist() == [by_trial[step] for step in range(len(search.trials))]
    assert search.clock == sum(by_trial.values())
    assert [one.reached for one in evaluator.asked] == [{1: 0, 3: 1, 9: 3}[line["epochs"]] for line in lines]


def test_of_several_that_end_at_once_what_began_first_is_done_first(small_space: NB101, tmp_path: Path) -> None:
    evaluator = Staged(small_space, slots=8, seconds=constant)
    run(tmp_path, evaluator, Hyperband(), "epochs:60", strategy=RandomSearch)
    begun = {(one.key, one.until): number for number, one in enumerate(evaluator.asked)}
    done = [(line["clock"], begun[line["key"], line["epochs"]]) for line in history(tmp_path)]
    assert done == sorted(done)
    assert len({clock for clock, _ in done}) < len(done) / 2


@pytest.mark.parametrize("slots", [1, 4])
def test_what_an_epoch_costs_is_its_mean_on_the_clock(slots: int, small_space: NB101, tmp_path: Path) -> None:
    evaluator = Staged(small_space, slots=slots)
    search = run(tmp_path, evaluator, OneEpoch(last=4), "seconds:90", strategy=RandomSearch)
    lines = history(tmp_path)
    mean = sum(line["seconds"] for line in lines) / sum(trained(lines))
    assert search.spending.epoch == pytest.approx(mean)
    assert Counter(line["epochs"] for line in lines)[9] >= 4
    assert abs(90 - lines[-1]["clock"]) < 20  # as many looks as leave room for the whole trainings
    for budget, cost in (("epochs:10", 1.0), (3, 0.0)):
        other = run(tmp_path / f"{cost}", Staged(small_space), OneEpoch(last=1), budget, strategy=RandomSearch)
        assert other.spending.epoch == cost


@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize("name", ["asha", "halving", "hyperband", "forecast"])
def test_the_clock_is_that_of_so_many_workers(name: str, slots: int, small_space: NB101, tmp_path: Path) -> None:
    run(tmp_path, Staged(small_space, slots=slots), SCHEDULERS[name](), "seconds:40", strategy=RandomSearch)
    lines = history(tmp_path)
    clocks = [line["clock"] for line in lines]
    assert clocks == sorted(clocks)
    begun = sorted(line["clock"] - line["seconds"] for line in lines)
    # all begin at once, and then one whenever one is done before the budget ends
    early = [clock for clock in clocks if clock < 40]
    assert len(lines) == len(early) + slots
    assert begun == pytest.approx([0.0] * slots + early)
    key = {line["step"]: line["key"] for line in lines}
    reached: dict[int, int] = defaultdict(int)
    for line in lines:
        assert line["seconds"] == pytest.approx(
            (1 + int(key[line["step"]], 16) % 97 / 97) * (line["epochs"] - reached[line["step"]])
        )
        reached[line["step"]] = line["epochs"]


KILLED: dict[str, tuple[str, int, dict[str, Any], Any]] = {
    "asha": ("asha", 1, {}, RegularizedEvolution),
    "asha, 8 workers": ("asha", 8, {"fails": some}, RegularizedEvolution),
    "hyperband": ("hyperband", 1, {"fails": some}, RegularizedEvolution),
    "hyperband, 8 workers that end at once": ("hyperband", 8, {"seconds": constant}, RegularizedEvolution),
    "forecast": ("forecast", 1, {}, RegularizedEvolution),
    "forecast, 8 workers": ("forecast", 8, {"fails": some}, RegularizedEvolution),
    "one_epoch, separate trainings": ("one_epoch", 8, {"continues": False}, RegularizedEvolution),
    "local search": ("asha", 1, {}, LocalSearch),
}


@pytest.mark.parametrize("case", KILLED)
def test_a_run_that_is_killed_leaves_what_an_unbroken_one_does(case: str, small_space: NB101, tmp_path: Path) -> None:
    name, slots, options, strategy = KILLED[case]

    def go(folder: Path, callback: Any = None) -> None:
        evaluator = Staged(small_space, slots=slots, **options)
        run(folder, evaluator, SCHEDULERS[name](), "epochs:70", strategy=strategy, callback=callback)

    go(tmp_path / "whole")
    content = (tmp_path / "whole/history.jsonl").read_bytes()
    rng = np.random.default_rng(0)
    at = sorted(rng.choice(np.arange(1, content.count(b"\n")), size=4, replace=False).tolist())
    before = 0
    for number, kill in enumerate(at):  # the same run again and again
        with pytest.raises(StopsError):
            go(tmp_path / "broken", Dies(kill - before))
        path = tmp_path / "broken/history.jsonl"
        text = path.read_bytes()
        assert text == b"".join(content.splitlines(keepends=True)[:kill])
        before = kill
        if number % 2:  # dead before that line was written, or half of it
            end = text.rstrip(b"\n").rfind(b"\n") + 1
            path.write_bytes(text[: end + 20 * (number == 3)])
            before -= 1
    go(tmp_path / "broken")
    assert (tmp_path / "broken/history.jsonl").read_bytes() == content


class Told(RandomSearch):
    """Keeps what it was told last of each network."""

    def __init__(self, space: NB101) -> None:
        super().__init__(space)
        self.last: dict[int, float] = {}

    def tell(self, batch: Batch, values: Values) -> None:
        super().tell(batch, values)
        self.last |= {key: value for key, value in zip(batch.keys.tolist(), values.tolist(), strict=True)
                      if np.isfinite(value)}  # fmt: skip

    def revalue(self, batch: Batch, values: Values) -> None:
        super().revalue(batch, values)
        self.last |= dict(zip(batch.keys.tolist(), values.tolist(), strict=True))


def test_a_strategy_knows_where_a_training_ended(small_space: NB101, tmp_path: Path) -> None:
    evaluator = Staged(small_space, fails=lambda key, until: until == 9 and int(key, 16) % 2 == 0)
    search = run(tmp_path, evaluator, Forecast(learn=3, eta=3.0), "epochs:120", strategy=Told)
    strategy = search.strategy
    assert isinstance(strategy, Told)
    assert strategy.values.tolist() == [strategy.last[key] for key in strategy.told.keys.tolist()]
    lines = history(tmp_path)
    end = {line["key"]: line for line in lines}
    first = {line["key"]: line for line in reversed(lines)}
    newest = lines[-1]["step"]
    checked: Counter[bool] = Counter()
    for key, value in strategy.last.items():
        line = end[f"{key:016x}"]
        if line["step"] == newest or line.get("partial"):
            continue
        failed = bool(line.get("error"))  # then it is worth what it was told first
        assert value == (first if failed else end)[f"{key:016x}"]["values"][VALUE]
        checked[failed] += 1
    assert checked[True]
    assert checked[False]


def test_incumbents_are_whole_trainings(small_space: NB101, tmp_path: Path) -> None:
    class Odd(Staged):
        def curve(self, candidate: Candidate, until: int) -> float:
            return 0.5 / until + 0.3 * super().curve(candidate, until)  # early values are the highest

    search = run(tmp_path, Odd(small_space), Asha(), "epochs:80", strategy=RandomSearch)
    lines = history(tmp_path)
    ends = whole(lines)
    assert 1 < len(ends) < len(lines)
    best = max(ends, key=lambda line: line["values"][VALUE])
    assert search.best is not None
    assert search.best.step == best["step"]
    assert {search.trials[int(row)].step for row in search.trials.leading} == {line["step"] for line in ends}
    recommended = search.recommended()
    assert recommended is not None
    assert recommended.step in {line["step"] for line in ends}


def test_early_values_are_carried_to_the_end_by_lines(small_space: NB101, tmp_path: Path) -> None:
    search = run(tmp_path, Staged(small_space), Asha(), "epochs:120", strategy=RandomSearch)
    at: dict[int, dict[int, float]] = defaultdict(dict)
    for line in history(tmp_path):
        at[line["step"]][line["epochs"]] = line["values"][VALUE]
    lines = {}
    for low, high in ((1, 3), (3, 9)):
        x, y = np.array([(one[low], one[high]) for one in at.values() if low in one and high in one]).T
        every = np.array([one[low] for one in at.values() if low in one])
        # least squares with two pairs' worth of a slope of 1, as one more row of data
        weight = np.sqrt(2 * every.var() + 1e-12)
        rows = np.concatenate([x - x.mean(), [weight]])[:, None]
        [slope] = np.linalg.lstsq(rows, np.concatenate([y - y.mean(), [weight]]), rcond=None)[0]
        lines[low] = (slope, y.mean() - slope * x.mean())
    kinds = Counter(max(known) for known in at.values())
    assert min(kinds[1], kinds[3], kinds[9]) > 0
    for step, known in at.items():
        reached = max(known)
        value = known[reached]
        for rung in (1, 3):
            if reached <= rung:
                value = lines[rung][1] + lines[rung][0] * value
        assert search.values[step] == pytest.approx(value, rel=1e-9)


def test_a_training_that_fails_on_the_way_is_over_and_charged(small_space: NB101, tmp_path: Path) -> None:
    evaluator = Staged(small_space, fails=lambda key, until: until == 3)
    search = run(tmp_path, evaluator, Asha(), "epochs:40", strategy=RandomSearch)
    lines = history(tmp_path)
    failed = [line for line in lines if line.get("error")]
    assert failed
    assert {line["epochs"] for line in failed} == {3}
    assert search.spending.spent == sum(trained(lines))
    assert 38 <= sum(trained(lines)) <= 40
    assert search.trials.failures == len(failed)
    assert {line["step"] for line in failed} == {*np.flatnonzero(np.isnan(search.trials.value)).tolist()}
    assert search.best is not None
    assert search.best.partial


def test_failed_trainings_are_tried_again_from_the_beginning(small_space: NB101, tmp_path: Path) -> None:
    evaluator = Staged(small_space, fails=some)
    run(tmp_path, evaluator, Asha(), "epochs:40", strategy=RandomSearch)
    before = history(tmp_path)
    failed = {line["step"]: line["epochs"] for line in before if line.get("error")}
    assert len({*failed.values()}) > 1
    evaluator.fails = never
    search = run(tmp_path, evaluator, Asha(), "epochs:80", strategy=RandomSearch, retry=True)
    lines = history(tmp_path)
    again = lines[len(before) : len(before) + len(failed)]
    assert {line["step"]: line["epochs"] for line in again} == failed
    assert [one.reached for one in evaluator.asked[len(before) : len(before) + len(failed)]] == [0] * len(failed)
    assert search.trials.failures == 0
    assert search.spending.spent == sum(trained(lines)) <= 80


def test_the_space_is_used_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    space = NB101(max_vertices=3)
    with caplog.at_level(logging.WARNING, "nas"):
        search = run(tmp_path, Staged(space), Asha(), "epochs:1000", strategy=RandomSearch, initial=3)
    n = space.size
    assert search.used_up
    assert len(search.trials) == n
    assert search.spending.spent == sum(trained(history(tmp_path))) < 1000
    counts = Counter(line["epochs"] for line in history(tmp_path))
    assert counts == {1: n, 3: n // 3, **({9: n // 9} if n // 9 else {})}
    assert "the space is used up" in caplog.text


def test_a_budget_of_evaluations_lets_trainings_go_on_to_their_end(small_space: NB101, tmp_path: Path) -> None:
    search = run(tmp_path, Staged(small_space, slots=4), Halving(), 18, strategy=RandomSearch)
    assert len(search.trials) == 18
    assert Counter(line["epochs"] for line in history(tmp_path)) == {1: 18, 3: 6, 9: 2}


def test_full_trains_whole_on_every_budget(small_space: NB101, tmp_path: Path) -> None:
    search = run(tmp_path, Staged(small_space), Full(), "epochs:50", strategy=RandomSearch)
    assert [line["epochs"] for line in history(tmp_path)] == [9] * 5
    assert not search.trials.partial.any()


def test_an_evaluator_with_several_fidelities_makes_the_rungs(small_space: NB101) -> None:
    evaluator: Any = Staged(small_space, (1, 3, 9), slots=4, continues=False)
    schedule = Schedule.of(Asha(first=3), evaluator)
    assert (schedule.rungs, schedule.continues, schedule.slots) == ((3, 9), False, 4)
