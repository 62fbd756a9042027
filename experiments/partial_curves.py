"""Do learning curves of NAS-Bench-201's real training rank its networks? `python -m experiments.partial_curves`.

3,494 trainings of 2,698 cells on CIFAR-10, epoch by epoch, which Hyperband stopped: the longer a curve, the better its
network. The table has no training loss; training accuracy stands in for it. The accuracy that a search would see is of
the test images, as there are no others, of this one run; what is ranked is the mean test accuracy of all runs after 200
epochs. Of each cell the longest run is taken. Kendall's tau after each number of epochs, of all curves that are as
long, and of those that have 81 epochs, which are the same at each: mean and standard error of samples of 200 cells. A
learnt predictor (LcSVR) learns from the validation accuracies of 100 others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from nas._config import build, composed
from nas.benchmarks import benchmark_of, find_table
from nas.encoders.early import SUMMARIES
from nas.encoders.growth import least_squares
from nas.spaces import NB201
from nas.types import Values

RESULT = Path(__file__).parent / "results" / "partial_curves.json"
EPOCHS = (1, 3, 9, 27, 81)
LAST, SAMPLE, KNOWN, FEWEST = 200, 200, 100, 3

Curves = NDArray[np.float64]


def extrapolated(curves: Curves) -> Values:
    """LCE: the accuracy after 200 epochs, as each `(n, epochs)` curve tells it."""
    points = np.arange(1, curves.shape[1] + 1, dtype=np.float64)
    return np.array([least_squares(points, curve, float(LAST)) for curve in curves])


def learnt(curves: Curves, known: Curves, labels: Values, seed: int) -> Values:
    """LcSVR: a support vector regression on the moments of the curves."""
    node = composed(["estimator=lcsvr", f"seed={seed}"])["estimator"]["regressor"]
    moments = SUMMARIES["moments"]
    estimates: Values = build(node, "regressor").fit(moments(known), labels).predict(moments(curves))
    return estimates


def scores(test: Curves, train: Curves) -> dict[str, Callable[[NDArray[np.intp]], Values]]:
    """What needs no labels, of some rows of both curves."""
    found: dict[str, Callable[[NDArray[np.intp]], Values]] = {
        "accuracy": lambda rows: test[rows, -1],
        "training accuracy": lambda rows: train[rows, -1],
        "sum of training accuracy": lambda rows: train[rows].sum(axis=1),
    }
    if test.shape[1] >= FEWEST:
        found["LCE"] = lambda rows: extrapolated(test[rows])
    return found


def taus(test: Curves, train: Curves, truth: Values, labels: Values, splits: int) -> dict[str, list[float]]:
    """Kendall's tau of each split."""
    found: dict[str, list[float]] = {}
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(truth))
        rows, others = order[:SAMPLE], order[SAMPLE : SAMPLE + KNOWN]
        estimates = {name: score(rows) for name, score in scores(test, train).items()}
        if test.shape[1] >= FEWEST:
            estimates["LcSVR"] = learnt(test[rows], test[others], labels[others], split)
        for name, values in estimates.items():
            found.setdefault(name, []).append(round(float(kendalltau(values, truth[rows]).statistic), 4))
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    path = find_table(None, "cifar10", benchmark_of(NB201()).tables)[1]
    with np.load(path) as table, np.load(path.with_name("nb201_c10_partial_curves.npz")) as partial:
        drawn = np.random.default_rng(0).permutation(len(partial["row"]))
        lengths = np.isfinite(partial["test_acc"]).sum(axis=1)
        drawn = drawn[np.argsort(-lengths[drawn], kind="stable")]  # the longest run of each cell
        rows, first = np.unique(partial["row"][drawn], return_index=True)
        drawn = drawn[first]
        truth, labels = (table[name][rows, 0].astype(np.float64) / 100 for name in ("test_acc_200", "val_acc_200"))
        test, train = (partial[name][drawn].astype(np.float64) / 100 for name in ("test_acc", "train_acc"))
    lengths = lengths[drawn]
    result: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, least in (("as long", 0), ("of 81 epochs", 81)):
        for epochs in EPOCHS:
            there = lengths >= max(epochs, least)
            found = taus(test[there, :epochs], train[there, :epochs], truth[there], labels[there], options.splits)
            result.setdefault(f"curves {name}", {})[f"{epochs}"] = found
            told = [
                f"{what} {np.mean(one):.3f} ± {np.std(one, ddof=1) / len(one) ** 0.5:.3f}"
                for what, one in found.items()
            ]
            print(f"curves {name}: {epochs} epochs, {there.sum()} cells", *told, sep=" | ", flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
