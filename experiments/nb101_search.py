"""How good is a search after so many evaluations? `python -m experiments.nb101_search --seeds 20 --workers 2`.

Runs every method on the same seeds, prints the table, and writes it with the curves to `experiments/results/`. Each run
has its folder under `outputs/`: what was finished is not run again, what was killed continues.
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


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean incumbent with its standard error at each checkpoint, and the whole mean curve, in percent."""
    curves = 100 * np.array([run["incumbent_value"] for run in runs])
    error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    return {
        "runs": len(curves),
        "mean": {str(n): round(float(curves[:, n - 1].mean()), 4) for n in CHECKPOINTS},
        "standard_error": {str(n): round(float(error[n - 1]), 4) for n in CHECKPOINTS},
        "median_wall_seconds": round(float(np.median([sum(run["wall_seconds"].values()) for run in runs])), 2),
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
    axes.set(xlabel="evaluations", ylabel="best mean test accuracy so far (%)", ylim=(93.0, 94.35))
    axes.set_title(title, fontsize="medium")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run all methods, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/nb101_search"))
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        jobs = {
            name: [
                pool.submit(
                    run_one, [*overrides, f"seed={seed}"], arguments.folder / name.replace(" ", "_") / f"{seed}"
                )
                for seed in seeds
            ]
            for name, overrides in METHODS.items()
        }
        runs = {name: [job.result() for job in jobs[name]] for name in METHODS}
    first = runs["random search"][0]
    if any(run["measured_on"] != first["measured_on"] for some in runs.values() for run in some):
        raise SystemExit(f"error: {arguments.folder} holds runs on different tables: remove it")
    methods = {name: summarise(some) for name, some in runs.items()}
    report = {
        "command": f"python -m experiments.nb101_search --seeds {arguments.seeds}",
        "measured_on": first["measured_on"],
        "seeds": [seeds.start, seeds.stop - 1],
        "options": METHODS,
        "methods": methods,
        "random_search_expected": {str(n): 100 * first["random_search_expected_value"][n - 1] for n in CHECKPOINTS},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "nb101_search.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    measured = first["measured_on"]
    title = f"NAS-Bench-101 ({measured['table']}), signal {measured['signal']}, mean of {len(seeds)} seeds"
    draw(RESULTS / "nb101_search.png", methods, first["random_search_expected_value"], title)
    print("| method |" + "".join(f" {n} |" for n in CHECKPOINTS) + " seconds a run |")
    print("|---|" + "---|" * len(CHECKPOINTS) + "---|")
    for name, method in methods.items():
        cells = (f" {method['mean'][str(n)]:.3f} ± {method['standard_error'][str(n)]:.3f} |" for n in CHECKPOINTS)
        print(f"| {name} |" + "".join(cells) + f" {method['median_wall_seconds']} |")


if __name__ == "__main__":
    main()
