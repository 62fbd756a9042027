"""The figure of `experiments.predictors_in_search`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALONE = ("none, random", "none, evolution")
STRATEGIES = ("bayesian", "evolution")
SHOWN = (
    *ALONE,
    "emprox, bayesian",
    "lightgbm_graph, bayesian",
    "bananas, bayesian",
    "synflow, bayesian",
    "sotl_e, bayesian",
    "early_accuracy, bayesian",
    "omni, bayesian",
    "emprox_early, bayesian",
)
"""Of the figure's curves."""
_FARTHEST = 300  # evaluations that are drawn
PRICE = "50"  # of those below, at which the figure is drawn


def draw(path: Path, reports: dict[str, dict[str, Any]]) -> None:
    """Draw each table in a column: some incumbents against time, and all at the price of 50 evaluations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 15), layout="constrained")
    panels = figure.subplots(2, len(reports), squeeze=False, height_ratios=(1, 2.6))
    for (above, below), report in zip(panels.T, reports.values(), strict=True):
        _draw_curves(above, report)
        _draw_prices(below, report)
    panels[1, 0].legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=110)


def _draw_curves(axes: Axes, report: dict[str, Any]) -> None:
    evaluations = np.array(report["grid_seconds"]) / report["evaluation_seconds"]
    for method in SHOWN:
        if method in report["methods"]:
            curve = report["methods"][method]["value"]["curve"]
            there = [place for place, pair in enumerate(curve) if pair is not None and evaluations[place] <= _FARTHEST]
            means, errors = np.array([curve[place] for place in there]).T
            style = "--" if method in ALONE else "-"
            [line] = axes.plot(evaluations[there], means, style, label=method)
            axes.fill_between(evaluations[there], means - errors, means + errors, color=line.get_color(), alpha=0.15)
    axes.set(xscale="log", xlabel="simulated seconds, in evaluations", ylabel="validation accuracy (%)")
    bottom = report["methods"][ALONE[0]]["value"]["at_prices"]["30"][0] - 0.5
    top = max(pair[0] for found in report["methods"].values() for pair in found["value"]["curve"] if pair is not None)
    axes.set_ylim(bottom, top + 0.1)
    axes.set_xlim(15, _FARTHEST)
    axes.set_xticks([20, 50, 100, 200], ["20", "50", "100", "200"])
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.set_title(f"{report['table']}: incumbents", fontsize="medium")
    axes.legend(fontsize="x-small")
    axes.grid(alpha=0.3)


def _draw_prices(axes: Axes, report: dict[str, Any]) -> None:
    rows: dict[str, dict[str, list[float]]] = defaultdict(dict)
    seeds: dict[str, int] = {}  # the fewest of a predictor
    for method, found in report["methods"].items():
        name, _, strategy = method.partition(", ")
        if found["value"]["at_prices"][PRICE] is not None:
            rows[name][strategy] = found["value"]["at_prices"][PRICE]
            seeds[name] = min(found["seeds"], seeds.get(name, found["seeds"]))
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
    most = max(seeds.values())
    labels = [name if seeds[name] == most else f"{name} ({seeds[name]} seeds)" for name in order]
    axes.set_yticks(range(len(order)), labels, fontsize="small")
    axes.set_ylim(-1, len(order))
    axes.set_xlabel("validation accuracy of the incumbent (%)")
    axes.set_title(f"{report['table']}, at the price of {PRICE} evaluations", fontsize="medium")
    axes.grid(alpha=0.3)
