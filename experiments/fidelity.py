"""What do schedulers save? `python -m experiments.fidelity SETTING [--seeds 100] [--methods ...]`.

Searches with a budget of seconds, each scheduler with EmProx (Bayesian search; in real training regularized evolution)
and without (regularized evolution), seeds paired. Settings: `digits` (the embedded table, which knows every epoch of
8) and `nb201` (NAS-Bench-201 CIFAR-10, 12 and 200 epochs, two trainings), both on the simulated clock of one worker,
and `training` (cells that are really trained on digits, on the wall's clock). Each run goes to a journal at once. Told
is the test accuracy of the incumbent, by validation, at some percents of the budget, mean and standard error over
seeds, the percent from which a method has the validation accuracy that full training has at its end, and the first at
which it has its test accuracy (which may fall again: a search sees validation accuracies). Writes
`experiments/results/fidelity_SETTING.json` and `.png`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nas
from experiments.estimators import begun, journal
from nas._drawing import as_written
from nas._threads import one_thread

RESULTS = Path(__file__).parent / "results"
KEPT = RESULTS / "fidelity"
"""Journals of runs before, packed with gzip: a new one begins with what they know."""
SCHEDULERS = ("full", "one_epoch", "halving", "hyperband", "asha", "forecast")
_REACHES = "percent to what full training has at its end"
_TEST_REACHES = "percent to the test accuracy that full training has at its end"
_ROUNDING = 1e-9
AT = (5, 10, 20, 35, 50, 75, 100)


@dataclass(frozen=True)
class Setting:
    """What is searched, and with which budget."""

    overrides: tuple[str, ...]
    budget: str
    surrogate: str  # the strategy with EmProx


SETTINGS = {
    "digits": Setting(("space=nb101", "table=digits"), "seconds:120", "bayesian"),
    "nb201": Setting(("space=nb201", "table=cifar10"), "seconds:86000", "bayesian"),
    "training": Setting(("space=nb101", "evaluator=training", "dataset=digits"), "seconds:60", "evolution"),
}


def methods(setting: str) -> dict[str, tuple[str, ...]]:
    """The overrides of each method, by name."""
    alone = {name: (f"scheduler={name}", "estimator=none", "strategy=evolution") for name in SCHEDULERS}
    ranked = {f"{name} + EmProx": (f"scheduler={name}", "estimator=emprox") for name in SCHEDULERS}
    if setting == "training":  # tables hold no histories
        ranked["forecast + EmProx, histories"] = (*ranked["forecast + EmProx"], "encoder=[graph,history]")
    return {**alone, **ranked}


def measured(setting: Setting, method: tuple[str, ...], seed: int) -> dict[str, Any]:
    """One search."""
    start = process_time()
    strategy = () if any(one.startswith("strategy=") for one in method) else (f"strategy={setting.surrogate}",)
    with TemporaryDirectory() as folder, one_thread():
        options = (*setting.overrides, *method, *strategy, f"budget={setting.budget}", f"seed={seed}")
        content = nas.run(*options, folder=Path(folder) / "run").content
    return {
        "test": content["incumbent_test_accuracy"],
        "value": content["incumbent_value"],
        "recommended": content["recommended"]["test_accuracy"],
        "evaluations": content["evaluations"],
        "cpu_seconds": round(process_time() - start, 2),
    }


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Mean and standard error at some percents of the budget, and when each method has what full training has."""
    curves = {name: np.array([run["test"] for run in each], dtype=np.float64) for name, each in runs.items()}
    values = {name: np.array([run["value"] for run in each], dtype=np.float64) for name, each in runs.items()}
    told = {}
    for name, curve in curves.items():
        own = "full + EmProx" if "EmProx" in name else "full"
        told[name] = {
            "seeds": len(curve),
            "test": {at: _mean(curve[:, at - 1]) for at in AT},
            "value": {at: _mean(values[name][:, at - 1]) for at in AT},
            "recommended": _mean(np.array([run["recommended"] for run in runs[name]], dtype=np.float64)),
            "evaluations": float(np.mean([run["evaluations"] for run in runs[name]])),
            _REACHES: _reaches(values[name], values.get(own)),
            _TEST_REACHES: _first(curve, curves.get(own)),
        }
    return told


