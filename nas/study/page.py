"""A study as tables."""

from __future__ import annotations

from typing import Any

from nas._page import Table
from nas.study.figures import label
from nas.study.measuring import PRICES
from nas.study.metrics import METRICS
from nas.study.summary import advice, init_seconds, measured, query_seconds, total_seconds

_SECONDS = " Seconds before anything is ranked (init) and for each network (query): of the last column with a figure."
_FAILURES = 20  # at most so many are named


def tables(report: dict[str, Any], whole: bool = False) -> list[Table]:
    """What to take with how much time, tau by size and by fidelity; all figures where `whole`."""
    told = []
    for kind in report["tests"]:
        entries = measured(report["measured"], kind)
        if entries:
            training = report["training_seconds"]
            told += [*([] if training is None else [_advice(entries, kind, training)]), *_ranked(entries, kind)]
    return [*told, _whole(report["measured"])] if whole else told


def _advice(entries: list[dict[str, Any]], kind: str, training: float) -> Table:
    note = (
        f"To rank 200 {kind} networks, everything paid: labels, partial training, scores, fits. The training behind "
        f"one label takes {training:.3g} s. Listed is the predictor with the highest tau that this is enough for, "
        f"where more time buys a better one."
    )
    header = ["time, in labels", "predictor", "labels", "epochs seen", "tau", "splits", "seconds in all"]
    rows = [
        [
            f"{budget:g}",
            chosen["predictor"],
            str(chosen["size"]),
            "-" if chosen["epochs"] is None else str(chosen["epochs"]),
            _mean(chosen["tau"]),
            str(chosen["splits"]),
            _seconds(total_seconds(chosen)),
        ]
        for budget, chosen in advice(entries, training)
    ]
    return Table(f"With this much time, take this predictor ({kind} networks)", note, header, rows)


def _ranked(entries: list[dict[str, Any]], kind: str) -> list[Table]:
    learning = [one for one in entries if one["size"]]
    looking = [one for one in entries if not one["size"]]
    told = []
    if learning:
        sizes = sorted({one["size"] for one in learning})
        note = f"Kendall tau ± standard error by labelled networks, the best at the largest number first.{_SECONDS}"
        rows = _rows(learning, "size", sizes)
        told.append(Table(f"Predictors that learn ({kind} networks)", note, _header(sizes), rows))
    if looking:
        epochs = sorted({one["epochs"] or 0 for one in looking})
        note = f"Kendall tau ± standard error after so many epochs of each network; 0: it is not trained.{_SECONDS}"
        named = [{**one, "epochs": None, "seen": one["epochs"] or 0} for one in looking]
        rows = _rows(named, "seen", epochs)
        told.append(Table(f"Predictors that look ({kind} networks)", note, _header(epochs), rows))
    return told


def _header(columns: list[int]) -> list[str]:
    return ["predictor", "family", *map(str, columns), "init s", "query s"]


def _rows(entries: list[dict[str, Any]], column: str, columns: list[int]) -> list[list[str]]:
    lines: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for one in entries:
        lines.setdefault((label(one), one["family"]), {})[one[column]] = one
    ordered = sorted(lines.items(), key=lambda item: -item[1][max(item[1])]["tau"]["mean"])
    return [
        [
            name,
            family,
            *(_mean(by[at]["tau"]) if at in by else "" for at in columns),
            _seconds(init_seconds(by[max(by)])),
            _seconds(query_seconds(by[max(by)])),
        ]
        for (name, family), by in ordered
    ]


def _whole(entries: list[dict[str, Any]]) -> Table:
    note = (
        "Means over splits. Seconds: of training, as the table tells them; of CPU, measured here; init before anything "
        "is ranked, query for each network. missing: networks without an estimate, which come last."
    )
    header = ["predictor", "networks", "labels", "splits", "failed", *METRICS, *PRICES, "missing"]
    rows = [
        [
            label(one),
            one["test"],
            str(one["size"]),
            str(one["splits"]),
            str(one["failed"]),
            *(f"{one[name]['mean']:.3f}" if name in one else "" for name in METRICS),
            *(_seconds(one[name]) if name in one else "" for name in (*PRICES, "missing")),
        ]
        for one in entries
    ]
    return Table("All figures", note, header, rows)


def remarks(report: dict[str, Any]) -> list[str]:
    """What else has to be said, one line each."""
    told = [
        f"measured on {', '.join(f'{name} {value}' for name, value in report['measured_on'].items())}",
        f"labels: {report['measured_on']['signal']}, ranked: mean test accuracy; train and test networks are disjoint",
        f"{report['splits']} splits from {report['first_split']} on, fewer where a predictor is slow: see splits",
        "training seconds are those that the table tells, CPU seconds are measured here: where the table's machine was "
        "another, their sum is of two machines"
        if report["training_seconds"] is not None
        else "the table tells no seconds of training: only CPU seconds are counted",
        "not counted: an encoder's own training, which needs no label and is done once for a space",
    ]
    told += [f"left out: {name}: {reason}" for name, reason in report["left_out"].items()]
    failures = [one for one in report["measured"] if one["failed"]]
    for one in failures[:_FAILURES]:
        told.append(
            f"failed: {label(one)} with {one['size']} labels, {one['failed']} of {one['failed'] + one['splits']} "
            f"splits: {one['failure']}"
        )
    if len(failures) > _FAILURES:
        told.append(f"failed: {len(failures) - _FAILURES} more, see study.json")
    return told


def _mean(told: dict[str, float | None]) -> str:
    error = "" if told["standard_error"] is None else f" ± {told['standard_error']:.3f}"
    return f"{told['mean']:.3f}{error}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g}" if seconds < 100 else f"{seconds:,.0f}"
