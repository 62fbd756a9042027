"""How well do estimators rank a space from few labels?

`python -m experiments.estimators space=nb101 estimators=[emprox,ridge] sizes=[100,424] splits=20`

For each split, n cells are labelled with ONE run's validation accuracy where the table tells runs apart, else with the
validation accuracy it has; the estimate is held against the mean test accuracy of other cells, drawn uniformly from
the whole space. Whether the standard deviations are honest is asked of
what is estimated, the validation accuracy of labelled cells left out (`within_1_std`), and of the mean test accuracy,
which is nearly a point lower (`test_within_1_std`). Each measurement goes to a journal at once: what was measured
is not measured again. Prints the table, and writes it with a figure to `experiments/results/`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas._config import build, composed, config_folder, explain, register
from nas.benchmarks import benchmark_of, find_table
from nas.benchmarks.table import Table, read_table
from nas.errors import UserError
from nas.spaces import GeneSpace
from nas.types import Architectures, Estimator, Prediction, Space, Values

RESULTS = Path(__file__).parent / "results"
TOP = 10
MEASURES = (
    "tau", "spearman", "precision", "within_1_std", "within_2_std", "test_within_1_std", "test_within_2_std",
    "fit_seconds", "query_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Labelled cells, cells to rank with their mean test accuracy, and labelled cells left out."""

    known: Architectures
    labels: Values
    queries: Architectures
    truth: Values
    left_out: Architectures
    left_out_labels: Values


class Labels:
    """Cells and values of a table: `archs`, mean `test` accuracy, and for `rows` the accuracy that `labels` them.

    `signal` says what the labels are.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self.archs, self.test = table.columns.archs, table.columns.test
        self.rows: NDArray[np.int64] = np.arange(len(table))
        self.signal = "mean validation accuracy, against mean test accuracy"
        with np.load(path) as arrays:
            if {"val_row", "val_acc_1run"} <= set(arrays):  # of some cells; no search sees it
                self.rows = arrays["val_row"].astype(np.int64)
                self.labels: Values = arrays["val_acc_1run"][:, -1].astype(np.float64)
                self.signal = "one run's validation accuracy at 108 epochs, against mean test accuracy"
            elif table.columns.validation is not None:
                self.labels = table.columns.validation
            else:
                raise UserError(f"{path} has no validation accuracy to label cells with: choose another table")

    def split(self, n: int, seed: int, test_cells: int) -> Split:
        """Draw `n` labelled cells, `test_cells` others of the space, and as many of the labelled cells left out."""
        rng = np.random.default_rng([seed, n])
        order = rng.permutation(len(self.rows))
        chosen, left_out = order[:n], order[n:][:test_cells]
        train = self.rows[chosen]
        drawn = min(test_cells + n, len(self.archs))
        others = np.setdiff1d(rng.choice(len(self.archs), size=drawn, replace=False), train)
        test = rng.permutation(others)[:test_cells]
        return Split(
            known=self.archs[train],
            labels=self.labels[chosen],
            queries=self.archs[test],
            truth=self.test[test],
            left_out=self.archs[self.rows[left_out]],
            left_out_labels=self.labels[left_out],
        )


def measure(estimator: Estimator, space: Space, split: Split) -> dict[str, float | None]:
    """Fit, estimate, and say how good the estimates and how long both took, from genes on."""
    from scipy.stats import kendalltau, spearmanr

    start = process_time()
    estimator.fit(space.batch(split.known), split.labels)
    fitted = process_time()
    prediction = estimator.predict(space.batch(split.queries))
    done = process_time()
    top = np.argsort(-split.truth, kind="stable")[:TOP]
    left_out = estimator.predict(space.batch(split.left_out))
    return {
        "tau": float(kendalltau(prediction.mean, split.truth).statistic),
        "spearman": float(spearmanr(prediction.mean, split.truth).statistic),
        "precision": len(np.intersect1d(top, prediction.top(TOP))) / TOP,
        "within_1_std": within(left_out, split.left_out_labels, 1),
        "within_2_std": within(left_out, split.left_out_labels, 2),
        "test_within_1_std": within(prediction, split.truth, 1),
        "test_within_2_std": within(prediction, split.truth, 2),
        "fit_seconds": fitted - start,
        "query_seconds": done - fitted,
    }


def within(prediction: Prediction, truth: Values, width: float) -> float | None:
    """Share of the true values at most `width` standard deviations from the estimate."""
    if prediction.std is None:
        return None
    return float((np.abs(truth - prediction.mean) <= width * prediction.std).mean())


def begun(path: Path, kept: Path) -> Path:
    """Let a journal that is not there yet begin with one that is kept, packed with gzip, in a folder."""
    packed = kept / f"{path.name}.gz"
    if packed.exists() and not path.exists():
        path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


def journal(path: Path) -> dict[str, dict[str, Any]]:
    """Read what was measured; a last line that was cut off by a kill is dropped."""
    measured: dict[str, dict[str, Any]] = {}
    if path.is_file():
        whole = path.read_bytes().rpartition(b"\n")
        os.truncate(path, len(whole[0]) + len(whole[1]))
        for line in whole[0].decode().splitlines():
            record = json.loads(line)
            measured[record["what"]] = record["measures"]
    return measured


def summarise(runs: list[dict[str, float | None]]) -> dict[str, Any]:
    """Mean and standard error over splits of each measure."""
    summary: dict[str, Any] = {"splits": len(runs)}
    for name in MEASURES:
        values = np.array([run[name] for run in runs if run[name] is not None], dtype=np.float64)
        if len(values):
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
            summary[name] = {"mean": round(float(values.mean()), 5), "standard_error": _number(error)}
    return summary


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def jobs(options: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Every (estimator, size, split) in the order in which they are measured."""
    for name in options["estimators"]:
        for size in options["sizes"]:
            for split in range(options["first_split"], options["first_split"] + options["splits"]):
                yield name, size, split