def _mean(values: NDArray[np.float64]) -> list[float | None]:
    """Mean and standard error in percent; nothing where a run had no incumbent yet."""
    if np.isnan(values).any():
        return [None, None]
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return [round(100 * float(values.mean()), 3), None if np.isnan(error) else round(100 * float(error), 3)]


def _shown(mean: float | None, error: float | None) -> str:
    return "     -       " if mean is None else f"{mean:6.2f} ±{error or 0:5.2f}"


def _reaches(curve: NDArray[np.float64], full: NDArray[np.float64] | None) -> int | None:
    """The first percent from which the mean value stays at least that of full training at its end."""
    if full is None:
        return None
    short = curve.mean(axis=0) < full[:, -1].mean() - _ROUNDING
    last = int(np.flatnonzero(short)[-1]) + 2 if short.any() else 1
    return last if last <= curve.shape[1] else None


def _first(curve: NDArray[np.float64], full: NDArray[np.float64] | None) -> int | None:
    """The first percent at which the mean test accuracy is that of full training at its end; it may fall later."""
    if full is None:
        return None
    there = np.flatnonzero(curve.mean(axis=0) >= full[:, -1].mean() - _ROUNDING)
    return int(there[0]) + 1 if len(there) else None


@as_written()
def draw(runs: dict[str, list[dict[str, Any]]], path: Path, title: str) -> None:
    """Test accuracy against the budget: with EmProx drawn through, without dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    ends = []
    for name, each in runs.items():
        place = SCHEDULERS.index(name.partition(" ")[0])
        curve = 100 * np.array([run["test"] for run in each], dtype=np.float64)
        x, mean = np.arange(1, curve.shape[1] + 1), curve.mean(axis=0)
        error = curve.std(axis=0, ddof=1) / np.sqrt(len(curve)) if len(curve) > 1 else np.zeros(len(mean))
        style = ":" if "histories" in name else "-" if "EmProx" in name else "--"
        axes.plot(x, mean, style, color=f"C{place}", label=name)
        axes.fill_between(x, mean - error, mean + error, color=f"C{place}", alpha=0.12, linewidth=0)
        ends.append(mean[19:])
    shown = np.concatenate(ends)
    shown = shown[np.isfinite(shown)]
    axes.set_ylim(shown.min() - 0.1 * np.ptp(shown), shown.max() + 0.1 * np.ptp(shown))
    axes.set(
        xlabel="% of the budget of seconds", ylabel="test accuracy of the incumbent (%)", title=title, xlim=(0, 100)
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=2, loc="lower right")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run what the journal does not know, and tell all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed; tuning uses 1000 and up")
    parser.add_argument("--methods", nargs="+", default=None)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/fidelity"))
    options = parser.parse_args()
    setting, known_methods = SETTINGS[options.setting], methods(options.setting)
    chosen = options.methods or list(known_methods)
    if unknown := set(chosen) - set(known_methods):
        parser.error(f"--methods {sorted(unknown)} unknown, allowed: {', '.join(known_methods)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    path = begun(options.folder / f"{options.setting}.jsonl", KEPT)
    known, runs = journal(path), defaultdict[str, list[dict[str, Any]]](list)
    with path.open("a", encoding="utf-8") as file:
        for seed in range(options.first, options.first + options.seeds):
            for name in chosen:
                what = json.dumps([name, setting.budget, seed])
                if what not in known:
                    known[what] = measured(setting, known_methods[name], seed)
                    file.write(json.dumps({"what": what, "measures": known[what]}) + "\n")
                    file.flush()
                runs[name].append(known[what])
    told = summary(runs)
    result = {"setting": options.setting, "budget": setting.budget, "first": options.first, "methods": told}
    stem = RESULTS / f"fidelity_{options.setting}"
    if options.first == 0:
        stem.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        draw(dict(runs), stem.with_suffix(".png"), f"{options.setting}, {setting.budget}, {options.seeds} seeds")
    for name, one in told.items():
        row = "  ".join(
            "    -        " if mean is None else f"{mean:6.2f} ±{error or 0:5.2f}"
            for mean, error in one["test"].values()
        )
        print(f"{name:22} {row}  recommended {one['recommended'][0]}  {one[_REACHES]}  {one[_TEST_REACHES]}")


if __name__ == "__main__":
    main()
