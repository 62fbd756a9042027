"""What a comparison tells of the recommended trials."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nas
from nas.compare.__main__ import run
from nas.compare.page import tables

SMALL = ("space.max_vertices=5", "table=digits", "budget=40")
EMPROX = ("estimator=emprox", "estimator.encoder.cells=2000", "estimator.encoder.epochs=1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        nas.run(*SMALL, *EMPROX, f"seed={seed}", folder=folder / f"emprox{seed}")
        nas.run(*SMALL, "strategy=random", "estimator=none", f"seed={seed}", folder=folder / f"random{seed}")
    return folder


def test_best_and_recommended_are_told_side_by_side(runs: Path) -> None:
    comparison, _ = run([runs], None, [])
    results = [json.loads((runs / f"emprox{seed}" / "result.json").read_text()) for seed in range(3)]
    best, advised = (
        100 * np.array([one[name]["test_accuracy"] for one in results]) for name in ("best", "recommended")
    )
    [table] = [table for table in tables(comparison) if table.title == "Best and recommended"]
    [row] = [row for row in table.rows if "emprox" in row[0]]
    expected = [
        f"{column.mean():.3f} ± {column.std(ddof=1) / 3**0.5:.3f}" for column in (best, advised, advised - best)
    ]
    assert row[1:] == expected
    [random] = [row for row in table.rows if "random" in row[0]]
    assert random[1] == random[2]  # it tells no noise apart


def test_runs_from_before_are_compared_without(runs: Path, tmp_path: Path) -> None:
    for folder in runs.iterdir():
        content = json.loads((folder / "result.json").read_text())
        del content["recommended"]
        (tmp_path / folder.name).mkdir()
        (tmp_path / folder.name / "result.json").write_text(json.dumps(content))
    comparison, _ = run([tmp_path], None, [])
    assert "Best and recommended" not in [table.title for table in tables(comparison)]
