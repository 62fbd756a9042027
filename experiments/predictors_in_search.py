"""Which predictor pays inside a search? `python -m experiments.predictors_in_search --table digits`.

Each predictor of the study ranks 200 candidates a round, of Bayesian search (the smart pool) or of regularized
evolution, and the ten best are evaluated: 20 random networks first, 150 evaluations in all, seeds 0 and up. What is
told is the mean test accuracy of the incumbent against simulated seconds: training, and whatever the predictor paid
for (partial training, a supernet, passes over images). Beside them: random search, and evolution with no predictor.
Embedded table: curves of 4 of 8 epochs, scores and supernets computed here. NAS-Bench-201: accuracy after 12 of 200
epochs, published scores. Each run goes to a journal at once; a predictor that has taken `--limit` CPU seconds gets no
more seeds, at least two.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np

from nas._config import composed
from nas.types import Values

RESULTS = Path(__file__).parent / "results"
TABLES = {"digits": ["space=nb101", "table=digits"], "nb201": ["space=nb201", "table=cifar10"]}
PROTOCOL = ["budget=150", "initial=20", "batch=10", "pool=200"]
ALONE = {"none, random": ["strategy=random", "estimator=none"], "none, evolution": ["strategy=evolution", "estimator=none"]}
STRATEGIES = ("bayesian", "evolution")
TRAININGS = (50, 100, 150)  # at the price of how many whole trainings the incumbents are told
FEWEST = 2  # seeds
_NEEDS_MORE = {"nb201": {"rsws", "one_shot", "sotl", "sotl_e", "early_loss", "lce", "lce_m", "lcsvr"}}  # curves, images


def fitted_to(node: Any, place: str) -> Iterator[str]:
    """The overrides with which an estimator finds what it needs in NAS-Bench-201's table."""
    if not isinstance(node, dict):
        return
    if node.get("_target_", "").endswith("ZeroCost"):
        yield f"{place}._target_=nas.encoders.PublishedScores"
        yield from (f"~{place}.{option}" for option in sorted(node.keys() & {"skeleton", "batch", "seed", "device"}))
    if node.get("_target_", "").endswith("EarlyCurve"):
        yield f"{place}.epochs=12"
    for name, part in node.items():
        yield from fitted_to(part, f"{place}.{name}")


def methods(table: str) -> dict[str, list[str]]:
    """The command line of each, by the name that the report gives it."""
    found = dict(ALONE)
    for name in composed([], "study")["predictors"]:
        if name in _NEEDS_MORE.get(table, ()):
            continue
        node = composed([f"estimator={name}"], resolve=False)["estimator"]
        more = list(fitted_to(node, "estimator")) if table == "nb201" else []
        for strategy in STRATEGIES:
            found[f"{name}, {strategy}"] = [f"strategy={strategy}", f"estimator={name}", *more]
    return found


def run_one(overrides: list[str]) -> dict[str, Any]:
    """One search: test accuracies of the incumbent and simulated seconds after each evaluation, and CPU seconds."""
    import nas

    start = process_time()
    with TemporaryDirectory() as folder:
        run = nas.run(*overrides, folder=folder)
    return {
        "test": np.round(run.content["incumbent_test_accuracy"], 5).tolist(),
        "seconds": np.round(run.content["cumulative_cost_seconds"], 1).tolist(),
        "cpu": round(process_time() - start, 2),
    }


def measured(journal: Path) -> dict[str, dict[str, Any]]:
    """What stands in the journal; a last line that was cut off is dropped."""
    if not journal.is_file():
        return {}
    whole = journal.read_bytes().rpartition(b"\n")
    journal.write_bytes(whole[0] + whole[1])
    return {record["what"]: record["found"] for record in map(json.loads, whole[0].splitlines())}


def at(run: dict[str, Any], seconds: Values) -> Values:
    """The test accuracy of the incumbent after so many simulated seconds, in percent; NaN before the first."""
    place = np.searchsorted(run["seconds"], seconds, side="right") - 1
    return np.where(place < 0, np.nan, 100 * np.array(run["test"])[place])


def summarise(runs: list[dict[str, Any]], training: float, grid: Values) -> dict[str, Any]:
    """Mean and standard error over the seeds."""
    here = np.array([at(run, np.array(TRAININGS) * training) for run in runs])
    end = np.array([100 * run["test"][-1] for run in runs])
    by_time = np.array([at(run, grid) for run in runs])
    error = np.sqrt(max(len(runs), 1))
    return {
        "seeds": len(runs),
        "at_trainings": {f"{n}": _mean(column, error) for n, column in zip(TRAININGS, here.T, strict=True)},
        "after_150": _mean(end, error),
        "seconds_of_150": round(float(np.mean([run["seconds"][-1] for run in runs])), 1),
        "cpu_seconds": round(float(np.mean([run["cpu"] for run in runs])), 1),
        "curve": [None if np.isnan(column).any() else round(float(column.mean()), 3) for column in by_time.T],
    }


