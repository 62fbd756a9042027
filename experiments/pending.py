"""What a search should believe of candidates that are pending: `python -m experiments.pending --seeds 4`.

Ten candidates are evaluated at once, and the next ten are asked for when all are told, on NAS-Bench-101 with EmProx as
it is set. The surrogate that chooses each of the ten is fitted to all trials, and to a value for each pending one: none
(pending ones are only not proposed again), their estimate, the mean of all trials, or the least. Figures are the mean
test accuracy of the best after 50, 100 and 150 evaluations, in percent, and its standard error.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from nas._config import checked, composed
from nas.search.build import build_parts
from nas.search.choosing import Belief, believe_estimates
from nas.search.phases import Phases

RESULT = Path(__file__).parent / "results" / "pending.json"
AT_ONCE, BUDGET = 10, 150

BELIEFS: dict[str, Belief] = {
    "none": lambda pending, values: [],
    "estimate": believe_estimates,
    "mean": lambda pending, values: [float(values.mean())] * len(pending),
    "least": lambda pending, values: [float(values.min())] * len(pending),
}


def run(belief: Belief, seed: int) -> list[float]:
    """Search once; the best value after 50, 100 and 150 evaluations."""
    config = checked(composed(["table=cifar10", f"seed={seed}", f"budget={BUDGET}"]))
    parts = build_parts(config)
    search = parts.search(config, Phases())
    search.believe = belief
    parts.estimator.prepare()
    while asked := search.ask(AT_ONCE):
        for candidate in asked:
            search.tell(candidate, float(parts.evaluator.evaluate(candidate.batch).value[0]))
    best = np.fmax.accumulate(search.trials.value)
    return [float(best[count - 1]) for count in (50, 100, 150)]


def main() -> None:
    """Run, and write what came of it after each search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first", type=int, default=1000, help="the first seed; below 1000 for a report only")
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for name, belief in BELIEFS.items():
            if f"{seed}" not in found.setdefault(name, {}):
                found[name][f"{seed}"] = run(belief, seed)
                RESULT.write_text(json.dumps(found, indent=1) + "\n")
    for name, runs in found.items():
        figures = 100 * np.array(list(runs.values()))
        error = figures.std(axis=0, ddof=1) / np.sqrt(len(figures))
        means = zip(figures.mean(axis=0), error, strict=True)
        print(name, " / ".join(f"{mean:.3f} ± {spread:.3f}" for mean, spread in means))


if __name__ == "__main__":
    main()
