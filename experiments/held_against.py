"""Is EmProx level with every other predictor, at every price? `python -m experiments.held_against study.json`.

Of the report of a study: for so much time before anything is ranked, and so much for each network that is, the highest
tau of EmProx's compositions against that of all others which cost no more. Times are those of labels: before, so many
(and ten seconds for fits), and for each that is ranked, a part of one. Printed is the difference; `*`: it is below zero
by more than two of its standard errors. Of others the best of dozens is taken, which favours them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nas.study.figures import label
from nas.study.summary import best, measured

LABELS = (5, 14, 42, 121, 347, 1000)
QUERIES = (0.0, 0.045, 0.09, 0.17, 0.3)  # of a label; on the embedded table what 0, 1, 2, 4 and 7 of 8 epochs cost
_FITS, _QUERY = 10, 0.01  # seconds of CPU that come with it


def main() -> None:
    """Print a table for each kind of networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    options = parser.parse_args()
    report = json.loads(options.report.read_text(encoding="utf-8"))
    training = report["training_seconds"]
    for kind in report["tests"]:
        ours: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for one in measured(report["measured"], kind):
            if one["predictor"] != "full training":
                (ours if one["predictor"].startswith("emprox") else others).append(one)
        print(f"\n{kind} networks; labels, and what a query costs of one")
        print("| labels |" + "".join(f" {query:g} |" for query in QUERIES))
        print("|---|" + "---|" * len(QUERIES))
        for labels in LABELS:
            init = labels * training * 1.1 + _FITS
            cells = [_compared(ours, others, init, query * training + _QUERY) for query in QUERIES]
            print(f"| {labels} | " + " | ".join(cells) + " |")


def _compared(ours: list[dict[str, Any]], others: list[dict[str, Any]], init: float, query: float) -> str:
    one, other = best(ours, init, query), best(others, init, query)
    if one is None or other is None:
        return "-"
    gain = one["tau"]["mean"] - other["tau"]["mean"]
    errors = [entry["tau"]["standard_error"] or 0.0 for entry in (one, other)]
    mark = "*" if gain < -2 * sum(error**2 for error in errors) ** 0.5 else ""
    return f"{gain:+.3f}{mark} ({label(one)} {one['tau']['mean']:.3f}, {label(other)} {other['tau']['mean']:.3f})"


if __name__ == "__main__":
    main()
