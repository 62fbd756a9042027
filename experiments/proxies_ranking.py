"""Which proxy of the end of a training ranks best for its price? `python -m experiments.proxies_ranking`.

Reads the journals of `experiments.proxies`, whole or not. Kendall's tau of each proxy of ONE seed with the mean test
accuracy of the OTHER seeds after the last epoch, the mean over seeds, within all networks and within the best tenth (by
those other seeds); standard errors by the jackknife over networks. Besides the proxies of that module: `best` (the best
`last` so far), `sotl` and `sotl_e` (sum of training losses: all epochs, last epoch), `lce` (a power law through the
epochs' fresh accuracies), `parameters`, and combinations: `a + b` is the mean of the ranks of `a` and `b` among the
networks.

A price is a share of that of a full training: CPU seconds of the steps up to an epoch, and those of what a proxy needs,
over those of the steps of all epochs and one scoring. A proxy is asked once, after the epoch that is told: `fresh` pays
for one recalibration, a consensus for a scoring in each epoch it spans, heads for the features of all their epochs.
Averaging of weights at each step (`ema`) is free here. What is best (of the histories, of combinations of two or three,
of those `with size`, the parameters) is chosen on the even rows of a journal and told of the odd ones; `*`: chosen for
all journals together. Writes `experiments/results/proxies.{json,png}`.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Numbers = NDArray[np.float64]
Names = tuple[str, ...]

RESULT = Path(__file__).parent / "results" / "proxies.json"
TOLD = (1, 2, 3, 4, 6, 8, 12, 16, 18, 20, 24)  # epochs
COMPARED = ("last", "fresh", "sotl", "sotl_e")
PRICES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
TEST_IMAGES = {"digits": 537 / 300, "fashion": 4000 / 1000}  # for each validation image
STACKED = 6
POWERS = (0.25, 0.5, 1.0, 2.0)  # of the epoch, in a learning curve
FEWEST = 5  # networks of which a tau is told

FRESH: Names = ("recompute", "fresh_valid")
FEATURES: Names = (*FRESH, "fresh_train")
ONCE: dict[str, Names] = {
    "last": ("valid",), "fresh": FRESH, "ema": ("ema",), "lawa": ("lawa",), "probe": (*FEATURES, "probe"),
    "convex": ("convex",), "mean_ridge": ("mean_ridge",), "stack_ridge": ("stack_ridge",),
    "stack_logistic": ("stack_logistic",),
}  # fmt: skip
"""What is paid after the epoch that is told."""
EVERY: dict[str, Names] = {
    "best": ("valid",), "consensus_all": ("valid",), "fresh_consensus_all": FRESH, "lce": FRESH, "convex": FEATURES,
    "mean_ridge": FEATURES,
}  # fmt: skip
"""What is paid after every epoch up to it."""
LATER: dict[str, Names] = {"consensus": ("valid",), "fresh_consensus": FRESH}
SPREAD: dict[str, Names] = {"stack_ridge": FEATURES, "stack_logistic": FEATURES}
"""What is paid after the later half of these epochs, and after some of them."""

HISTORIES = tuple(
    f"{name}{end}"
    for name in (
        "consensus", "consensus_all", "fresh_consensus", "fresh_consensus_all", "ema", "lawa", "convex", "mean_ridge",
        "stack_ridge", "stack_logistic",
    )
    for end in ("", "_nll")
)  # fmt: skip
BASELINES = ("last", "last_nll", "best", "fresh", "fresh_nll", "probe", "probe_nll", "lce", "sotl", "sotl_e")
MEMBERS = (
    "last", "last_nll", "fresh", "fresh_nll", "consensus", "consensus_nll", "fresh_consensus", "fresh_consensus_nll",
    "sotl", "sotl_e",
)  # fmt: skip
COMBINATIONS: tuple[Names, ...] = (*combinations(MEMBERS, 2), *combinations(MEMBERS, 3))
SIZED: tuple[Names, ...] = tuple((*names, "parameters") for k in (1, 2) for names in combinations(MEMBERS, k))
GROUPS: dict[str, tuple[Names, ...]] = {
    "history": tuple((name,) for name in HISTORIES), "combination": COMBINATIONS, "with size": SIZED,
}  # fmt: skip
NAMED: tuple[Names, ...] = (("fresh", "sotl_e"), ("consensus_nll", "sotl_e"), ("fresh_consensus_nll", "sotl_e"))
PARTS = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
DRAWN: dict[Names, tuple[str, str]] = {
    ("last",): ("last epoch's accuracy", "#7f7f7f"), ("fresh",): ("the same, statistics recomputed", "#1f77b4"),
    ("sotl",): ("SoTL", "#c9a227"), ("sotl_e",): ("SoTL-E", "#d62728"),
    ("consensus_nll",): ("consensus, cross-entropy", "#98df8a"),
    ("fresh_consensus_nll",): ("consensus, recomputed, cross-entropy", "#2ca02c"),
    ("ema",): ("averaged weights, recomputed", "#9467bd"), ("probe",): ("ridge head", "#e377c2"),
    ("lce",): ("extrapolated curve", "#8c564b"), ("fresh", "sotl_e"): ("recomputed + SoTL-E (ranks)", "#000000"),
}  # fmt: skip


class Measured:
    """A journal: `names`, accuracies `truth` `(n, s)` of the other seeds, and of what, `title`."""

    def __init__(self, path: Path) -> None:
        space, data = path.name.split(".")[0].split("_")
        self.title, self.data = f"{space}, {data}", data
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        whole = content.rpartition(b"\n")[0].decode()  # a last line that is being written is left out
        self.rows = [json.loads(line)["measures"] for line in whole.splitlines()]
        test = np.array([row["test"] for row in self.rows])
        self.truth: Numbers = (test.sum(axis=1, keepdims=True) - test) / (test.shape[1] - 1)
        self.epochs = len(self.rows[0]["seconds"])
        self.seconds: dict[str, Numbers] = {
            part: np.array([[epoch.get(part, np.nan) for epoch in row["seconds"]] for row in self.rows]).mean(axis=0)
            for part in self.rows[0]["seconds"][0]
        }
        valid = float(self.seconds["valid"].mean())
        epoch = float(np.mean([row["epoch_seconds"] for row in self.rows]))
        # two epochs were timed with a scoring of the validation images each, and one of the test images
        self.steps = epoch - valid * (1 + TEST_IMAGES[self.data] / 2)
        self.full = self.epochs * self.steps + valid

    @cached_property
    def scores(self) -> dict[str, Numbers]:
        """`(n, s, epochs)` of each proxy, higher is better; NaN where it was not asked."""
        loss = np.array([row["train_loss"] for row in self.rows])
        found = {name: np.array([row["proxies"][name] for row in self.rows]) for name in self.rows[0]["proxies"]}
        found = {name: -value if name.endswith("_nll") else value for name, value in found.items()}
        found["best"] = np.maximum.accumulate(found["last"], axis=2)
        found["sotl"], found["sotl_e"] = -loss.cumsum(axis=2), -loss
        parameters = np.array([row["parameters"] for row in self.rows], dtype=np.float64)
        found["parameters"] = np.broadcast_to(parameters[:, None, None], loss.shape)
        found["lce"] = extrapolated(found["fresh"])
        return found

    @cache  # noqa: B019
    def price(self, names: Names, epoch: int) -> float:
        """Of these proxies together after an epoch, as a share; NaN where one was not asked; what is shared, once."""
        if names == ("parameters",):
            return 0.0
        needed: set[tuple[str, int]] = set()
        for name in (name.removesuffix("_nll") for name in names):
            places: list[tuple[dict[str, Names], Iterable[int]]] = [
                (ONCE, [epoch - 1]),
                (EVERY, range(epoch)),
                (LATER, range(epoch // 2, epoch)),
                (SPREAD, {round(place) for place in np.linspace(0, epoch - 1, min(epoch, STACKED))}),
            ]
            needed |= {(part, e) for parts, epochs in places for part in parts.get(name, ()) for e in epochs}
        return float((epoch * self.steps + sum(self.seconds[part][e] for part, e in needed)) / self.full)

    def epoch(self, names: Names, price: float) -> int | None:
        """The last epoch after which these proxies were asked and cost at most that, or half an epoch more."""
        most = price + 0.5 * self.steps / self.full
        possible = [e for e in range(1, self.epochs + 1) if self.asked(names, e) and self.price(names, e) <= most]
        return max(possible, default=None)

    @cache  # noqa: B019
    def asked(self, names: Names, epoch: int) -> bool:
        """Whether there are numbers of all of them."""
        return not any(np.isnan(self.scores[name][..., epoch - 1]).all() for name in names)

    @cache  # noqa: B019
    def tau(self, names: Names, epoch: int, part: str = "all", top: bool = False) -> Numbers:
        """`(1 + n,)`: of these proxies after an epoch in a part of the rows; with all, and with each left out."""
        rows = PARTS[part]
        truth = self.truth[rows]
        ranks = np.mean(
            [rankdata(np.nan_to_num(self.scores[name][rows, :, epoch - 1], nan=-np.inf), axis=0) for name in names],
            axis=0,
        )
        found = np.zeros(1 + len(truth))
        for seed in range(truth.shape[1]):
            most = max(1, round(len(truth) / 10)) if top else len(truth)
            kept = np.argsort(-truth[:, seed], kind="stable")[:most]
            one = kendall(ranks[kept, seed], truth[kept, seed]) if most >= FEWEST else np.full(1 + most, np.nan)
            left_out = np.full(1 + len(truth), one[0])
            left_out[1 + kept] = one[1:]
            found += left_out / truth.shape[1]
        return found


def extrapolated(curves: Numbers) -> Numbers:
    """`(n, s, epochs)`: from all points up to each epoch, 3 at least, what a power law makes of them at the last."""
    found = np.full(curves.shape, np.nan)
    epochs = np.arange(1.0, curves.shape[2] + 1)
    for seen in range(3, len(epochs) + 1):
        points = curves[..., :seen]
        least = np.full(curves.shape[:2], np.inf)
        for power in POWERS:
            fall = epochs**-power
            x = fall[:seen] - fall[:seen].mean()
            slope = points @ x / (x @ x)
            level = points.mean(axis=2)
            residual = ((points - level[..., None] - slope[..., None] * x) ** 2).sum(axis=2)
            last = level + slope * (fall[-1] - fall[:seen].mean())
            found[..., seen - 1] = np.where(residual < least, last, found[..., seen - 1])
            least = np.minimum(residual, least)
    return found


def kendall(x: Numbers, y: Numbers) -> Numbers:
    """Kendall's tau-b `(1 + n,)`: of all, and with each left out; 0 where all are tied."""
    signs = [np.sign(values[:, None] - values) for values in (x, y)]
    sums = np.array([signs[0] * signs[1], signs[0] ** 2, signs[1] ** 2]).sum(axis=2)
    whole = sums.sum(axis=1, keepdims=True)
    both, first, second = np.concatenate([whole, whole - 2 * sums], axis=1)
    tau: Numbers = np.divide(both, np.sqrt(first * second), out=np.zeros(len(both)), where=first * second > 0)
    return tau


