"""Figures of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas._drawing import as_written, drawable
from nas.compare.runs import Run
from nas.types import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Matrix = NDArray[np.float64]
_LABELS = {"value": "best {signal} so far", "test_accuracy": "test accuracy of the best by {signal}"}
_REGRETS = {"value": "regret in {signal}", "test_accuracy": "regret in test accuracy"}
_STYLES = ("-", "--", ":", "-.")
_SECONDS = 200  # points on the axis of costs


@as_written()
def draw_comparison(methods: dict[str, list[Run]], scales: dict[str, int], centre: str) -> Figure:
    """Draw each measure and its regret, against evaluations and, where every run tells its costs, against those.

    Args:
        methods: runs by method.
        scales: for `value`, `test_accuracy` or both, those that all runs have: 100 to draw it in percent, else 1.
        centre: `mean`, with a band of one standard error, or `median`, with one from quartile to quartile.
    """
    from matplotlib.figure import Figure

    first = next(iter(methods.values()))[0]
    costed = costs_known(methods)
    rows = [(measure, regret) for measure in scales for regret in (False, True) if not regret or first.best_of_space]
    columns = 2 if costed else 1
    figure = Figure(figsize=(7.2 * columns, 4 * len(rows) + 0.3 * len(methods) / columns), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (measure, regret), places in zip(rows, grid, strict=True):
        for axes, against_cost in zip(places, (False, True), strict=False):
            _draw(axes, methods, measure, scales[measure], centre, regret=regret, against_cost=against_cost)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")
    return figure


def costs_known(methods: dict[str, list[Run]]) -> bool:
    """Whether the training seconds of every evaluation of every run are known."""
    return all(np.isfinite(run.cost).all() for runs in methods.values() for run in runs)


def _draw(
    axes: Axes,
    methods: dict[str, list[Run]],
    measure: str,
    scale: int,
    centre: str,
    *,
    regret: bool,
    against_cost: bool,
) -> None:
    first = next(iter(methods.values()))[0]
    shown, ends = [], []
    for place, (name, runs) in enumerate(methods.items()):
        x = np.arange(1, first.points + 1, dtype=np.float64)
        matrix = np.array([_regret(run, measure, measure) if regret else getattr(run, measure) for run in runs])
        if against_cost:
            x, matrix = by_cost(np.array([run.cost for run in runs]), matrix)
        middle, low, high = band(matrix, centre)
        style: dict[str, Any] = {"color": f"C{place % 10}", "linestyle": _STYLES[place // 10 % len(_STYLES)]}
        axes.plot(x, scale * middle, label=drawable(name), drawstyle="steps-post", **style)
        axes.fill_between(x, scale * low, scale * high, color=style["color"], alpha=0.15, linewidth=0, step="post")
        shown.append(scale * np.concatenate([curve[len(curve) // 20 :] for curve in (middle, low, high)]))
        ends.append(x[-1])
    random = f"random_{measure}"
    drawn = {run.seed: run for runs in methods.values() for run in runs}.values()  # the signal may be another by seed
    if not against_cost and all(np.isfinite(getattr(run, random)[-1]) for run in drawn):
        curves = [_regret(run, measure, random) if regret else getattr(run, random) for run in drawn]
        curve = scale * np.mean(curves, axis=0)
        label = "random search, exact expectation"
        axes.plot(np.arange(1, len(curve) + 1), curve, color="black", linestyle=(0, (1, 1)), linewidth=1, label=label)
        shown.append(curve[len(curve) // 20 :])
    _limits(axes, np.concatenate(shown), log=regret)
    label = (_REGRETS if regret else _LABELS)[measure]
    unit = "" if scale == 1 else " (points)" if regret else " (%)"
    axes.set_ylabel(label.format(signal=drawable(first.measured_on.get("signal", "value"), 30)) + unit)
    axes.set_xlabel("training seconds of what was evaluated" if against_cost else first.unit)
    axes.set_xlim(0, max(ends))
    axes.grid(alpha=0.3)


def _regret(run: Run, measure: str, curve: str) -> Values:
    assert run.best_of_space is not None
    regret: Values = run.best_of_space[measure] - getattr(run, curve)
    return regret


def _limits(axes: Axes, shown: Values, *, log: bool) -> None:
    """Fit the axis to all but the first evaluations, which say little and would squeeze the rest."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    shown = shown[np.isfinite(shown)]
    if log:
        shown = shown[shown > 0]  # a method that always has the best is off the axis
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        if len(shown):
            axes.set_ylim(max(shown.min(), shown.max() / 1e4) / 1.3, shown.max() * 1.3)
    elif len(shown):
        margin = 0.05 * (shown.max() - shown.min()) + 0.01
        axes.set_ylim(shown.min() - margin, shown.max() + margin)


def band(matrix: Matrix, centre: str) -> tuple[Values, Values, Values]:
    """Middle, low and high `(n,)` of the runs' curves `(runs, n)`; NaN where a run has no number."""
    if centre == "median":
        low, middle, high = np.quantile(matrix, [0.25, 0.5, 0.75], axis=0)
        return middle, low, high
    middle = matrix.mean(axis=0)
    error = matrix.std(axis=0, ddof=1) / np.sqrt(len(matrix)) if len(matrix) > 1 else np.zeros_like(middle)
    return middle, middle - error, middle + error


def by_cost(cost: Matrix, matrix: Matrix) -> tuple[Values, Matrix]:
    """What each run had when it had spent so many seconds.

    Args:
        cost: `(runs, n)` seconds up to each evaluation.
        matrix: `(runs, n)` a measure after each evaluation.

    Returns:
        Seconds `(m,)`, from the first at which all runs have an evaluation to the last at which all still went on, and
        `(runs, m)` the measure.
    """
    seconds = np.linspace(cost[:, 0].max(), max(cost[:, -1].min(), cost[:, 0].max()), _SECONDS)
    steps = [np.searchsorted(one, seconds, side="right") - 1 for one in cost]
    return seconds, np.array([curve[step] for curve, step in zip(matrix, steps, strict=True)])
