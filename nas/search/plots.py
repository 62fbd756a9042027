"""Figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas._drawing import as_written, drawable
from nas.compare.metrics import percent_scale
from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.types import Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@as_written()
def draw_progress(
    incumbent: Values, random: Values | None, measured_on: dict[str, str], unit: str = "evaluations"
) -> Figure:
    """Draw the incumbent against what was spent, and random search's exact expectation where it is known."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4))
    axes = figure.add_axes((0.13, 0.13, 0.83, 0.78))  # no layout to be found: that would draw everything twice
    evaluations = np.arange(1, len(incumbent) + 1)
    curves = [curve for curve in (incumbent, random) if curve is not None]
    scale = percent_scale(np.concatenate(curves))
    axes.step(evaluations, scale * incumbent, where="post", label="this run", color="C0")
    if random is not None:
        axes.plot(evaluations, scale * random, "--", color="0.5", label="random search, expected")
    # The first evaluations say little and would squeeze the rest of the figure.
    shown = np.concatenate([curve[len(curve) // 50 :] for curve in curves])
    low, high = scale * np.nanmin(shown), scale * np.nanmax(shown)
    margin = 0.05 * (high - low) + 1e-4 * scale
    axes.set_ylim(low - margin, high + margin)
    signal = drawable(measured_on.get("signal", "value"), 30)
    axes.set(xlabel=unit, ylabel=f"best {signal} so far" + (" (%)" if scale == 100 else ""))
    axes.set_title(drawable(measured_on.get("table", "")), fontsize="medium")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    return figure


@as_written()
def draw_cell(path: Path, graphs: Graphs, title: str) -> None:
    """Draw the first of `graphs`, input on the left."""
    from matplotlib.figure import Figure

    adjacency, labels = graphs.adjacency[0], graphs.labels[0]
    there = np.flatnonzero(labels != ABSENT).tolist()
    ends = {INPUT: "input", OUTPUT: "output"}
    operations = [drawable(name, 30).replace("-", "\n") for name in graphs.operations]
    # In topological order on one line, longer edges as arcs above and below: no edge can hide behind a vertex.
    figure = Figure(figsize=(1 + 1.4 * len(there), 4.5))
    axes = figure.add_axes((0, 0, 1, 0.92))
    for x in there:
        for y in np.flatnonzero(adjacency[x]).tolist():
            bend = 0.0 if y == x + 1 else 0.45 * (-1) ** (x + y)
            arrow = {"arrowstyle": "-|>", "mutation_scale": 16, "color": "0.3", "shrinkA": 30, "shrinkB": 30}
            axes.annotate("", (y, 0), (x, 0), arrowprops={**arrow, "connectionstyle": f"arc3,rad={bend}"})
    axes.scatter(there, np.zeros(len(there)), s=3600, c=[f"C{labels[vertex]}" for vertex in there], zorder=2)
    for vertex in there:
        name = ends.get(labels[vertex]) or operations[labels[vertex] - FIRST_OPERATION]
        axes.text(vertex, 0, name, fontsize=8, ha="center", va="center", zorder=3)
    axes.set_title(drawable(title), fontsize="medium")
    axes.set(xlim=(-0.6, there[-1] + 0.6), ylim=(-1, 1))
    axes.set_axis_off()
    figure.savefig(path, dpi=120)
