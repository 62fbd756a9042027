"""What does EmProx gain from what it hears? `python -m experiments.listening --splits 20`

NAS-Bench-101: 100 of the 20,001 cells of which one training is known are labelled with its validation accuracy after
108 epochs; others of them are ranked, whose validation accuracy after 4, 12 or 36 epochs is heard, as is that of the
labelled ones. NAS-Bench-201, CIFAR-10: 121 of the 5,044 distinct networks are labelled with their validation accuracy;
heard is that after 12 epochs, or the published zero-cost scores, or both. Kendall's tau with the mean test accuracy,
for two numbers of cells that are asked for together: the more are paid for, the better a noisy number is smoothed.
Settings were chosen on splits 1000 and up; what is reported is splits 0 and up, whatever came out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from nas.encoders import EarlyCurve, Encoder, GraphEncoder, Joined, PublishedScores
from nas.estimators import EmProx
from nas.evaluators import TableEvaluator
from nas.spaces import NB101, NB201
from nas.types import Batch, Space, Values

RESULT = Path(__file__).parent / "results" / "listening.json"
TOGETHER = (200, 2000)

Heard = dict[str, dict[str, Encoder]]


def benchmarks() -> Iterator[tuple[str, Space, Batch, Values, Values, int, Heard]]:
    """Of each: its name, the space, cells with their labels and test accuracies, how many are labelled, and the heard.

    Raises:
        UserError: a table is not there, or lacks what is heard.
    """
    cells = NB101()
    table = TableEvaluator(cells, "cifar10")
    curves = table.table.columns.curves
    assert curves is not None
    accuracy = curves.metrics["valid_accuracy"][:, 0]
    rows = np.flatnonzero(np.isfinite(accuracy[:, -1]))
    batch = cells.batch(table.table.columns.archs[rows])
    early: Heard = {
        f"early {epochs}": {"early": EarlyCurve(cells, table, epochs=epochs)} for epochs in curves.epochs[:-1].tolist()
    }
    yield "nb101", cells, batch, accuracy[rows, -1], table.test(batch), 100, {"graph": {}, **early}
    edges = NB201()
    table = TableEvaluator(edges, "cifar10", signal="validation")
    batch = edges.batch(edges.enumerate())
    curve, scores = EarlyCurve(edges, table, epochs=12), PublishedScores(edges, table)
    heard: Heard = {
        "graph": {},
        "early 12": {"early": curve},
        "zero_cost": {"zero_cost": scores},
        "zero_cost, early 12": {"zero_cost": scores, "early": curve},
    }
    yield "nb201", edges, batch, table.evaluate(batch).value, table.test(batch), 121, heard


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first split")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    result: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, space, batch, labels, truth, known, heard in benchmarks():
        graph = GraphEncoder(space)
        found = result[name] = {what: {f"{asked}": [] for asked in TOGETHER} for what in heard}
        for split in range(options.first, options.first + options.splits):
            order = np.random.default_rng(split).permutation(len(batch))
            for what, more in heard.items():
                estimator = EmProx(space, Joined(space, {"graph": graph, **more}))
                estimator.fit(batch.take(order[:known]), labels[order[:known]])
                for asked in TOGETHER:
                    rows = order[known : known + asked]
                    tau = kendalltau(estimator.predict(batch.take(rows)).mean, truth[rows]).statistic
                    found[what][f"{asked}"].append(round(float(tau), 4))
        for what, by_asked in found.items():
            told = [
                f"{asked}: {np.mean(taus):.3f} ± {np.std(taus, ddof=1) / len(taus) ** 0.5:.3f}"
                for asked, taus in by_asked.items()
            ]
            print(name, what, *told, sep=" | ", flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
