"""Compare performance predictors: `python -m nas.study --quick`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nas._config import composed
from nas._drawing import attempt
from nas._output import read_to_the_end
from nas._page import html_figure, page, print_tables
from nas.errors import UserError
from nas.search._messages import one_line
from nas.search.journal import write_whole
from nas.study.figures import draw_families, draw_map
from nas.study.journal import Journal
from nas.study.measuring import Bench
from nas.study.options import StudyOptions
from nas.study.page import remarks, tables
from nas.study.predictors import Predictor, predictors
from nas.study.running import jobs, run
from nas.study.summary import full_training, measured, summarise

_CAPTIONS = {
    "map": "The predictor with the highest tau of those that cost no more than so many seconds before anything is "
    "ranked, and so many for each network; lines: that tau.",
    "families": "Mean of the splits, bars: one standard error. Predictors that learn cost labels, and so time before "
    "anything is ranked; predictors that look cost time for each network.",
}


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.study") -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1."""
    return read_to_the_end(lambda: _main(argv, prog))


def _main(argv: Sequence[str] | None, prog: str) -> int:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Compare performance predictors on a benchmark table: how well they rank, at which price.",
    )
    parser.add_argument("--quick", action="store_true", help="a few predictors, sizes and splits: two minutes")
    parser.add_argument("--config-dir", action="append", default=[], metavar="FOLDER", help="with your own options")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="NAME=VALUE",
        help="options, as in space=nb201 predictors=[emprox,ridge] splits=5",
    )
    arguments = parser.parse_args(argv)
    quick = ["study=quick"] if arguments.quick else []
    own = [f"hydra.searchpath=[{','.join(f'file://{Path(folder).resolve()}' for folder in arguments.config_dir)}]"]
    folder: list[Path] = []
    try:
        study([*quick, *arguments.overrides], own if arguments.config_dir else [], folder)
    except KeyboardInterrupt:
        told = "stopped before anything was recorded"
        print(f"stopped: the same command goes on in {folder[0]}" if folder else told, file=sys.stderr)
        return 130
    except Exception as error:
        line = one_line(error, "start the same command again")
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


def study(overrides: Sequence[str], own: Sequence[str], begun: list[Path]) -> None:
    """Measure what is not measured yet, and report.

    Args:
        overrides: options, as on the command line.
        own: where Hydra looks for options beside the package's.
        begun: gets the folder, once something is recorded there.
    """
    from rich.progress import Progress

    options = StudyOptions.composed([*overrides, *own])
    nodes = {
        name: composed([f"estimator={name}", *own], resolve=False)["estimator"]
        for name in dict.fromkeys(options.predictors)
    }
    first = Bench(options.space, options.evaluator, options.dataset, [], 0, options.networks)
    evaluator, curves = first.evaluator, first.evaluator.table.columns.curves
    there = [] if curves is None else [int(epochs) for epochs in curves.epochs[:-1]]
    fidelities = there if options.epochs is None else options.epochs
    sizes = sorted(set(options.sizes))
    bench: dict[str, Any] = {
        "space": options.space,
        "evaluator": options.evaluator,
        "dataset": options.dataset,
        "epochs": fidelities,
        "most": sizes[-1],
        "test": options.networks,
    }
    here = Bench(**bench)
    pool = here.pool
    chosen: list[Predictor] = []
    left_out: dict[str, str] = {}
    for name, node in nodes.items():
        try:
            chosen += predictors(name, node, evaluator, fidelities, sizes, **first.given)
        except UserError as error:
            left_out[name] = str(error)
            print(f"{name} is left out: {error}", file=sys.stderr)
    if not chosen:
        raise UserError("no predictor is left: choose others with predictors=[...]")
    identity = evaluator.identity()
    folder = Path(options.folder or f"outputs/study/{identity['table']}")
    folder.mkdir(parents=True, exist_ok=True)
    measured_on = {**identity, "networks": f"{len(pool)}", "signal": pool.signal, "ranked": f"{options.networks}"}
    journal = Journal(folder, measured_on)
    begun.append(folder)
    splits = range(options.first_split, options.first_split + options.splits)
    todo = list(jobs(chosen, options.tests, splits))
    with Progress(disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("measurements", total=len(todo))
        run(todo, bench, journal, options.workers, options.limit, lambda: progress.advance(bar))
    journal.close()
    report = {
        "measured_on": measured_on,
        "signal": pool.signal,
        "training_seconds": float(pool.seconds.mean()) if pool.timed else None,
        "tests": options.tests,
        "splits": options.splits,
        "first_split": options.first_split,
        "left_out": left_out,
        "configurations": {one.name: dict(one.node) for one in chosen},
        "measured": [*summarise(todo, journal.found), *full_training(here, options.tests, splits)],
    }
    _write(folder, report)
    print_tables(tables(report), remarks(report))
    print(f"figures and all tables in {folder / 'study.html'}")


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


if __name__ == "__main__":
    sys.exit(main())
