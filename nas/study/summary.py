"""What a study found: means over splits, and which predictor is best at which price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nas.study.journal import Found
from nas.study.measuring import PRICES, Bench, Job
from nas.study.metrics import METRICS
from nas.study.splits import Kind

_TO_RANK = 200  # networks, by which queries are paid for in what is advised
_BUDGETS = (0.1, 0.3, 1, 2, 5, 10, 20, 50, 100, 200, 500)  # labels that one could afford


def summarise(jobs: Iterable[Job], found: dict[str, Found]) -> list[dict[str, Any]]:
    """One entry for each predictor, fidelity, kind and size that was measured: means and standard errors.

    Args:
        jobs: of the study.
        found: by their keys.
    """
    grouped: dict[tuple[Any, ...], list[Found]] = {}
    families = {}
    for job in jobs:
        if job.key in found:
            what = job.predictor.name, job.predictor.epochs, job.kind, job.size
            grouped.setdefault(what, []).append(found[job.key])
            families[job.predictor.name] = job.predictor.family
    return [
        {
            "predictor": name,
            "family": families[name],
            "epochs": epochs,
            "test": kind,
            "size": size,
            **_means(measured),
        }
        for (name, epochs, kind, size), measured in grouped.items()
    ]


def full_training(bench: Bench, kinds: Sequence[Kind], splits: range) -> list[dict[str, Any]]:
    """An entry for each kind: what is known where every network that is ranked is trained to the end."""
    entry = {"predictor": "full training", "family": "learning curve", "epochs": None, "size": 0}
    return [{**entry, "test": kind, **_means([bench.full_training(kind, split) for split in splits])} for kind in kinds]


def _means(measured: Sequence[Found]) -> dict[str, Any]:
    whole = [one for one in measured if isinstance(one, dict)]
    failed = [one for one in measured if isinstance(one, str)]
    told: dict[str, Any] = {"splits": len(whole), "failed": len(failed), "failure": failed[0] if failed else None}
    if not whole:
        return told
    for name in METRICS:
        values = np.array([one[name] for one in whole])
        error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
        told[name] = {"mean": _short(values.mean()), "standard_error": None if error is None else _short(error)}
    told.update({name: _short(np.mean([one[name] for one in whole])) for name in PRICES})
    told["missing"] = _short(np.mean([one["missing"] for one in whole]))
    return told


def _short(value: Any) -> float:
    return float(f"{float(value):.5g}")


def init_seconds(entry: dict[str, Any]) -> float:
    """Seconds before anything is ranked: of training and of CPU."""
    return float(entry["init_training"] + entry["init_cpu"])


def query_seconds(entry: dict[str, Any]) -> float:
    """Seconds for each network that is ranked: of training and of CPU."""
    return float(entry["query_training"] + entry["query_cpu"])


def measured(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The entries of one kind of networks with a figure, none of which failed in more than half of the splits."""
    return [one for one in entries if one["test"] == kind and one["splits"] > one["failed"]]


def best(entries: list[dict[str, Any]], init: float, query: float) -> dict[str, Any] | None:
    """The entry with the highest tau of those that cost no more than `init` and `query` seconds."""
    affordable = [one for one in entries if init_seconds(one) <= init and query_seconds(one) <= query]
    return max(affordable, key=lambda one: one["tau"]["mean"], default=None)


def advice(entries: list[dict[str, Any]], training: float) -> list[tuple[float, dict[str, Any]]]:
    """With so much time, which predictor: the best at each of several budgets, where it is better than below.

    Args:
        entries: of one kind of networks.
        training: mean seconds behind a label.

    Returns:
        Labels that would cost as much as all of it, with 200 networks to rank, and the entry.
    """
    advised: list[tuple[float, dict[str, Any]]] = []
    for budget in _BUDGETS:
        affordable = [one for one in entries if total_seconds(one) <= budget * training]
        chosen = max(affordable, key=lambda one: one["tau"]["mean"], default=None)
        if chosen is not None and (not advised or chosen is not advised[-1][1]):
            advised.append((budget, chosen))
    return advised


def total_seconds(entry: dict[str, Any]) -> float:
    """Seconds to rank 200 networks, all that is needed for it included."""
    return init_seconds(entry) + _TO_RANK * query_seconds(entry)
