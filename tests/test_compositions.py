"""Any estimator goes with any strategy, and any search that was stopped continues into the same history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import distinct, node, options, strategy_node

from nas._config import build
from nas.acquisition import Mean
from nas.evaluators import TableEvaluator
from nas.objectives import Objective
from nas.search import Callback, Search, Trial
from nas.search.build import shared_encoder
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.spaces import NB101
from nas.types import Evaluator

POOLS = [("bayesian", f"strategy/pool={pool}") for pool in options("strategy/pool")]
OTHERS = [(name,) for name in options("strategy") if name != "bayesian"]
STRATEGIES = [*POOLS, *OTHERS, ("nevergrad", "strategy.over=latent")]
PAIRS = [
    *((STRATEGIES[0], estimator) for estimator in options("estimator")),
    *((strategy, estimator) for strategy in STRATEGIES[1:] for estimator in distinct("estimator")),
]


class StoppedError(Exception):
    """What stands for the death of the program."""


def run(
    folder: Path,
    evaluator: Evaluator,
    strategy: tuple[str, ...],
    estimator: str,
    budget: int,
    acquisition=Mean(),  # noqa: B008
    stop_at: int | None = None,
    **options: int,
) -> list[dict]:
    space = evaluator.space
    estimates = build(node("estimator", estimator), "estimator", space=space, evaluator=evaluator)
    proposes = build(strategy_node(*strategy), "strategy", space=space, budget=budget, **shared_encoder(estimates))
    search = Search(space, proposes, estimates, acquisition, seed=1, budget=budget, value=evaluator.value, **options)

    class Stop(Callback):
        def on_trial(self, search: Search, trial: Trial) -> None:
            if len(search.trials) == stop_at:
                raise StoppedError

    with Journal(folder) as journal:
        search.add(*journal.read(space, evaluator.value))
        run_search(search, evaluator, journal, budget, Stop())
    return [vars(trial) for trial in search.trials]


@pytest.fixture(scope="module")
def few() -> Evaluator:
    """A small part of a real table that has learning curves."""
    whole = TableEvaluator(NB101(max_vertices=5), "digits")
    params = whole.objective("params", whole.space.batch(whole.space.enumerate()))
    return Objective({"params": f"<={np.quantile(params, 0.06):.0f}"}).restrict(whole)


@pytest.mark.parametrize(
    ("strategy", "estimator"), PAIRS, ids=lambda part: part if isinstance(part, str) else " ".join(part)
)
def test_any_estimator_goes_with_any_strategy(strategy, estimator: str, tmp_path: Path, few: Evaluator) -> None:
    trials = run(tmp_path, few, strategy, estimator, 24, initial=20, pool=30, batch=2)
    assert len({trial["key"] for trial in trials}) == 24
    assert [trial["predicted_mean"] is None for trial in trials] == [True] * 20 + [estimator == "none"] * 4
    assert all(np.isfinite(trial["values"][few.value]) for trial in trials)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=" ".join)
def test_a_stopped_search_continues_into_the_same_history(strategy, tmp_path: Path, evaluator) -> None:
    options = {"initial": 12, "pool": 60, "batch": 3}
    acquisition = build(node("acquisition", "thompson"), "acquisition")
    (tmp_path / "whole").mkdir()
    whole = run(tmp_path / "whole", evaluator, strategy, "gp_graph", 40, acquisition, **options)
    with pytest.raises(StoppedError):
        run(tmp_path, evaluator, strategy, "gp_graph", 40, acquisition, stop_at=25, **options)
    assert run(tmp_path, evaluator, strategy, "gp_graph", 40, acquisition, **options) == whole
