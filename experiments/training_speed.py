"""How many images a second does a training see? `python -m experiments.training_speed --against CHECKOUT`.

Three sizes of network, one thread: the embedded table's (stem 8, digits), a middle one (stem 16, 14x14 pixels) and one
for images of CIFAR's size (stem 32, three channels, shifted and mirrored). Each is trained for some epochs by this code
and by that of another checkout, in turns, in processes of their own; told is the median of training images by CPU
second, evaluation included, and the ratio. Prints, and writes `experiments/results/training_speed.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "training_speed.json"
SIZES: dict[str, dict[str, Any]] = {
    "stem 8, 8x8": {"stem": 8, "stacks": 2, "shape": (1, 8, 8), "images": (960, 300, 537), "epochs": 8},
    "stem 16, 14x14": {"stem": 16, "stacks": 3, "shape": (1, 14, 14), "images": (1000, 500, 1000), "epochs": 2},
    "stem 32, 32x32": {"stem": 32, "stacks": 3, "shape": (3, 32, 32), "images": (256, 128, 256), "epochs": 1},
}
CELLS = 4


def images_a_second(size: dict[str, Any]) -> float:
    """Training images by CPU second, over some cells."""
    from nas.datasets import Images
    from nas.networks import Skeleton
    from nas.spaces import NB101
    from nas.training import Recipe, train

    rng = np.random.default_rng(0)
    data = Images.of(
        [rng.normal(size=(n, *size["shape"])).astype(np.float32) for n in size["images"]],
        [np.arange(n) % 10 for n in size["images"]],
    )
    skeleton = Skeleton(size["stem"], size["stacks"], 1, 10, size["shape"][0])
    recipe = Recipe(epochs=size["epochs"], shift=1, flip=size["stem"] == 32)
    space = NB101()
    graphs = space.graphs(space.sample(CELLS, rng))
    train(graphs.take(slice(1)), data, skeleton, Recipe(epochs=1), [0])  # what is loaded first
    start = process_time()
    for cell in range(CELLS):
        train(graphs.take(slice(cell, cell + 1)), data, skeleton, recipe, [0])
    return CELLS * size["epochs"] * size["images"][0] / (process_time() - start)


def main() -> None:
    """Measure, in turns, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="a checkout of other code")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--measure", choices=SIZES, help="measure one size here, and print it")
    options = parser.parse_args()
    if options.measure:
        print(images_a_second(SIZES[options.measure]))
        return
    codes = {"this": Path(__file__).parents[1], **({"other": options.against.resolve()} if options.against else {})}
    report: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        found: dict[str, list[float]] = {name: [] for name in codes}
        for _ in range(options.turns):
            for name, code in codes.items():
                call = [sys.executable, __file__, "--measure", size]
                done = subprocess.run(
                    call, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True, check=True
                )
                found[name].append(float(done.stdout))
        medians = {name: round(float(np.median(numbers)), 1) for name, numbers in found.items()}
        ratio = round(medians["this"] / medians["other"], 3) if "other" in medians else None
        report[size] = {**medians, "ratio": ratio}
        print(size, json.dumps(report[size]), flush=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
