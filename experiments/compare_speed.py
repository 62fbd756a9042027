"""How long does `nas.compare` take for many runs? `python -m experiments.compare_speed --runs 10000`.

Makes one real run, and from it folders of runs that never were, with curves drawn from the embedded table, in a
temporary folder; then times `python -m nas.compare` on them, as a user would start it. The files have just been
written, so they are read from memory, not from a disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from nas.compare.metrics import expected_best_of_random
from nas.evaluators import TableEvaluator
from nas.spaces import NB101
from nas.types import Values

RESULT = Path(__file__).parent / "results" / "compare_speed.json"


def make_runs(folder: Path, runs: int, methods: int, budget: int) -> None:
    """Write `runs` folders of `methods` methods, each with the files of a run."""
    sample = folder / "sample"
    options = ["space.max_vertices=5", "table=digits", "estimator=none", f"budget={budget}", f"hydra.run.dir={sample}"]
    subprocess.run([sys.executable, "-m", "nas.search", *options], check=True, capture_output=True)
    result = json.loads((sample / "result.json").read_text(encoding="utf-8"))
    config, history = (sample / "config.yaml").read_bytes(), (sample / "history.jsonl").read_bytes()
    for path in sample.iterdir():
        path.unlink()
    sample.rmdir()
    reference = TableEvaluator(NB101(max_vertices=5), "digits", None, None, None).reference()
    order = np.argsort(reference.signal)
    for number in range(runs):
        method, seed = number % methods, number // methods
        rng = np.random.default_rng([method, seed])
        found = rng.permutation(order[10 * method :])[:budget]  # a better method draws from fewer
        leaders = found[_leaders(reference.signal[found])]
        result["config"]["strategy"]["population"] = 20 + method
        result["config"]["seed"] = result["seed"] = seed
        result["incumbent_value"] = reference.signal[leaders].tolist()
        result["incumbent_test_accuracy"] = reference.test[leaders].tolist()
        result["cumulative_cost_seconds"] = rng.random(budget).cumsum().round(3).tolist()
        run = folder / f"{method}" / f"{seed}"
        run.mkdir(parents=True)
        (run / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        (run / "config.yaml").write_bytes(config)
        (run / "history.jsonl").write_bytes(history)
    assert np.allclose(expected_best_of_random(reference.signal, budget), result["random_search_expected_value"])


def _leaders(values: Values) -> Values:
    """`(n,)`: the place of the best of the first 1..n values."""
    best = np.maximum.accumulate(values)
    return np.array([(values == one).argmax() for one in best])


def main() -> None:
    """Make the runs, time the comparison, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_runs(folder / "runs", arguments.runs, arguments.methods, arguments.budget)
        wall, processor = [], []
        program = [sys.executable, "-m", "nas.compare", str(folder / "runs"), "--out", str(folder / "report")]
        for _ in range(arguments.repeats):
            start, before = perf_counter(), os.times()
            subprocess.run([*program, "--level", "95", "96", "--json"], check=True, stdout=subprocess.DEVNULL)
            wall.append(round(perf_counter() - start, 2))
            after = os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
            processor.append(round(used, 2))
        found = json.loads((folder / "report" / "comparison.json").read_text(encoding="utf-8"))
    assert sum(one["runs"] for one in found["methods"]) == arguments.runs
    assert len(found["methods"]) == arguments.methods
    report = {
        "command": f"python -m experiments.compare_speed --runs {arguments.runs} --methods {arguments.methods} "
        f"--budget {arguments.budget} --repeats {arguments.repeats}",
        "cpus": os.cpu_count(),
        "wall_seconds": wall,
        "processor_seconds": processor,
        "load_average_at_the_end": round(os.getloadavg()[0], 2),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    told = f"{arguments.runs} runs of {arguments.methods} methods, budget {arguments.budget}"
    print(f"{told}: {median(wall)} s ({median(processor)} s of processor time)")


if __name__ == "__main__":
    main()
