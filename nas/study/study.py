"""A study from its options to its report."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from nas._config import build, composed
from nas._drawing import attempt
from nas._page import html_figure, page, print_tables
from nas.errors import UserError
from nas.search.journal import write_whole
from nas.study.figures import draw_families, draw_map, label
from nas.study.journal import Journal
from nas.study.measuring import Bench
from nas.study.options import StudyOptions
from nas.study.page import remarks, tables
from nas.study.predictors import Predictor, predictors
from nas.study.running import bench_of, jobs, run
from nas.study.summary import full_training, measured, summarise

_CAPTIONS = {
    "map": "The predictor with the highest tau of those that cost no more than so many seconds before anything is "
    "ranked, and so many for each network; lines: that tau.",
    "families": "Mean of the splits, bars: one standard error. Predictors that learn cost labels, and so time before "
    "anything is ranked; predictors that look cost time for each network.",
}


def study(overrides: Sequence[str], own: Sequence[str]) -> dict[str, Any]:
    """Measure what is not measured yet, and report.

    Args:
        overrides: options, as on the command line.
        own: where Hydra looks for options beside the package's.

    Returns:
        The report, as in `study.json`.

    Raises:
        UserError: an option is wrong, the table is not at hand, or no predictor is left.
    """
    options = StudyOptions.composed([*overrides, *own])
    parts: dict[str, Any] = {"space": options.space, "evaluator": options.evaluator}
    evaluator = Bench(**parts, dataset=options.dataset, epochs=[], most=0, test=options.networks).evaluator
    identity = evaluator.identity()
    dataset, missing = _images(options.dataset, identity["table"], own)
    curves = evaluator.table.columns.curves
    there = [] if curves is None else [int(epochs) for epochs in curves.epochs[:-1]]
    fidelities = there if options.epochs is None else sorted(set(options.epochs))
    for epochs in set(fidelities) - set(there):
        known = ", ".join(map(str, there)) or "no learning curves"
        raise UserError(f"epochs has {epochs}, the table has before the end of a training: {known}")
    sizes = sorted(set(options.sizes))
    made = {**parts, "dataset": dataset, "epochs": fidelities, "most": sizes[-1], "test": options.networks}
    bench = bench_of(json.dumps(made))
    chosen, left_out = _chosen(options.predictors, own, bench, fidelities, sizes, missing)
    space = type(evaluator.space).__name__.lower()
    folder = Path(options.folder or f"outputs/study/{space}_{Path(identity['table']).stem}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"folder is {folder}, which cannot be made ({error.strerror}): name another") from error
    pool = bench.pool
    measured_on = {**identity, "networks": f"{len(pool)}", "signal": pool.signal, "ranked": f"{options.networks}"}
    measured_on |= {"images": _told(dataset), "seed": f"{options.seed}"}
    tests = list(dict.fromkeys(options.tests))
    splits = range(options.first_split, options.first_split + options.splits)
    with Journal(folder, measured_on) as journal:
        todo = list(jobs(chosen, tests, splits))
        new = sum(job.key not in journal.found for job in todo)
        print(f"table {identity['table']}: up to {new} measurements, each kept in {folder} at once", file=sys.stderr)
        run(todo, made, journal, options.workers, options.limit)
    report = {
        "measured_on": measured_on,
        "training_seconds": float(pool.seconds.mean()) if pool.timed else None,
        "tests": tests,
        "splits": options.splits,
        "first_split": options.first_split,
        "left_out": left_out,
        "configurations": {one.name: dict(one.node) for one in chosen},
        "observes": {label({**vars(one), "predictor": one.name}): one.observes for one in chosen if one.observes},
        "measured": [*summarise(todo, journal.found), *full_training(bench, tests, splits)],
    }
    _write(folder, report)
    print_tables(tables(report), remarks(report))
    print(f"figures and all tables in {folder / 'study.html'}")
    return report


def _images(node: Any | None, table: str, own: Sequence[str]) -> tuple[Any | None, str]:
    """The configuration of the data set that was asked for, else of the table's; or None, and why there is none."""
    if node is not None:
        return node, ""
    try:
        node = composed([f"dataset={table}", *own])["dataset"]
        build(node, "dataset").load()
    except (UserError, HydraException) as error:  # Hydra's, where no data set has the name of the table
        reason = str(error).splitlines()[0] if isinstance(error, UserError) else f"no data set is called {table!r}"
        return None, f"it needs images to be computed on, and {reason}: give dataset=..."
    return node, ""


def _told(dataset: Any | None) -> str:
    """A data set in short, with its options."""
    if dataset is None:
        return "none"
    options = ", ".join(f"{name}={value}" for name, value in dataset.items() if name != "_target_")
    return f"{dataset['_target_'].rpartition('.')[2]}({options})"


def _chosen(
    names: Sequence[str], own: Sequence[str], bench: Bench, fidelities: list[int], sizes: list[int], missing: str
) -> tuple[list[Predictor], dict[str, str]]:
    """The predictors that can be made for the table, and why others cannot."""
    chosen: list[Predictor] = []
    left_out: dict[str, str] = {}
    told: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        node = composed([f"estimator={name}", *own], resolve=False)["estimator"]
        try:
            made = predictors(name, node, bench.evaluator, fidelities, sizes, missing, **bench.given)
        except UserError as error:
            left_out[name] = str(error)
        else:
            chosen += made
            short = sorted(set(fidelities) - {one.epochs for one in made}) if made[0].epochs is not None else []
            if short:
                left_out[f"{name} ({', '.join(map(str, short))} ep.)"] = "it needs more of a learning curve"
    for absent, reason in left_out.items():
        told.setdefault(reason, []).append(absent)
    for reason, without in told.items():
        print(f"left out: {', '.join(without)}: {reason}", file=sys.stderr)
    if not chosen:
        raise UserError("no predictor is left: choose others with predictors=[...]")
    return chosen, left_out


def _write(folder: Path, report: dict[str, Any]) -> None:
    """Write the numbers first: a figure or a page that cannot be drawn must not cost them."""
    write_whole(folder / "study.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    drawn = []
    for kind in report["tests"]:
        if not measured(report["measured"], kind):
            continue
        title = f"{report['measured_on']['table']}, {kind} networks"
        for name, draw in (("map", draw_map), ("families", draw_families)):
            file = folder / f"{name}_{kind}.png"
            figure = attempt(file.name, partial(draw, report["measured"], kind, title))
            if figure is not None:
                attempt(file.name, partial(figure.savefig, file, dpi=120))
            drawn.append(html_figure(figure, f"{name} of {title}", f"{title}. {_CAPTIONS[name]}"))
    write_whole(folder / "study.html", page("Study of predictors", remarks(report), drawn, tables(report, whole=True)))