def told(tau: Numbers) -> list[float | None]:
    """A number and its standard error by the jackknife, rounded."""
    error = np.sqrt((len(tau) - 2) * np.var(tau[1:]))
    return [round(float(number), 4) if np.isfinite(number) else None for number in (tau[0], error)]


def name_of(names: Names) -> str:
    """As it is printed."""
    return " + ".join(names)


def curves(measured: Measured) -> dict[str, Any]:
    """Price and tau of each proxy after some epochs."""
    found: dict[str, Any] = {}
    for names in (*((name,) for name in (*BASELINES, *HISTORIES)), *NAMED):
        lines = []
        for epoch in (e for e in TOLD if e <= measured.epochs and measured.asked(names, e)):
            taus = [told(measured.tau(names, epoch, top=top)) for top in (False, True)]
            lines.append([epoch, round(measured.price(names, epoch), 4), *taus[0], *taus[1]])
        found[name_of(names)] = lines
    found["parameters"] = [
        [0, 0.0, *(n for top in (False, True) for n in told(measured.tau(("parameters",), 1, top=top)))]
    ]
    return found


def best(journals: Sequence[Measured], candidates: Iterable[Names], price: float) -> Names | None:
    """That of the greatest mean tau over journals, on even rows."""
    found: dict[Names, float] = {}
    for names in candidates:
        epochs = [(one, one.epoch(names, price)) for one in journals]
        taus = [one.tau(names, epoch, "even")[0] for one, epoch in epochs if epoch]
        if len(taus) == len(journals):
            found[names] = float(np.mean(taus))
    return max(found, key=lambda names: found[names], default=None)


