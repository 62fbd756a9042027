"""What do many labels and many candidates cost EmProx? `NAS_DATA_DIR=... python -m experiments.estimator_scale`

The space is NAS-Bench-101's with cells of up to 12 edges, which has more than a million networks; labels are the mean
test accuracies of NAS-Bench-101's own cells. For each number of labels, in a process of its own: a fit; an update by
100 more, which join; estimates of 10^4 to 10^6 candidates, embedding included; on 10,000 labelled cells left out,
Kendall's tau and the shares within one and two deviations; how often the graph index finds the true nearest
neighbourhood. Wall and CPU seconds, and the most memory that the process had until then. Prints, and writes
`experiments/results/estimator_scale.json` and `.png`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from nas._config import build, composed
from nas.benchmarks import benchmark_of, find_table
from nas.benchmarks.table import read_table
from nas.spaces import NB101
from nas.types import Batch

RESULT = Path(__file__).parent / "results" / "estimator_scale.json"
LABELS = (1_000, 2_048, 10_000, 30_000, 100_000)
CANDIDATES = (10_000, 100_000, 1_000_000)
LEFT_OUT, MORE = 10_000, 100


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of the work, and the most memory in GB that the process has had."""
    wall, cpu = perf_counter(), process_time()
    work()
    spent = perf_counter() - wall, process_time() - cpu
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"wall": round(spent[0], 3), "cpu": round(spent[1], 3), "gb": round(most, 2)}


def measure(labels: int, seed: int) -> dict[str, Any]:
    """All figures for so many labels."""
    from scipy.stats import kendalltau

    original, space = NB101(), NB101(max_edges=12)
    columns = read_table(
        find_table(None, "cifar10", benchmark_of(original).tables)[1], original, name="cifar10"
    ).columns
    rng = np.random.default_rng([seed, labels])
    rows = rng.permutation(len(columns.test))[: labels + MORE + LEFT_OUT]
    archs, values = columns.archs[rows], columns.test[rows]
    estimator = build(composed(["estimator=emprox"])["estimator"], "estimator", space=space)
    estimator.prepare()
    known, grown = (space.batch(archs[:n]) for n in (labels, labels + MORE))
    warm = known.take(slice(50))
    estimator.fit(warm, values[:50])  # brings the libraries
    estimator.predict(warm)
    found: dict[str, Any] = {"fit": measured(lambda: estimator.fit(known, values[:labels]))}
    left_out = space.batch(archs[-LEFT_OUT:])
    made, truth = estimator.predict(left_out), values[-LEFT_OUT:]
    found["tau"] = round(float(kendalltau(made.mean, truth).statistic), 4)
    assert made.std is not None
    inside = np.abs(truth - made.mean) <= np.outer([1, 2], made.std)
    found["within"] = np.round(inside.mean(axis=1), 3).tolist()
    found["recall"] = recall(estimator, left_out)
    found["update"] = measured(lambda: estimator.fit(grown, values[: labels + MORE]))
    for n in CANDIDATES:
        asked = drawn(space, n, rng)
        found[f"estimate {n}"] = measured(lambda: estimator.predict(asked))  # noqa: B023
    return found


def recall(estimator: Any, batch: Batch) -> float | None:
    """How often a query is given the neighbourhood that is the nearest; None: there is one only."""
    kriging = estimator._known.kriging
    if kriging._inducing is None:
        return None
    queries = estimator.encoder.embed(batch).values
    centres = kriging._centres.reconstruct_n(0, kriging._centres.ntotal)
    lengths = (centres**2).sum(axis=1)
    parts = np.array_split(queries, max(1, len(queries) // 500))
    nearest = np.concatenate([(lengths - 2 * part @ centres.T).argmin(axis=1) for part in parts])
    return round(float((kriging._homes(queries)[0] == nearest).mean()), 4)


def drawn(space: NB101, n: int, rng: np.random.Generator) -> Batch:
    """Distinct networks of the space."""
    batch = space.batch(space.sample(n + n // 3, rng))
    first = np.sort(np.unique(batch.keys, return_index=True)[1])
    return batch.take(first[:n])


def draw(times: dict[str, Any]) -> None:
    """Seconds against labels: of a fit, an update, and estimates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    labels = [int(n) for n in times]
    for name in ("fit", "update", *(f"estimate {n}" for n in CANDIDATES)):
        what, _, n = name.partition(" ")
        label = {"fit": "fit", "update": f"update by {MORE}"}.get(what, f"estimate of {int(n or 0):,} candidates")
        axes.plot(labels, [one[name]["wall"] for one in times.values()], marker="o", markersize=3, label=label)
    axes.set_title("EmProx on NAS-Bench-101 with up to 12 edges", fontsize="medium")
    axes.set(xscale="log", yscale="log", xlabel="labels", ylabel="seconds on two cores")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(RESULT.with_suffix(".png"), dpi=120)


def main() -> None:
    """Measure each number of labels in a process of its own, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, help="measure these only, and print them")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.labels:
        print(json.dumps(measure(options.labels, options.seed)))
        return
    times: dict[str, Any] = {}
    for n in LABELS:
        command = [sys.executable, "-m", "experiments.estimator_scale", "--labels", str(n), "--seed", str(options.seed)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        times[str(n)] = json.loads(done.stdout.splitlines()[-1])
        print(n, json.dumps(times[str(n)]), flush=True)
    RESULT.write_text(json.dumps({"cores": os.cpu_count(), "labels": times}, indent=1) + "\n", encoding="utf-8")
    draw(times)


if __name__ == "__main__":
    main()
