"""Any estimator goes with any strategy, and any search that was stopped continues into the same history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import node, options, strategy_node

from nas._config import build
from nas.acquisition import Mean
from nas.evaluators import TableEvaluator
from nas.search.journal import History
from nas.search.loop import Budget, Phases, search

POOLS = [("bayesian", f"strategy/pool={pool}") for pool in options("strategy/pool")]
OTHERS = [(name,) for name in options("strategy") if name != "bayesian"]
STRATEGIES = [*POOLS, *OTHERS, ("nevergrad", "strategy.over=latent")]


class StoppedError(Exception):
    """What stands for the death of the program."""


def run(
    folder: Path,
    evaluator: TableEvaluator,
    strategy: tuple[str, ...],
    estimator: str,
    budget: Budget,
    acquisition=Mean(),  # noqa: B008
    stop_at: int | None = None,
) -> list[dict]:
    space = evaluator.space
    estimates = build(node("estimator", estimator), "estimator", space=space)
    proposes = build(strategy_node(*strategy), "strategy", space=space, estimator=estimates, budget=budget.total)

    def on_trial(history: History) -> None:
        if len(history) == stop_at:
            raise StoppedError

    with History(folder / "history.jsonl", space) as history:
        search(proposes, estimates, acquisition, evaluator, history, budget, seed=1, phase=Phases(), on_trial=on_trial)
    return [vars(trial) for trial in history.trials]


@pytest.mark.parametrize("estimator", options("estimator"))
@pytest.mark.parametrize("strategy", STRATEGIES, ids=" ".join)
def test_any_estimator_goes_with_any_strategy(strategy, estimator: str, tmp_path: Path, evaluator) -> None:
    trials = run(tmp_path, evaluator, strategy, estimator, Budget(total=24, initial=20, pool=30, batch=2))
    assert len({trial["key"] for trial in trials}) == 24
    assert [trial["predicted_mean"] is None for trial in trials] == [True] * 20 + [estimator == "none"] * 4
    assert all(np.isfinite(trial["value"]) for trial in trials)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=" ".join)
def test_a_stopped_search_continues_into_the_same_history(strategy, tmp_path: Path, evaluator) -> None:
    budget = Budget(total=40, initial=12, pool=60, batch=3)
    acquisition = build(node("acquisition", "thompson"), "acquisition")
    (tmp_path / "whole").mkdir()
    whole = run(tmp_path / "whole", evaluator, strategy, "gp_graph", budget, acquisition)
    with pytest.raises(StoppedError):
        run(tmp_path, evaluator, strategy, "gp_graph", budget, acquisition, stop_at=25)
    assert run(tmp_path, evaluator, strategy, "gp_graph", budget, acquisition) == whole