def compared(measured: Measured, names: Names | None, price: float) -> dict[str, Any] | None:
    """Tau, on odd rows, of what was chosen, and how far it is above baselines at the same price or another."""
    epoch = measured.epoch(names, price) if names else None
    if names is None or epoch is None:
        return None
    tau = measured.tau(names, epoch, "odd")
    found: dict[str, Any] = {"what": name_of(names), "epoch": epoch, "tau": told(tau)}
    others = [(name, price) for name in COMPARED] + [("last", 0.75)]
    for name, at in others:
        if other := measured.epoch((name,), at):
            label = f"above {name}" + ("" if at == price else f" at {at}")
            found[label] = told(tau - measured.tau((name,), other, "odd"))
    return found


def choices(journals: Sequence[Measured]) -> dict[str, Any]:
    """At each price: the best of each group, of each journal and of all of them (`*`)."""
    found: dict[str, Any] = {one.title: {} for one in journals}
    for price in PRICES:
        common = {group: best(journals, candidates, price) for group, candidates in GROUPS.items()}
        for one in journals:
            line: dict[str, Any] = {}
            for group, candidates in GROUPS.items():
                line[group] = compared(one, best([one], candidates, price), price)
                line[f"{group}*"] = compared(one, common[group], price)
            for name in COMPARED:
                line[name] = compared(one, (name,), price)
            found[one.title][f"{price}"] = line
    return found


