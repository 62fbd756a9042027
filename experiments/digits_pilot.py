"""Choose the recipe of the embedded table: `python -m experiments.digits_pilot`.

Trains random cells, and the largest one, with several recipes; writes how reliably each ranks the cells, and how far
the ranking is a mere function of size.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.digits import (
    SEEDS,
    Setting,
    final_accuracy,
    in_processes,
    reliability,
    skeleton,
    space,
    train_cell,
    versions,
)
from nas.datasets import Digits
from nas.training import Curves, Recipe

SETTINGS = {
    "960 images, 8 epochs, shift 1, rate 0.05": Setting(
        Digits(960, 300), skeleton(), Recipe(epochs=8, shift=1, learning_rate=0.05)
    ),
    "960 images, 8 epochs, shift 1, rate 0.03": Setting(
        Digits(960, 300), skeleton(), Recipe(epochs=8, shift=1, learning_rate=0.03)
    ),
    "960 images, 8 epochs, shift 1, noise 0.3, rate 0.05": Setting(
        Digits(960, 300), skeleton(), Recipe(epochs=8, shift=1, noise=0.3, learning_rate=0.05)
    ),
    "960 images, 10 epochs, shift 1, rate 0.05": Setting(
        Digits(960, 300), skeleton(), Recipe(epochs=10, shift=1, learning_rate=0.05)
    ),
    "960 images, 12 epochs, shift 1, rate 0.05": Setting(
        Digits(960, 300), skeleton(), Recipe(epochs=12, shift=1, learning_rate=0.05)
    ),
    "960 images, 10 epochs, shift 1, rate 0.1": Setting(
        Digits(960, 300), skeleton(), Recipe(epochs=10, shift=1, learning_rate=0.1)
    ),
    "320 images, 20 epochs, rate 0.1": Setting(
        Digits(320, 500), skeleton(), Recipe(epochs=20, shift=0, learning_rate=0.1)
    ),
}


def summarise(curves: list[Curves], seconds: list[float]) -> dict[str, Any]:
    """Figures of one recipe; the last of the cells is the largest of the space."""
    from scipy.stats import spearmanr

    final = {part: np.array([final_accuracy(c, part) for c in curves]) for part in ("valid", "test")}
    test, parameters = final["test"].mean(axis=1), np.array([c.parameters for c in curves])
    best, second = np.argsort(-test)[:2]
    error = np.sqrt(final["test"].var(axis=1, ddof=1).mean() / len(SEEDS))
    return {
        "icc_test": reliability(final["test"]),
        "icc_valid": reliability(final["valid"]),
        "spearman_parameters": float(spearmanr(test, parameters)[0]),
        "spearman_valid_test": float(spearmanr(test, final["valid"].mean(axis=1))[0]),
        "best": float(test[best]),
        "second": float(test[second]),
        "largest": float(test[-1]),
        "largest_rank": int((test > test[-1]).sum()) + 1,
        "median": float(np.median(test)),
        "worst": float(test.min()),
        "standard_error_of_mean": float(error),
        "train_accuracy_median": float(np.median([c.accuracy("train")[:, -1].mean() for c in curves])),
        "cpu_seconds_per_cell": float(np.mean(seconds)),
        "diverged": sum(c.diverged for c in curves),
    }


def main() -> None:
    """Run the pilot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("experiments/results/digits_pilot.json"))
    options = parser.parse_args()
    archs = space().enumerate()
    counts = skeleton().parameters(space().graphs(archs))
    largest = int(counts.argmax())
    others = np.delete(np.arange(len(archs)), largest)
    rows = [*np.random.default_rng(0).choice(others, options.cells, replace=False).tolist(), largest]
    result: dict[str, Any] = {"cells": len(rows), "rows": rows, "seeds": SEEDS, "versions": versions(), "recipes": {}}
    if options.out.exists():
        earlier = json.loads(options.out.read_text(encoding="utf-8"))
        if all(earlier[key] == json.loads(json.dumps(result[key])) for key in result if key != "recipes"):
            result["recipes"] = earlier["recipes"]
    for name, setting in SETTINGS.items():
        if name in result["recipes"]:
            continue
        jobs = [(archs[row : row + 1], setting) for row in rows]
        done = {job[0].tobytes(): trained for job, trained in in_processes(train_cell, jobs, options.workers)}
        trained = [done[arch.tobytes()] for arch, _ in jobs]
        figures = summarise([curves for curves, _ in trained], [seconds for _, seconds in trained])
        result["recipes"][name] = {**setting.describe(), **figures}
        print(name, json.dumps(figures), flush=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
