"""Does a search that stops by what it expects stop at the right time? `python -m experiments.stopping`.

Reads the runs of EmProx that `python -m experiments.search` left (150 evaluations, seeds 0 to 19), tells for several
limits `stop.improvement` where each would have stopped, by how much the best rose from there to the end, and how much
each of the next 20 evaluations improved it, in the mean: honest is no more than the limit. Values are validation
accuracies in percent, on NAS-Bench-101 mean test accuracies. Prints, and writes `experiments/results/stopping.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import nas
from nas.acquisition import expected_improvement
from nas.search.stop import LAST
from nas.types import Prediction, Values

RESULT = Path(__file__).parent / "results" / "stopping.json"
LIMITS = (0.00003, 0.00005, 0.0001, 0.0002, 0.0005)
TABLES = tuple(f"{name}_150" for name in (
    "nb101_search_cifar10", "nb201_search_cifar10", "nb201_search_cifar100", "nb101_search_digits",
))  # fmt: skip
AFTER = 20  # evaluations, of which the improvement is told


def stops_at(expected: Values, limit: float) -> int | None:
    """After how many evaluations a search stops at the limit; None: it does not. NaN: nothing was expected of one."""
    rows = np.flatnonzero(np.isfinite(expected))
    means = np.convolve(expected[rows], np.full(LAST, 1 / LAST), "valid")
    below = np.flatnonzero(means < limit)
    return int(rows[below[0] + LAST - 1]) + 1 if len(below) else None


def curves(folder: Path) -> tuple[Values, Values]:
    """`(n,)` what each evaluation was expected to improve the best by, and `(n,)` the best after each."""
    trials = nas.load(folder).trials
    best = np.fmax.accumulate(trials.value)
    before = np.concatenate([[np.nan], best[:-1]])
    return expected_improvement(Prediction(trials.predicted_mean, trials.predicted_std), before), best


def measured(runs: list[tuple[Values, Values]], limit: float) -> dict[str, Any]:
    """Where runs stop, and what came after, in percent, of those that stop with evaluations left."""
    stopped = [(end, best) for expected, best in runs if (end := stops_at(expected, limit)) and end < len(best)]
    if not stopped:
        return {"stopped": 0}
    ends = np.array([end for end, _ in stopped])
    missed = np.array([best[-1] - best[end - 1] for end, best in stopped])
    after = [(best[end : end + AFTER][-1] - best[end - 1]) / len(best[end : end + AFTER]) for end, best in stopped]
    return {
        "stopped": len(stopped),
        "evaluations": {"least": int(ends.min()), "median": float(np.median(ends)), "most": int(ends.max())},
        "missed_until_the_end": round(100 * float(missed.mean()), 4),
        "share_that_missed_something": float((missed > 0).mean()),
        "improvement_of_the_next": round(100 * float(np.mean(after)), 5),
    }


def main() -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments"))
    options = parser.parse_args()
    report: dict[str, Any] = {}
    for table in TABLES:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        folders = [options.folder / table / "EmProx" / str(seed) for seed in seeds]
        if lacking := [str(folder) for folder in folders if not (folder / "result.json").is_file()]:
            raise SystemExit(f"error: {lacking[0]} holds no finished run: run python -m experiments.search for {table}")
        runs = [curves(folder) for folder in folders]
        for limit in LIMITS:
            report[f"{table}, {limit:g}"] = measured(runs, limit)
            print(table, f"{limit:g}", json.dumps(report[f"{table}, {limit:g}"]), flush=True)
    RESULT.write_text(json.dumps({"seeds": options.seeds, "runs": report}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
