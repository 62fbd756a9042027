"""How good is a search after so many evaluations? `python -m experiments.search --space nb101 --table cifar10`.

Runs every method on the same seeds, prints the mean test accuracy of the incumbent (the best cell by what the search
sees), and writes it with the curves to `experiments/results/`. Each run has its folder under `outputs/`: what was
finished is not run again, what was killed continues. Beside the methods stand two orders that need no search: the cells
with most parameters first, and those with most 3x3 convolutions first.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.graphs import FIRST_OPERATION, Graphs

METHODS = {
    "random search": ["strategy=random", "estimator=none", "pool=10", "batch=10"],
    "regularized evolution": ["estimator=none", "pool=1"],
    "evolution + ridge": ["estimator=ridge", "pool=1000"],
    "evolution + EmProx": ["estimator=emprox"],
}
CHECKPOINTS = (50, 100, 150)
RESULTS = Path(__file__).parent / "results"


def run_one(overrides: list[str], folder: Path) -> dict[str, Any]:
    """Run, or continue, one search; return its result."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from nas.config import checked, config_folder, register
    from nas.search import run

    register()
    folder.mkdir(parents=True, exist_ok=True)
    with initialize_config_dir(config_folder(), version_base="1.3"):
        options: Any = OmegaConf.to_container(compose("config", overrides), resolve=True)
    return run(checked(options), folder)


def fixed_orders(space_name: str, table_name: str, seeds: range) -> dict[str, list[dict[str, Any]]]:
    """What is found by evaluating the cells in the order of a score, ties at random."""
    from omegaconf import OmegaConf

    from nas.config import build, config_folder
    from nas.paths import find_table
    from nas.tables import read_table
    from nas.types import Space

    space: Space = build(OmegaConf.load(Path(config_folder()) / "space" / f"{space_name}.yaml"), "space")
    table = read_table(find_table(None, table_name, space.tables)[1], space, name=table_name)
    columns, signal = table.columns, next(iter(table.signals.values()))
    scores = {
        "most parameters first": columns.parameters,
        "most 3x3 convolutions first": np.concatenate(
            [large_convolutions(table.space.graphs(part)) for part in np.array_split(columns.archs, 50)]
        ),
    }
    runs: dict[str, list[dict[str, Any]]] = {score: [] for score in scores}
    for score, column in scores.items():
        for seed in seeds:
            ties = np.random.default_rng(seed).random(len(column))
            order = np.lexsort((ties, -column))[: CHECKPOINTS[-1]]
            leaders = [int(signal[order[: n + 1]].argmax()) for n in range(len(order))]
            runs[score].append({"incumbent_test_accuracy": columns.test[order[leaders]].tolist()})
    return runs


def large_convolutions(graphs: Graphs) -> NDArray[np.int64]:
    """`(n,)`: how many vertices of each graph carry a 3x3 convolution."""
    codes = [code for code, name in enumerate(graphs.operations, FIRST_OPERATION) if "conv" in name and "3x3" in name]
    count: NDArray[np.int64] = np.isin(graphs.labels, codes).sum(axis=1)
    return count


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean test accuracy of the incumbent with its standard error, at each checkpoint and as a curve, in percent."""
    curves = 100 * np.array([run["incumbent_test_accuracy"] for run in runs])
    error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    return {
        "runs": len(curves),
        "mean": {str(n): round(float(curves[:, n - 1].mean()), 4) for n in CHECKPOINTS},
        "standard_error": {str(n): round(float(error[n - 1]), 4) for n in CHECKPOINTS},
        "median_wall_seconds": float(np.median([sum(run.get("wall_seconds", {}).values()) for run in runs]).round(2)),
        "curve": curves.mean(axis=0).round(4).tolist(),
        "curve_standard_error": error.round(4).tolist(),
    }


def draw(path: Path, methods: dict[str, Any], random: list[float], title: str) -> None:
    """Draw the mean incumbent of each method with a band of one standard error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.4), layout="constrained")
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
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run all methods, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="nb101", help="nb101 or nb201")
    parser.add_argument("--table", default="cifar10", help="one of the space's: cifar10, digits, cifar100")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments"))
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process
    space, table = arguments.space, arguments.table
    stem = f"{space}_search_{table}"
    folder = arguments.folder / f"{space}_search" / table
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        jobs = {
            name: [
                pool.submit(
                    run_one,
                    [*overrides, f"space={space}", f"table={table}", f"seed={seed}"],
                    folder / name.replace(" ", "_") / f"{seed}",
                )
                for seed in seeds
            ]
            for name, overrides in METHODS.items()
        }
        runs = {name: [job.result() for job in jobs[name]] for name in METHODS}
    first = runs["random search"][0]
    if any(run["measured_on"] != first["measured_on"] for some in runs.values() for run in some):
        raise SystemExit(f"error: {folder} holds runs on different tables: remove it")
    methods = {name: summarise(some) for name, some in {**runs, **fixed_orders(space, table, seeds)}.items()}
    random = first["random_search_expected_test_accuracy"]
    report = {
        "command": f"python -m experiments.search --space {space} --table {table} --seeds {arguments.seeds}",
        "measured_on": first["measured_on"],
        "seeds": [seeds.start, seeds.stop - 1],
        "options": METHODS,
        "methods": methods,
        "random_search_expected": {str(n): round(100 * random[n - 1], 4) for n in CHECKPOINTS},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    title = f"{space}, table {table}, signal {first['measured_on']['signal']}, mean of {len(seeds)} seeds"
    draw(RESULTS / f"{stem}.png", methods, random, title)
    print("| method |" + "".join(f" {n} |" for n in CHECKPOINTS) + " seconds a run |")
    print("|---|" + "---|" * len(CHECKPOINTS) + "---|")
    for name, method in methods.items():
        cells = (f" {method['mean'][str(n)]:.3f} ± {method['standard_error'][str(n)]:.3f} |" for n in CHECKPOINTS)
        print(f"| {name} |" + "".join(cells) + f" {method['median_wall_seconds']} |")
    print("| random search, exact expectation |" + "".join(f" {100 * random[n - 1]:.3f} |" for n in CHECKPOINTS) + " |")


if __name__ == "__main__":
    main()