def exhausted(runs: list[dict[str, float | None]], limit: float | None) -> bool:
    """Whether two splits or more have taken `limit` CPU-seconds together."""
    spent = sum((run["fit_seconds"] or 0) + (run["query_seconds"] or 0) for run in runs)
    return limit is not None and len(runs) > 1 and spent >= limit


def draw(path: Path, methods: dict[str, dict[str, Any]], title: str) -> None:
    """Draw Kendall tau against the number of labels, best method first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    best_first = sorted(methods, key=lambda name: -next(iter(methods[name].values()))["tau"]["mean"])
    for place, name in enumerate(best_first):
        sizes = [int(size) for size in methods[name]]
        tau = [summary["tau"]["mean"] for summary in methods[name].values()]
        error = [summary["tau"]["standard_error"] or 0 for summary in methods[name].values()]
        style = "-" if place < 10 else "--"  # there are ten colours
        axes.errorbar(sizes, tau, error, marker="o", markersize=3, label=name, linestyle=style)
    axes.set(xscale="log", xlabel="labelled cells", ylabel="Kendall tau with mean test accuracy")
    axes.set_title(title, fontsize="medium")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def table_lines(methods: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Write the summary as a Markdown table: tau (splits) by size, then the rest at the first size."""
    sizes = list(next(iter(methods.values())))
    others = [name for name in MEASURES if name != "tau"]
    yield "| estimator |" + "".join(f" {n} |" for n in sizes) + "".join(f" {name}@{sizes[0]} |" for name in others)
    yield "|---|" + "---|" * (len(sizes) + len(others))
    for method, summaries in methods.items():
        taus = (
            f" {s['tau']['mean']:.3f} ± {s['tau']['standard_error'] or 0:.3f} ({s['splits']}) |"
            for s in summaries.values()
        )
        first = summaries[sizes[0]]
        rest = (f" {first[name]['mean']:.3f} |" if name in first else " |" for name in others)
        yield f"| {method} |" + "".join(taus) + "".join(rest)


def run(options: dict[str, Any]) -> None:
    """Measure what is not measured yet, report."""
    from rich.progress import track

    space: GeneSpace = build(options["space"], "space")
    chosen, path = find_table(options["path"], options["table"], benchmark_of(space).tables)
    table = read_table(path, space, name=chosen)
    labels = Labels(path, table)
    if max(options["sizes"]) > len(labels.rows):
        raise UserError(f"sizes has {max(options['sizes'])}, must be at most {len(labels.rows)}: labelled cells")
    nodes = {name: composed([f"estimator={name}"])["estimator"] for name in options["estimators"]}
    folder = Path(options["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    measured = journal(folder / "journal.jsonl")
    todo = list(jobs(options))
    keys = {
        job: json.dumps([nodes[job[0]], *job[1:], options["test_cells"], repr(space), table.sha256, chosen])
        for job in todo
    }

    def runs(name: str, size: int) -> list[dict[str, float | None]]:
        return [measured[keys[job]] for job in todo if job[:2] == (name, size) and keys[job] in measured]

    with (folder / "journal.jsonl").open("a", encoding="utf-8") as file:
        for job in track(todo, "splits", disable=not sys.stderr.isatty()):
            name, size, split = job
            if keys[job] in measured or exhausted(runs(name, size), options["limit"]):
                continue
            estimator: Estimator = build(nodes[name], "estimator", space=space)
            estimator.prepare()  # once per space, so no part of a fit
            measures = measure(estimator, space, labels.split(size, split, options["test_cells"]))
            measured[keys[job]] = measures
            file.write(json.dumps({"estimator": name, "what": keys[job], "measures": measures}) + "\n")
            file.flush()
    methods: dict[str, dict[str, Any]] = {}
    for name, size, _ in todo:
        methods.setdefault(name, {})[str(size)] = summarise(runs(name, size))
    first, last = options["first_split"], options["first_split"] + options["splits"] - 1
    report = {
        "table": f"{chosen} ({path.name})",
        "sha256": table.sha256,
        "signal": labels.signal,
        "test_cells": min(options["test_cells"], len(table) - max(options["sizes"])),
        "splits": [first, last],
        "estimators": nodes,
        "methods": methods,
    }
    for line in table_lines(methods):
        print(line)
    if first == 0:  # other splits are for tuning and never reported
        RESULTS.mkdir(exist_ok=True)
        stem = options["report"] or f"estimators_{type(space).__name__.lower()}"
        (RESULTS / f"{stem}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        draw(
            RESULTS / f"{stem}.png",
            methods,
            f"{report['table']}, splits {first}-{last}, {report['test_cells']:,} test cells",
        )


def main() -> int:
    """Read the options as Hydra does; a mistake is one line."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    register()
    try:
        search_path = f"hydra.searchpath=[file://{config_folder()}]"
        with initialize_config_dir(str(Path(__file__).parent / "conf"), version_base="1.3"):
            choices = compose("estimators", [*sys.argv[1:], search_path])
        run(OmegaConf.to_container(choices, resolve=True))  # type: ignore[arg-type]
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {error if isinstance(error, UserError) else explain(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
