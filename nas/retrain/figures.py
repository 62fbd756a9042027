"""The learning curves of a retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nas._drawing import as_written
from nas.training import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@as_written()
def draw_curves(curves: Curves, seed: int) -> Figure:
    """Losses and the measure after each epoch: the seed that was chosen drawn through, the others thin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, curves.train_loss.shape[1] + 1)
    for copy in range(len(curves.train_loss)):
        width, alpha = (1.8, 1.0) if copy == seed else (0.8, 0.4)
        chosen = copy == seed
        for part, colour in (("train", "C0"), ("valid", "C1")):
            loss = getattr(curves, f"{part}_loss")[copy]
            if np.isfinite(loss).any():
                label = {"train": "training", "valid": "validation"}[part] if chosen else None
                left.plot(epochs, loss, color=colour, linewidth=width, alpha=alpha, label=label)
        if np.isfinite(curves.valid_value[copy]).any():
            label = f"validation, seed {copy}" if chosen else None
            right.plot(epochs, curves.valid_value[copy], color="C1", linewidth=width, alpha=alpha, label=label)
    if np.isfinite(tested := curves.test_value[seed]):
        right.plot(epochs[-1:], [tested], "o", color="C2", label="test, at the end")
    left.set(xlabel="epochs", ylabel="loss", yscale="log")
    for of in (left.yaxis.set_major_formatter, left.yaxis.set_minor_formatter):
        of(lambda loss, _: f"{loss:g}")
    right.set(xlabel="epochs", ylabel=curves.measure.replace("_", " "))
    shown = curves.valid_value[:, len(epochs) // 10 :]
    if np.isfinite(shown).any():
        low, high = np.nanmin(shown), max(np.nanmax(shown), np.nan_to_num(tested, nan=-np.inf))
        right.set_ylim(low - 0.1 * (high - low) - 1e-3, high + 0.1 * (high - low) + 1e-3)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure
