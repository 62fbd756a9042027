"""Compare methods by their runs: `python -m nas.compare outputs/sweep [outputs/sweep ...] --out report`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas._drawing import attempt
from nas._output import read_to_the_end
from nas._page import print_tables
from nas.compare.figures import costs_known, draw_comparison
from nas.compare.methods import by_method
from nas.compare.metrics import percent_scale
from nas.compare.page import html, remarks, tables
from nas.compare.runs import Run, check_comparable, read_runs
from nas.compare.statistics import MEASURES, compare
from nas.errors import UserError
from nas.objectives import Objective
from nas.search.journal import write_whole
from nas.types import Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AT = (50, 100, 150, 300)
_AT_PERCENT = (10, 25, 50, 75)
_LEVEL = "values to be reached, in percent where all values are within 0..1, as accuracies are"


def run(
    folders: list[Path], at: list[int] | None, levels: list[float], seed: int = 0, config_dirs: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, list[Run]]]:
    """Read runs and compare them.

    Args:
        folders: of runs, or with runs somewhere below them.
        at: numbers of evaluations, or percents of the budget, to tell of; None: 50, 100, 150 and 300, or 10, 25, 50
            and 75, and the budget.
        levels: values, in percent where values are within 0..1, the time to which is to be told.
        seed: of the bootstrap.
        config_dirs: folders with the user's own YAML files, as for `whole_space`.

    Returns:
        What was found, plain enough for JSON, and the runs by method, the best first.

    Raises:
        UserError: there is nothing to compare, or the runs must not be compared.
    """
    runs, left_out = read_runs(folders)
    check_comparable(runs)
    methods, repeated = by_method(runs)
    points, unit = runs[0].points, runs[0].unit
    for n in at or []:
        if not 1 <= n <= points:
            raise UserError(f"--at is {n}, must be 1..{points}: the budget of these runs")
    measures = _measures(runs)
    scale = measures["scales"]["value"]
    for level in levels:
        if scale == 100 and not 0 < level <= 100:
            raise UserError(f"--level is {level:g}, must be a percentage above 0, at most 100")
        if not np.isfinite(level):
            raise UserError(f"--level is {level:g}, must be a finite number")
    omitted = []
    population = None
    try:
        population = whole_space(runs, config_dirs)
    except UserError as error:
        omitted.append(f"no sample efficiency gain: {error}")
    if not costs_known(methods):
        omitted.append("no figure against cost: the training seconds of some evaluations are unknown")
    usual = _AT if unit == "evaluations" else _AT_PERCENT
    shown_at = sorted({*(at or [n for n in usual if n < points]), points})
    found = compare(methods, shown_at, [level / scale for level in levels], population, np.random.default_rng(seed))
    comparison = {
        "measured_on": {key: value for key, value in runs[0].measured_on.items() if key != "seed"},
        "budget": points,
        "unit": unit,
        "at": shown_at,
        **measures,
        **found,
        "omitted": omitted,
        "left_out": [*left_out, *repeated],
    }
    return comparison, {one["method"]: methods[one["method"]] for one in found["methods"]}


def _measures(runs: list[Run]) -> dict[str, Any]:
    """What to show: a measure that all runs have, and once where the signal is the test accuracy itself."""
    known = [measure for measure in MEASURES if all(np.isfinite(getattr(run, measure)[-1]) for run in runs)]
    notes: dict[str, str] = {}
    if "test_accuracy" in known and all(np.array_equal(run.value, run.test_accuracy, equal_nan=True) for run in runs):
        known, notes = ["value"], {"value": " The signal is the test accuracy itself."}
    return {"measures": known, "notes": notes, "scales": {measure: _scale(runs, measure) for measure in known}}


def _scale(runs: list[Run], measure: str) -> int:
    best = [run.best_of_space[measure] for run in runs if run.best_of_space is not None]
    return percent_scale(np.concatenate([best, *(getattr(run, measure) for run in runs)]))


def whole_space(runs: list[Run], folders: Sequence[str] = ()) -> Values:
    """The value of every architecture of the space that runs searched, from their benchmark table.

    Args:
        runs: of one comparison.
        folders: with the user's own YAML files, which name the classes that a record may name.

    Raises:
        UserError: nothing is known of the whole space, the runs saw it differently, or the table is not at hand.
    """
    from nas._config import build, check_recorded

    run = runs[0]
    if run.unit != "evaluations":
        raise UserError("the budget is not of whole trainings")
    if run.best_of_space is None:
        raise UserError("nothing is known of the whole space")
    if not all(_saw_the_same(run, other) for other in runs):
        raise UserError("the signal was drawn anew for each seed")
    check_recorded({name: run.config[name] for name in ("objective", "evaluator", "space")}, folders)
    # What the run recorded of its table (name, signal, digest) goes before what it was asked for.
    options = {key: run.measured_on.get(key, value) for key, value in run.config["evaluator"].items()}
    objective: Objective = build(run.config["objective"], "objective")
    evaluator = objective.restrict(build(options, "evaluator", space=build(run.config["space"], "space")))
    if (found := evaluator.identity()) != run.measured_on:
        raise UserError(f"the table at hand is another than the run's: {found}")
    reference = evaluator.reference()
    assert reference is not None  # as it was for the run, which knew the best of the space
    return reference.signal


def _saw_the_same(run: Run, other: Run) -> bool:
    """Whether two runs saw one signal: two draws of it may have the same best, not the same expectations."""
    both = slice(min(run.evaluations, other.evaluations))
    return other.best_of_space == run.best_of_space and np.allclose(
        other.random_value[both], run.random_value[both], rtol=1e-9, atol=0, equal_nan=True
    )


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.compare") -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1."""
    return read_to_the_end(lambda: _main(argv, prog))


def _main(argv: Sequence[str] | None, prog: str) -> int:
    parser = argparse.ArgumentParser(prog=prog, description="Compare methods by their runs.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a run, or a folder with runs below it")
    parser.add_argument("--at", nargs="+", type=int, metavar="N", help="evaluations to tell of (50 100 150 300)")
    parser.add_argument("--level", nargs="+", type=float, default=[], metavar="VALUE", help=_LEVEL)
    parser.add_argument("--curve", choices=("mean", "median"), default="mean", help="what the figure shows")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write comparison.html, .json and .png there")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON instead of tables")
    parser.add_argument("--config-dir", action="append", default=[], metavar="FOLDER", help="with your own options")
    arguments = parser.parse_args(argv)
    try:
        comparison, methods = run(arguments.folders, arguments.at, arguments.level, config_dirs=arguments.config_dir)
        text = json.dumps(comparison, indent=1, allow_nan=False) + "\n"
        if arguments.out is not None:
            arguments.out.mkdir(parents=True, exist_ok=True)
            _write(arguments.out, text, comparison, methods, arguments.curve)
        if arguments.json:
            print(text, end="")
        else:
            print_tables(tables(comparison), remarks(comparison))
            if arguments.out is not None:
                print(f"figure and tables in {arguments.out / 'comparison.html'}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if not error.filename:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _write(folder: Path, text: str, comparison: dict[str, Any], methods: dict[str, list[Run]], curve: str) -> None:
    """Write the numbers first: a figure or a page that cannot be drawn must not cost them."""
    write_whole(folder / "comparison.json", text)

    def draw() -> Figure:
        figure = draw_comparison(methods, comparison["scales"], curve)
        figure.savefig(folder / "comparison.png", dpi=120)
        return figure

    figure = attempt("comparison.png", draw)
    write_whole(folder / "comparison.html", html(comparison, figure, curve))


if __name__ == "__main__":
    sys.exit(main())
