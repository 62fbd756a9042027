"""Is the recommended network better than the one with the highest value? `python -m experiments.recommended`.

Searches of 150 evaluations, seeds 0 and up; after 50, 100 and 150 of them the mean test accuracy of the best trial, by
the validation accuracy that the search sees, and of the recommended one (`nas.Search.recommended`). Tables: the
embedded one, NAS-Bench-201 on both data sets, and the 20,001 cells of NAS-Bench-101 whose validation accuracy in ONE
run is known. Surrogates that tell no noise apart recommend the best, so they are not among the methods. Each run goes
to a journal at once. Prints, and writes `experiments/results/recommended.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.estimators import Labels, journal
from nas._config import build, composed
from nas._threads import one_thread
from nas.benchmarks import benchmark_of, find_table
from nas.benchmarks.table import read_table
from nas.search.build import compose_search
from nas.spaces import NB101, Constrained
from nas.types import Architectures, Keys, Space, Values

RESULT = Path(__file__).parent / "results" / "recommended.json"
CHECKPOINTS = (50, 100, 150)
METHODS = {
    "emprox, bayesian": ["estimator=emprox"],
    "emprox, evolution": ["estimator=emprox", "strategy=evolution"],
    "gp_graph, bayesian": ["estimator=gp_graph"],
}


@dataclass(frozen=True)
class Labelled:
    """A space all of whose networks have a validation accuracy, and a mean test accuracy."""

    overrides: list[str]
    space: Space
    keys: Keys
    values: Values
    test: Values

    @classmethod
    def table(cls, space: str, name: str) -> Labelled:
        """All of a table."""
        made = build(composed([f"space={space}"])["space"], "space")
        path = find_table(None, name, benchmark_of(made).tables)[1]
        table = read_table(path, made, name=name)
        validation = table.columns.validation
        assert validation is not None
        return cls._of([f"space={space}"], table.space, table.columns.archs, validation, table.columns.test)

    @classmethod
    def one_run(cls) -> Labelled:
        """The cells of NAS-Bench-101 whose validation accuracy is known of one run; all are ranked, five a round."""
        whole = NB101()
        path = find_table(None, "cifar10", benchmark_of(whole).tables)[1]
        labels = Labels(path, read_table(path, whole, name="cifar10"))
        archs = labels.archs[labels.rows]
        keys = np.sort(whole.keys(archs))
        space = Constrained(
            whole, lambda asked: np.isin(whole.keys(asked), keys), "labelled by one run", "20,001 cells"
        )
        return cls._of(["strategy/pool=full", "batch=5"], space, archs, labels.labels, labels.test[labels.rows])

    @classmethod
    def _of(cls, overrides: list[str], space: Space, archs: Architectures, values: Values, test: Values) -> Labelled:
        keys = space.batch(archs).keys
        order = np.unique(keys, return_index=True)[1]
        return cls(overrides, space, keys[order], values[order], test[order])

    def run(self, overrides: list[str], seed: int) -> list[list[float]]:
        """Test accuracies of the best and of the recommended trial, in percent, at each checkpoint."""
        search = compose_search(*self.overrides, *overrides, f"seed={seed}", space=self.space)
        search.estimator.prepare()
        found = []
        with one_thread():
            while len(search.trials) < CHECKPOINTS[-1]:
                [asked] = search.ask()
                search.tell(asked, float(self.values[self._rows(asked.batch.keys)][0]))
                if len(search.trials) in CHECKPOINTS:
                    told = [search.best, search.recommended()]
                    keys = np.array([int(trial.key, 16) for trial in told if trial is not None], dtype=np.uint64)
                    found.append(np.round(100 * self.test[self._rows(keys)], 4).tolist())
        return found

    def _rows(self, keys: Keys) -> NDArray[np.intp]:
        return np.searchsorted(self.keys, keys)


TABLES: dict[str, Callable[[], Labelled]] = {
    "embedded table": lambda: Labelled.table("nb101", "digits"),
    "NAS-Bench-201 CIFAR-10": lambda: Labelled.table("nb201", "cifar10"),
    "NAS-Bench-201 CIFAR-100": lambda: Labelled.table("nb201", "cifar100"),
    "NAS-Bench-101, 20,001 cells, one run": Labelled.one_run,
}


def summarise(runs: list[list[list[float]]]) -> dict[str, Any]:
    """Means and standard errors over the seeds, and of the paired difference, at each checkpoint."""
    values = np.array(runs)  # seeds, checkpoints, best and recommended
    columns = {"best": values[..., 0], "recommended": values[..., 1], "difference": values[..., 1] - values[..., 0]}
    return {
        str(n): {
            name: [
                round(float(column[:, place].mean()), 3),
                round(float(column[:, place].std(ddof=1)) / len(runs) ** 0.5, 3),
            ]
            for name, column in columns.items()
        }
        for place, n in enumerate(CHECKPOINTS)
    }


def main() -> None:
    """Measure what the journal does not know, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/recommended"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "journal.jsonl"
    known = journal(path)
    report: dict[str, Any] = {}
    with path.open("a", encoding="utf-8") as file:
        for table, made in TABLES.items():
            labelled = made()
            for method, overrides in METHODS.items():
                if "strategy/pool=full" in labelled.overrides and "strategy=evolution" in overrides:
                    continue  # few mutants are among the networks of the table
                for seed in range(options.first_seed, options.first_seed + options.seeds):
                    what = json.dumps([table, method, seed])
                    if what not in known:
                        known[what] = {"test": labelled.run(overrides, seed)}
                        file.write(json.dumps({"what": what, "measures": known[what]}) + "\n")
                        file.flush()
                seeds = range(options.first_seed, options.first_seed + options.seeds)
                runs = [known[json.dumps([table, method, seed])]["test"] for seed in seeds]
                report[f"{table}: {method}"] = summarise(runs)
                print(f"{table}: {method}", json.dumps(report[f"{table}: {method}"]), flush=True)
    RESULT.write_text(json.dumps({"seeds": options.seeds, "runs": report}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
