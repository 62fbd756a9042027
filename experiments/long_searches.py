"""How many evaluations does a search need for the best cell of NAS-Bench-101? `python -m experiments.long_searches`.

Each search sees the mean test accuracy, and ends when it has evaluated the cell with the highest (94.318), or after
2,000 evaluations. Told are, for each method, the share of seeds that had it after 500, 1,000, 1,500 and 2,000, and the
median. Each search goes to a journal when it has ended. Methods that are not named stay in the file as they are.
Prints, and writes `experiments/results/long_searches.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.estimators import journal
from experiments.search import METHODS, read
from nas._threads import one_thread
from nas.search.build import compose_search
from nas.types import Batch, Values

RESULT = Path(__file__).parent / "results" / "long_searches.json"
COMPARED = ("EmProx", "regularized evolution", "local search", "random search")
CHECKPOINTS = (500, 1000, 1500, 2000)


def accuracies() -> Callable[[Batch], Values]:
    """The mean test accuracy of any cells."""
    table = read("nb101", "cifar10")
    keys = table.space.keys(table.columns.archs)
    order = np.argsort(keys)
    keys, test = keys[order], table.columns.test[order]
    return lambda batch: test[np.searchsorted(keys, batch.keys)]


def evaluations_to_the_best(method: str, seed: int, test: Callable[[Batch], Values], best: float) -> int | None:
    """Of one search; None: more than 2,000."""
    search = compose_search(*METHODS[method], f"seed={seed}")
    with one_thread():
        while len(search.trials) < CHECKPOINTS[-1]:
            [asked] = search.ask()
            value = float(test(asked.batch)[0])
            search.tell(asked, value)
            if value == best:
                return len(search.trials)
    return None


def summarise(needed: list[int | None]) -> dict[str, Any]:
    """Shares and the median of some searches."""
    numbers = np.array([np.inf if one is None else one for one in needed])
    median = float(np.median(numbers))
    return {
        "seeds": len(numbers),
        "found_within": {str(n): round(float((numbers <= n).mean()), 3) for n in CHECKPOINTS},
        "median": median if np.isfinite(median) else None,
        "needed": needed,
    }


def main() -> None:
    """Search what the journal does not know, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=COMPARED, metavar="NAME", default=COMPARED)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/long_searches"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "journal.jsonl"
    known, report = journal(path), {}
    test = accuracies()
    best = float(read("nb101", "cifar10").columns.test.max())
    with path.open("a", encoding="utf-8") as file:
        for method in options.methods:
            seeds = range(options.first_seed, options.first_seed + options.seeds)
            for seed in seeds:
                what = json.dumps([METHODS[method], seed])
                if what not in known:
                    known[what] = {"evaluations": evaluations_to_the_best(method, seed, test, best)}
                    file.write(json.dumps({"what": what, "measures": known[what]}) + "\n")
                    file.flush()
            report[method] = summarise([known[json.dumps([METHODS[method], seed])]["evaluations"] for seed in seeds])
            print(method, json.dumps(report[method]), flush=True)
    before = json.loads(RESULT.read_text(encoding="utf-8"))["methods"] if RESULT.is_file() else {}
    RESULT.write_text(json.dumps({"best": best, "methods": before | report}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
