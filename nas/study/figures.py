"""Figures of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nas._drawing import as_written, drawable
from nas.study.predictors import FAMILIES
from nas.study.summary import best, init_seconds, measured, query_seconds, total_seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELLS = 60  # of the map, in each direction
_MARKERS = "osD^v<>Pp*hX"
_LEAST = 1e-3  # seconds, below which nothing differs; axes are logarithmic


def label(entry: dict[str, Any]) -> str:
    """The name of a predictor, and the fidelity that it sees."""
    seen = "" if entry["epochs"] is None else f" ({entry['epochs']} ep.)"
    return drawable(f"{entry['predictor']}{seen}")


@as_written()
def draw_map(entries: list[dict[str, Any]], kind: str, title: str) -> Figure:
    """Draw which predictor is best at which initialisation and query time (White et al. 2021, figure 1).

    Args:
        entries: of `summarise`.
        kind: of the networks.
        title: of the figure.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = measured(entries, kind)
    inits, queries = (_axis([seconds(one) for one in shown]) for seconds in (init_seconds, query_seconds))
    names: dict[str, int] = {}
    places = np.full((len(queries), len(inits)), np.nan)
    taus = np.full(places.shape, np.nan)
    for row, query in enumerate(queries):
        for column, init in enumerate(inits):
            if (chosen := best(shown, init, query)) is not None:
                places[row, column] = names.setdefault(chosen["predictor"], len(names))
                taus[row, column] = chosen["tau"]["mean"]
    figure = Figure(figsize=(8.6, 5), layout="constrained")
    axes = figure.add_subplot()
    colours = colormaps["tab20"].resampled(20)
    axes.pcolormesh(inits, queries, places % 20, cmap=colours, vmin=-0.5, vmax=19.5, shading="nearest")
    if np.isfinite(taus).any():
        lines = axes.contour(inits, queries, taus, levels=np.arange(0.1, 1, 0.1), colors="black", linewidths=0.6)
        axes.clabel(lines, fontsize=7)
    _logarithmic(axes, "x", (1,))
    _logarithmic(axes, "y", (1,))
    axes.set(xlabel="initialisation: seconds before anything is ranked", ylabel="query: seconds for each network")
    axes.set_title(title, fontsize="medium")
    patches = [Patch(color=colours(place % 20), label=drawable(name)) for name, place in names.items()]
    axes.legend(handles=patches, loc="center left", bbox_to_anchor=(1, 0.5), title="highest tau", fontsize="small")
    return figure


@as_written()
def draw_families(entries: list[dict[str, Any]], kind: str, title: str) -> Figure:
    """Draw tau against the seconds that it takes to rank 200 networks, all included; one panel for each family.

    Args:
        entries: of `summarise`.
        kind: of the networks.
        title: of the figure.
    """
    from matplotlib.figure import Figure

    shown = measured(entries, kind)
    families = [family for family in FAMILIES if any(one["family"] == family for one in shown)]
    figure = Figure(figsize=(7.6, 4.4 * len(families)), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    grid = figure.subplots(len(families), 1, squeeze=False)[:, 0]
    for axes, family in zip(grid, families, strict=True):
        _draw_family(axes, [one for one in shown if one["family"] == family], family)
    return figure


def _draw_family(axes: Axes, entries: list[dict[str, Any]], family: str) -> None:
    lines: dict[str, list[dict[str, Any]]] = {}
    for one in entries:  # what learns and looks has a line for each fidelity
        lines.setdefault(label(one) if one["size"] else one["predictor"], []).append(one)
    highest = sorted(lines, key=lambda name: -max(one["tau"]["mean"] for one in lines[name]))
    for place, name in enumerate(highest):
        line = sorted(lines[name], key=total_seconds)
        axes.errorbar(
            [max(total_seconds(one), _LEAST) for one in line],
            [one["tau"]["mean"] for one in line],
            [one["tau"]["standard_error"] or 0 for one in line],
            marker=_MARKERS[place // 10 % len(_MARKERS)],
            markersize=4,
            linestyle="-" if place < 10 else "--",
            label=drawable(name),
        )
    _logarithmic(axes, "x")
    axes.set_ylabel("Kendall tau")
    axes.set_xlabel("seconds to rank 200 networks")
    axes.set_title(family, fontsize="medium", loc="left")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="x-small", ncols=1 + len(lines) // 24)


def _logarithmic(axes: Axes, name: str, ticks: tuple[int, ...] = (1, 2, 5)) -> None:
    """Ticks at these parts of each decade, as plain numbers: matplotlib's own are mathematics, which is not drawn."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=ticks, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axis.set_minor_formatter(NullFormatter())


def _axis(seconds: list[float]) -> list[float]:
    known = [max(one, _LEAST) for one in seconds]
    low, high = np.log10(min(known)), np.log10(max(known))
    return list(np.logspace(low, high + 0.05 * (high - low) + 0.05, _CELLS))