def _mean(column: Values, error: float) -> list[float] | None:
    """Mean and standard error, or None where a run has evaluated nothing yet."""
    if np.isnan(column).any():
        return None
    return [round(float(column.mean()), 3), round(float(column.std(ddof=1) / error), 3)]


def draw(path: Path, reports: dict[str, dict[str, Any]]) -> None:
    """Draw the incumbents at the price of 150 whole trainings: a row for each predictor, a panel for each table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 11), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(reports)))
    for axes, (table, report) in zip(panels, reports.items(), strict=True):
        rows: dict[str, dict[str, list[float]]] = defaultdict(dict)
        for method, found in report["methods"].items():
            name, _, strategy = method.partition(", ")
            if found["at_trainings"]["150"] is not None:
                rows[name][strategy] = found["at_trainings"]["150"]
        alone = rows.pop("none")
        order = sorted(rows, key=lambda name: max(mean for mean, _ in rows[name].values()))
        for place, (strategy, marker) in enumerate(zip(STRATEGIES, "os", strict=True)):
            there = [row for row, name in enumerate(order) if strategy in rows[name]]
            means, errors = np.array([rows[order[row]][strategy] for row in there]).T
            axes.errorbar(
                means, there, xerr=errors, fmt=marker, color=f"C{place}", markersize=4, label=f"{strategy} with it"
            )
        for (strategy, (mean, _)), style in zip(alone.items(), (":", "--"), strict=True):
            axes.axvline(mean, linestyle=style, color="black", linewidth=1, label=f"{strategy}, no predictor")
        axes.set_yticks(range(len(order)), order, fontsize="small")
        axes.set_ylim(-1, len(order))
        axes.set_xlabel("mean test accuracy of the incumbent (%)")
        axes.set_title(f"{report['table']}, at the price of 150 trainings", fontsize="medium")
        axes.grid(alpha=0.3)
    panels[0].legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run what the journal does not know, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", choices=TABLES, required=True)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--limit", type=float, default=40)
    parser.add_argument("--predictors", nargs="+", help="default: all of the study")
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/predictors_in_search"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process
    options.folder.mkdir(parents=True, exist_ok=True)
    journal = options.folder / f"{options.table}.jsonl"
    known, chosen = measured(journal), methods(options.table)
    wanted = {name for name in chosen if not options.predictors or name.partition(",")[0] in [*options.predictors, "none"]}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool, journal.open("a") as file:
        for seed in range(options.seeds):
            due = {}
            for name, overrides in chosen.items():
                what = json.dumps([name, *TABLES[options.table], *PROTOCOL, *overrides, seed])
                spent = sum(run["cpu"] for run in runs[name])
                if what in known:
                    runs[name].append(known[what])
                elif name in wanted and len(runs[name]) == seed and (seed < FEWEST or spent < options.limit):
                    line = [*TABLES[options.table], *PROTOCOL, *overrides, f"seed={seed}"]
                    due[name] = what, pool.submit(run_one, line)
            for name, (what, job) in due.items():
                runs[name].append(job.result())
                file.write(json.dumps({"what": what, "found": runs[name][-1]}) + "\n")
                file.flush()
    report(options.table, {name: some for name, some in runs.items() if len(some) >= FEWEST})


def report(table: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    """Write and print the summary, and draw both tables if both are there."""
    training = float(np.mean([run["seconds"][-1] / len(run["seconds"]) for run in runs["none, random"]]))
    grid = training * np.geomspace(2, 1000, 40)
    found = {name: summarise(some, training, grid) for name, some in runs.items()}
    content = {
        "table": table,
        "protocol": PROTOCOL,
        "training_seconds": round(training, 2),
        "grid_seconds": grid.round(1).tolist(),
        "methods": found,
    }
    path = RESULTS / f"predictors_in_search_{table}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("| method | seeds |" + "".join(f" price of {n} |" for n in TRAININGS) + " 150 evaluations | price of these |")
    print("|---|" + "---|" * (len(TRAININGS) + 3))
    for name, one in sorted(found.items(), key=lambda item: -(item[1]["at_trainings"]["150"] or [0])[0]):
        told = [*one["at_trainings"].values(), one["after_150"]]
        cells = " | ".join("" if pair is None else f"{pair[0]:.2f} ± {pair[1]:.2f}" for pair in told)
        print(f"| {name} | {one['seeds']} | {cells} | {one['seconds_of_150'] / training:.0f} |")
    files = [RESULTS / f"predictors_in_search_{name}.json" for name in TABLES]
    reports = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()}
    draw(RESULTS / "predictors_in_search.png", reports)


if __name__ == "__main__":
    main()
