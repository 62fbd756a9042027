"""Does training three seeds jointly change what comes out? `python -m experiments.grouped_training`.

Trains random cells with the same seeds jointly (as the table is made) and each alone (as a search does), and compares
the accuracies: their means, their spread over seeds, and the whole distribution of what is left after a cell's mean.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.digits import SEEDS, TABLE, final_accuracy, in_processes, space, train_cell, versions
from nas.types import Architectures

_GROUPS = (SEEDS, tuple(seed + len(SEEDS) for seed in SEEDS))  # six seeds a cell


def both_ways(arch: Architectures) -> tuple[list[list[float]], list[list[float]], float, float]:
    """Final accuracy on valid and test together, `2 x seeds`, jointly and alone; CPU seconds of each way."""
    joint = [train_cell(arch, TABLE, seeds) for seeds in _GROUPS]
    alone = [train_cell(arch, TABLE, [seed]) for seeds in _GROUPS for seed in seeds]
    accuracies = [
        [np.concatenate([final_accuracy(c, part) for c, _ in way]).tolist() for part in ("valid", "test")]
        for way in (joint, alone)
    ]
    return accuracies[0], accuracies[1], sum(s for _, s in joint), sum(s for _, s in alone)


def main() -> None:
    """Run the comparison."""
    from scipy.stats import ks_2samp, levene, spearmanr, ttest_rel

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("experiments/results/grouped_training.json"))
    options = parser.parse_args()
    archs = space().enumerate()
    rows = np.random.default_rng(1).choice(len(archs), options.cells, replace=False).tolist()
    done = dict(in_processes_by_row(archs, rows, options.workers))
    result: dict[str, Any] = {"rows": rows, "seeds": _GROUPS, "setting": TABLE.describe(), "versions": versions()}
    for number, part in enumerate(("valid", "test")):
        joint, alone = (np.array([done[row][way][number] for row in rows]) for way in (0, 1))
        result[part] = {
            "mean_joint": float(joint.mean()),
            "mean_alone": float(alone.mean()),
            "paired_t_test_of_cell_means_p": float(ttest_rel(joint.mean(axis=1), alone.mean(axis=1))[1]),
            "largest_difference_of_cell_means": float(np.abs(joint.mean(axis=1) - alone.mean(axis=1)).max()),
            "deviation_over_seeds_joint": float(np.sqrt(joint.var(axis=1, ddof=1).mean())),
            "deviation_over_seeds_alone": float(np.sqrt(alone.var(axis=1, ddof=1).mean())),
            "levene_p": float(levene(_centred(joint), _centred(alone))[1]),
            "kolmogorov_smirnov_p": float(ks_2samp(_centred(joint), _centred(alone))[1]),
            "spearman_of_cell_means": float(spearmanr(joint.mean(axis=1), alone.mean(axis=1))[0]),
        }
    for way, name in ((2, "cpu_seconds_joint"), (3, "cpu_seconds_alone")):
        result[name] = float(np.mean([done[row][way] for row in rows]) / len(_GROUPS))
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def in_processes_by_row(archs: Architectures, rows: list[int], workers: int) -> Any:
    """Rows with what `both_ways` gives for them."""
    jobs = [(archs[row : row + 1],) for row in rows]
    places = {arch.tobytes(): row for (arch,), row in zip(jobs, rows, strict=True)}
    return ((places[job[0].tobytes()], done) for job, done in in_processes(both_ways, jobs, workers))


def _centred(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    centred: np.ndarray[Any, Any] = (values - values.mean(axis=1, keepdims=True)).ravel()
    return centred


if __name__ == "__main__":
    main()