def draw(report: dict[str, Any], path: Path) -> None:
    """Tau against price, a panel for each journal."""
    from matplotlib.figure import Figure

    journals = report["journals"]
    figure = Figure(figsize=(11, 1.2 + 3.9 * -(-len(journals) // 2)), layout="constrained")
    for place, (title, one) in enumerate(journals.items(), 1):
        axes = figure.add_subplot(-(-len(journals) // 2), 2, place)
        for names, (label, colour) in DRAWN.items():
            lines = [line for line in one["proxies"][name_of(names)] if line[1] <= 1]
            axes.plot(*zip(*((line[1], line[2]) for line in lines), strict=True), ".-", color=colour, label=label)
        axes.set_title(f"{title}: {one['networks']} networks", fontsize="medium")
        axes.set(xlabel="price, as a share of a full training", ylabel="Kendall's tau", xlim=(0, 1.02))
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
        axes.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(path, dpi=120)


def table(report: dict[str, Any]) -> str:
    """What is printed: taus of odd rows at each price, what was chosen, and what a quarter of the price buys."""
    lines = []
    for title, prices in report["chosen"].items():
        networks = report["journals"][title]["networks"]
        lines.append(f"{title}, {networks} networks: price, tau on odd rows (* chosen for all journals)")
        for price, line in prices.items():
            cells = ["  ".join(f"{name} {line[name]['tau'][0]:.3f}" for name in COMPARED if line[name])]
            for group in (f"{name}{end}" for name in GROUPS for end in ("", "*")):
                if one := line[group]:
                    gaps = [
                        f"{name} {one[f'above {name}'][0]:+.3f} ± {one[f'above {name}'][1]:.3f}" for name in COMPARED
                    ]
                    over = f" (over {', '.join(gaps)})" if "*" in group else ""
                    cells.append(f"{group} {one['what']} {one['tau'][0]:.3f} ± {one['tau'][1]:.3f}{over}")
            lines.append(f"  {price:5}" + "\n       ".join(cells))
        for one in filter(None, (prices["0.25"][f"{group}*"] for group in GROUPS)):
            gap = one["above last at 0.75"]
            lines.append(f"  a quarter for {one['what']}, over three quarters for last: {gap[0]:+.3f} ± {gap[1]:.3f}")
    return "\n".join(lines)


def main() -> None:
    """Read, rank, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/proxies"))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    paths = sorted([*options.folder.glob("*_*.jsonl"), *options.folder.glob("*_*.jsonl.gz")])
    journals = [one for one in map(Measured, paths) if len(one.rows) >= 2 * FEWEST]
    if not journals:
        raise SystemExit(f"error: {options.folder} has no journal of {2 * FEWEST} networks: run experiments.proxies")
    report: dict[str, Any] = {"columns": ["epoch", "price", "tau", "error", "tau of best tenth", "error"]}
    report["journals"] = {
        one.title: {
            "networks": len(one.rows),
            "full_seconds": round(one.full, 3),
            "epoch_seconds": round(one.steps, 4),
            "proxies": curves(one),
        }
        for one in journals
    }
    report["chosen"] = choices(journals)
    print(table(report))
    options.out.write_text(json.dumps(report) + "\n", encoding="utf-8")
    draw(report, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
