"""What does a first run on an unknown data set end with? `python -m experiments.first_run`.

Five random networks of NAS-Bench-101 are trained as `evaluator=training` does by itself (nothing is set but the data
set) on data sets of different kinds: few images, large ones, such that are not square, unequal classes, values. Told is
the validation value of the best and the worst of the five, and what no network at all has. Prints, and writes
`experiments/results/first_run.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nas

RESULT = Path(__file__).parent / "results" / "first_run.json"
Made = tuple[NDArray[np.uint8], NDArray[Any]]


def shapes(rng: np.random.Generator, n: int, height: int, width: int, share: float = 0.5) -> Made:
    """Dark discs and squares, of any place and size, on a noisy ground, in three channels; `share` of them discs."""
    labels = (np.arange(n) >= share * n).astype(np.int64)
    rows, columns = np.mgrid[:height, :width]
    images = rng.normal(190, 25, (n, 3, height, width))
    for image, label in zip(images, labels, strict=True):
        radius = rng.uniform(0.15, 0.3) * min(height, width)
        y, x = rng.uniform(radius, height - radius), rng.uniform(radius, width - radius)
        apart = np.abs(rows - y), np.abs(columns - x)
        inside = np.hypot(*apart) <= radius * 1.13 if label == 0 else np.maximum(*apart) <= radius
        image[:, inside] -= rng.uniform(80, 150, (3, 1))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def gratings(rng: np.random.Generator, n: int) -> Made:
    """Stripes of four directions in grey images of 24x40 pixels."""
    labels = np.arange(n) % 4
    rows, columns = np.mgrid[:24, :40]
    turns = labels * np.pi / 4 + rng.normal(0, 0.08, n)
    phase = np.cos(turns)[:, None, None] * rows + np.sin(turns)[:, None, None] * columns
    waves = np.sin(phase * rng.uniform(0.6, 1.2, (n, 1, 1)) + rng.uniform(0, 6, (n, 1, 1)))
    images = 128 + 60 * waves + rng.normal(0, 40, (n, 24, 40))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def amounts(rng: np.random.Generator, n: int) -> Made:
    """How much of a 16x16 image is bright: a value, 0..100."""
    share = rng.uniform(0, 1, n)
    bright = rng.uniform(size=(n, 16, 16)) < share[:, None, None]
    return (bright * 200 + rng.integers(0, 50, bright.shape)).astype(np.uint8), (100 * share).astype(np.float32)


DATA: dict[str, Callable[[np.random.Generator], Made]] = {
    "60 shapes of 32x32": lambda rng: shapes(rng, 60, 32, 32),
    "400 shapes of 64x48": lambda rng: shapes(rng, 400, 64, 48),
    "600 shapes of 32x32, 1 of 10 a square": lambda rng: shapes(rng, 600, 32, 32, 0.9),
    "400 gratings of 24x40": lambda rng: gratings(rng, 400),
    "300 amounts of 16x16": lambda rng: amounts(rng, 300),
}


def measured(name: str) -> dict[str, Any]:
    """Five networks on one data set."""
    x, y = DATA[name](np.random.default_rng(0))
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "made.npz", x=x, y=y)
        target = ("dataset.target=value",) if y.dtype == np.float32 else ()
        fair = ("evaluator.measure=balanced_accuracy",) if "1 of 10" in name else ()
        data = ("dataset=npz", f"dataset.path={folder}/made.npz", "dataset.split=0.25", *target)
        search = ("estimator=none", "strategy=random", "budget=5")
        result = nas.run("evaluator=training", *data, *fair, *search, folder=Path(folder) / "run")
        values = result.trials.value
        chance = result.content["chance"]
        told = result.record["measured_on"]
    return {
        "best": round(float(values.max()), 4),
        "worst": round(float(values.min()), 4),
        "no network": round(chance["value"], 4),
        "clearly above": round(chance["most"], 4),
        "recipe": told["recipe"],
        "skeleton": told["skeleton"],
        "seconds": round(float(result.trials.seconds.sum()), 1),
    }


def main() -> None:
    """Measure all, print and write."""
    report = {}
    for name in DATA:
        report[name] = measured(name)
        print(name, json.dumps(report[name]), flush=True)
        RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
