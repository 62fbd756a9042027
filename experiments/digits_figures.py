"""What the embedded table is good for: `python -m experiments.digits_figures`.

How reliably it ranks the cells, and how far two trivial rules get: take the largest cell, take the most 3x3
convolutions. Whoever reports a figure on the table should put these beside it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.digits import reliability


def figures(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Figures of the table's arrays; accuracies after the last epoch, 0..1."""
    from scipy.stats import spearmanr

    _, valid_images, test_images = arrays["images"].tolist()
    valid = arrays["valid_correct"][:, :, -1] / valid_images
    test = arrays["test_correct"][:, :, -1] / test_images
    mean, runs = test.mean(axis=1), test.shape[1]
    order = np.argsort(-mean, kind="stable")
    deviation = test.std(axis=1, ddof=1)
    error = deviation[order[0]] / runs**0.5
    gap = mean[order[0]] - mean[order[1]]
    convolutions = (arrays["ops"] == 0).sum(axis=1)
    largest = int(arrays["params"].argmax())
    return {
        "cells": len(mean),
        "cpu_seconds": float(arrays["cpu_seconds"].sum()),
        "icc_test": reliability(test),
        "icc_valid": reliability(valid),
        "mean": float(mean.mean()),
        "quantiles_0_25_50_75_100": np.quantile(mean, [0, 0.25, 0.5, 0.75, 1]).tolist(),
        "best": float(mean[order[0]]),
        "best_md5": arrays["md5"][order[0]].tobytes().hex(),
        "best_params": int(arrays["params"][order[0]]),
        "second": float(mean[order[1]]),
        "best_minus_second": float(gap),
        "standard_error_of_that": float(np.sqrt((deviation[order[:2]] ** 2).sum() / runs)),
        "cells_within_one_standard_error_of_best": int((mean >= mean[order[0]] - error).sum()),
        "deviation_over_seeds_top_100": float(np.sqrt((deviation[order[:100]] ** 2).mean())),
        "largest": float(mean[largest]),
        "largest_params": int(arrays["params"][largest]),
        "largest_rank": int((mean > mean[largest]).sum()) + 1,
        "train_accuracy_of_best": float(arrays["train_correct"][order[0], :, -1].mean() / arrays["images"][0]),
        "spearman_test_parameters": float(spearmanr(mean, arrays["params"])[0]),
        "spearman_test_conv3x3": float(spearmanr(mean, convolutions)[0]),
        "spearman_test_valid_mean": float(spearmanr(mean, valid.mean(axis=1))[0]),
        "spearman_test_valid_one_run": [float(spearmanr(mean, valid[:, run])[0]) for run in range(runs)],
        "expected_test_of_best_by_parameters": _expected(mean, arrays["params"]),
        "expected_test_of_best_by_conv3x3": _expected(mean, convolutions),
        "expected_test_of_best_by_valid_one_run": float(np.mean([_expected(mean, column) for column in valid.T])),
    }


def _expected(values: NDArray[np.float64], score: NDArray[Any]) -> float:
    return float(values[score == score.max()].mean())  # of the cells with the highest score, one at random


def main() -> None:
    """Read the table, write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=Path("nas/data/nb101_digits.npz"))
    parser.add_argument("--out", type=Path, default=Path("experiments/results/digits_table.json"))
    options = parser.parse_args()
    with np.load(options.table, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    result = {
        **{name: json.loads(str(arrays[name])) for name in ("setting", "versions")},
        "bytes": options.table.stat().st_size,
        **figures(arrays),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
