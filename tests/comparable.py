"""Runs to compare, without folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nas.compare.runs import Run
from nas.types import Values


def run_of(curve: Values, seed: int = 0, **known: Any) -> Run:
    """A finished run of these best values."""
    columns = ("value", "test_accuracy", "cost", "random_value", "random_test_accuracy")
    rest: dict[str, Any] = {
        "folder": Path(f"{seed}"), "config": {}, "choices": {}, "measured_on": {}, "best_of_space": None,
        "recommended": np.nan, "seconds": None, "budget": len(curve), "evaluations": len(curve),
        "points": len(curve), "unit": "evaluations",
    }  # fmt: skip
    return Run(seed=seed, **{**rest, **dict.fromkeys(columns, curve), **known})
