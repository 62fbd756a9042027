"""How good is a search after so many evaluations? `python -m experiments.search --space nb101 --table cifar10`.

Runs every method on the same seeds, prints the mean test accuracy of the incumbent (the best cell by what the search
sees), and writes it with the curves to `experiments/results/`. Each run has its folder under `outputs/`: what was
finished is not run again, what was killed continues. Methods that are not named stay in the file as they are. Beside
the methods stand two orders that need no search: the cells with most parameters first, and those with most 3x3
convolutions first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks import benchmark_of
from nas.benchmarks.table import Table
from nas.graphs import FIRST_OPERATION, Graphs
from nas.types import Values

RANDOM_START = ["strategy/start=random", "initial=20", "strategy/elsewhere=never"]  # what is best for ridge
METHODS = {
    "random search": ["experiment=nb101/random"],
    "regularized evolution": ["experiment=nb101/rea"],
    "local search": ["experiment=nb101/local"],
    "BANANAS": ["experiment=nb101/bananas"],
    "NPENAS": ["experiment=nb101/npenas"],
    "ridge, smart pool": ["experiment=nb101/emprox", "estimator=ridge", *RANDOM_START],
    "EmProx": ["experiment=nb101/emprox"],
    "EmProx, batches of 10": ["experiment=nb101/emprox", "batch=10"],
    "EmProx, batches of 10, 8 generations": ["experiment=nb101/emprox", "batch=10", "strategy.pool.generations=8"],
    "EmProx, batches of 10, random pool": ["experiment=nb101/emprox", "batch=10", "strategy/pool=random"],
    "EmProx, batches of 10, full pool": ["experiment=nb101/emprox", "batch=10", "strategy/pool=full"],
}
POOLS = [name for name in METHODS if "batches" in name]  # compared with one another
CHECKPOINTS = (30, 50, 100, 150, 300, 500, 1000, 1500, 2000)
RESULTS = Path(__file__).parent / "results"


def run_one(overrides: list[str], folder: Path) -> dict[str, Any]:
    """Run, or continue, one search; return its result."""
    import nas

    return nas.run(*overrides, folder=folder).content


def within(budget: int) -> list[int]:
    """The checkpoints that are within the budget."""
    return [n for n in CHECKPOINTS if n <= budget]


def read(space_name: str, table_name: str) -> Table:
    """The table that the runs look architectures up in."""
    from nas._config import build, composed
    from nas.benchmarks import find_table
    from nas.benchmarks.table import read_table

    space = build(composed([f"space={space_name}"])["space"], "space")
    return read_table(find_table(None, table_name, benchmark_of(space).tables)[1], space, name=table_name)


def fixed_orders(table: Table, seeds: range, budget: int) -> dict[str, list[dict[str, Any]]]:
    """What is found by evaluating the cells in the order of a score, ties at random."""
    columns, space = table.columns, table.space
    scores = {
        "most parameters first": columns.parameters,
        "most 3x3 convolutions first": np.concatenate(
            [large_convolutions(space.graphs(part)) for part in np.array_split(columns.archs, 50)]
        ),
    }
    runs: dict[str, list[dict[str, Any]]] = {score: [] for score in scores}
    for seed in seeds:
        signal = next(iter(table.signals(None, seed).values())).value
        ties = np.random.default_rng(seed).random(len(table))
        for score, column in scores.items():
            order = np.lexsort((ties, -column))[:budget]
            leaders = order[[int(signal[order[: n + 1]].argmax()) for n in range(len(order))]]
            runs[score].append(
                {
                    "incumbent_value": signal[leaders].tolist(),
                    "incumbent_test_accuracy": columns.test[leaders].tolist(),
                    "best_of_space": {"value": signal.max()},
                }
            )
    return runs


def large_convolutions(graphs: Graphs) -> NDArray[np.int64]:
    """`(n,)`: how many vertices of each graph carry a 3x3 convolution."""
    codes = [code for code, name in enumerate(graphs.operations, FIRST_OPERATION) if "conv" in name and "3x3" in name]
    count: NDArray[np.int64] = np.isin(graphs.labels, codes).sum(axis=1)
    return count


def summarise(runs: list[dict[str, Any]], population: Values | None) -> dict[str, Any]:
    """Mean test accuracy of the incumbent with its standard error, at each checkpoint and as a curve, in percent.

    The sample efficiency gain is that of the mean value, where all runs see the same values of the `population`.
    """
    from nas.compare.metrics import sample_efficiency_gain

    curves = 100 * np.array([run["incumbent_test_accuracy"] for run in runs])
    values = np.array([run["incumbent_value"] for run in runs])
    error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    best = np.array([run["best_of_space"]["value"] for run in runs])[:, None] == values
    queries = np.where(best.any(axis=1), best.argmax(axis=1) + 1, np.inf)
    checkpoints = within(curves.shape[1])
    summary = {
        "runs": len(curves),
        "mean": {str(n): round(float(curves[:, n - 1].mean()), 4) for n in checkpoints},
        "standard_error": {str(n): round(float(error[n - 1]), 4) for n in checkpoints},
        "found_the_best": float(np.isfinite(queries).mean()),
        "found_the_best_within": {str(n): float((queries <= n).mean()) for n in checkpoints},
        "median_queries_to_the_best": float(np.median(queries)) if np.isfinite(np.median(queries)) else None,
        "curve": curves.mean(axis=0).round(4).tolist(),
        "curve_standard_error": error.round(4).tolist(),
    }
    if population is not None:
        gains = {n: sample_efficiency_gain(population, values[:, n - 1].mean(keepdims=True), n) for n in checkpoints}
        summary["sample_efficiency_gain"] = {str(n): round(float(gain[0]), 1) for n, gain in gains.items()}
    if "wall_seconds" in runs[0]:
        summary["median_wall_seconds"] = float(np.median([sum(run["wall_seconds"].values()) for run in runs]).round(2))
    return summary


def joined(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The report, and what the file of before has of methods that were not run now, on the same table and seeds."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if any(before.get(name) != report[name] for name in ("measured_on", "seeds", "budget")):
        return report
    result = {**report, "commands": [*before.get("commands", [before["command"]]), report["command"]]}
    for name in ("options", "methods"):
        result[name] = {**before[name], **report[name]}
    return result


def draw(path: Path, methods: dict[str, Any], random: list[float], title: str) -> None:
    """Draw the mean incumbent of each method with a band of one standard error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.4), layout="constrained")
    axes = figure.add_subplot()
    evaluations = np.arange(1, len(random) + 1)
    for name, method in methods.items():
        curve, error = np.array(method["curve"]), np.array(method["curve_standard_error"])
        [line] = axes.plot(evaluations, curve, label=name)
        axes.fill_between(evaluations, curve - error, curve + error, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.plot(evaluations, 100 * np.array(random), "k--", linewidth=1, label="random search, exact expectation")
    best, low = max(max(method["curve"]) for method in methods.values()), 100 * random[10]
    limits = (low, best + 0.05 * (best - low))
    axes.set(xlabel="evaluations", ylabel="mean test accuracy of the incumbent (%)", ylim=limits)
    axes.set_title(title, fontsize="medium")
    figure.legend(loc="outside right center")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run all methods, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="nb101", help="nb101 or nb201")
    parser.add_argument("--table", default="cifar10", help="one of the space's: cifar10, digits, cifar100")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, metavar="NAME", help="default: all but those that compare pools"
    )
    parser.add_argument("--budget", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments"))
    parser.add_argument(
        "--report", help="name of the files under experiments/results; default: of space, table, budget"
    )
    arguments = parser.parse_args()
    arguments.methods = arguments.methods or [name for name in METHODS if name not in POOLS]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process
    space, table = arguments.space, arguments.table
    budget, checkpoints = arguments.budget, within(arguments.budget)
    folder = arguments.folder / f"{space}_search_{table}_{budget}"
    stem = arguments.report or folder.name
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        jobs = {
            name: [
                pool.submit(
                    run_one,
                    [*METHODS[name], f"space={space}", f"table={table}", f"budget={budget}", f"seed={seed}"],
                    folder / name.replace(" ", "_") / f"{seed}",
                )
                for seed in seeds
            ]
            for name in arguments.methods
        }
        runs = {name: [job.result() for job in jobs[name]] for name in arguments.methods}
    first = next(iter(runs.values()))[0]
    if any(run["measured_on"] != first["measured_on"] for some in runs.values() for run in some):
        raise SystemExit(f"error: {folder} holds runs on different tables: remove it")
    rows = read(space, table)
    seen, again = (next(iter(rows.signals(None, seed).values())).value for seed in (0, 1))
    shared = seen if np.array_equal(seen, again) else None  # not where it is drawn anew for each seed
    runs |= fixed_orders(rows, seeds, budget)
    methods = {name: summarise(some, shared) for name, some in runs.items()}
    random = first["random_search_expected_test_accuracy"]
    report = {
        "command": f"python -m experiments.search {' '.join(sys.argv[1:])}",
        "measured_on": first["measured_on"],
        "seeds": [seeds.start, seeds.stop - 1],
        "budget": budget,
        "options": {name: METHODS[name] for name in arguments.methods},
        "methods": methods,
        "random_search_expected": {str(n): round(100 * random[n - 1], 4) for n in checkpoints},
    }
    RESULTS.mkdir(exist_ok=True)
    report = joined(RESULTS / f"{stem}.json", report)
    methods = report["methods"]
    (RESULTS / f"{stem}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    title = f"{space}, table {table}, signal {first['measured_on']['signal']}, mean of {len(seeds)} seeds"
    draw(RESULTS / f"{stem}.png", methods, random, title)
    print("| method |" + "".join(f" {n} |" for n in checkpoints) + " seconds a run |")
    print("|---|" + "---|" * len(checkpoints) + "---|")
    for name, method in methods.items():
        curves = method["curve"], method["curve_standard_error"]
        cells = (" {:.3f} ± {:.3f} |".format(*(curve[n - 1] for curve in curves)) for n in checkpoints)
        print(f"| {name} |" + "".join(cells) + f" {method.get('median_wall_seconds', '')} |")
    print("| random search, exact expectation |" + "".join(f" {100 * random[n - 1]:.3f} |" for n in checkpoints) + " |")


if __name__ == "__main__":
    main()
