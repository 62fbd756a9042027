"""Do networks with shared weights rank as networks trained alone? `python -m experiments.weight_sharing`.

OneShot and RSWS (`nas.encoders.SharedWeights`) are trained on the digits, by several seeds, and score 200 cells of the
embedded table, held against its mean test accuracy, and 60 networks of NAS-Bench-201, held against their own training
on the digits (the table's recipe, one seed) and against the mean test accuracy on CIFAR-10. All figures are Kendall's
tau; seconds are of one thread. It takes 25 CPU minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.digits import TABLE, space, versions
from nas.encoders import SharedWeights
from nas.evaluators import TableEvaluator, TrainingEvaluator
from nas.spaces import NB201
from nas.training import SupernetRecipe
from nas.types import Batch, Space

RESULT = Path(__file__).parent / "results" / "weight_sharing.json"
ESTIMATORS = {"rsws": "one", "one_shot": "all"}


def drawn(space: Space, n: int) -> Batch:
    """Distinct networks."""
    return space.batch(space.enumerate()[np.random.default_rng(5).permutation(space.size)[:n]])


def references() -> dict[str, tuple[Batch, dict[str, NDArray[np.float64] | None]]]:
    """For each space its networks and what they are held against."""
    small, large = space(), NB201()
    few, others = drawn(small, 200), drawn(large, 60)
    trainer = TrainingEvaluator(
        large, dataset=TABLE.dataset, skeleton=TABLE.skeleton, recipe=TABLE.recipe, device="cpu"
    )
    own = trainer.evaluate(others).value
    trainer.close()
    cifar = TableEvaluator(large, "cifar10").test(others)
    table = TableEvaluator(small, "digits").test(few)
    return {"nb101": (few, {"digits": table}), "nb201": (others, {"digits": own, "cifar10": cifar})}


def measured(batch: Batch, truths: dict[str, NDArray[np.float64] | None], **options: Any) -> dict[str, Any]:
    """Tau against each truth, accuracies, and CPU seconds."""
    from scipy.stats import kendalltau

    encoder = SharedWeights(batch.space, **options)
    start = process_time()
    wall = encoder.prepare()
    ready = process_time()
    accuracy = encoder.embed(batch).values[:, 0]
    return {
        "tau": {name: round(float(kendalltau(accuracy, truth)[0]), 3) for name, truth in truths.items()},
        "accuracy": [round(float(share), 3) for share in np.quantile(accuracy, [0, 0.5, 1])],
        "training_cpu_s": round(ready - start, 1),
        "training_wall_s": round(wall, 1),
        "query_cpu_ms": round((process_time() - ready) / len(batch) * 1e3, 1),
    }


def main() -> None:
    """Train, score, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    found: dict[str, Any] = {"versions": versions(), "skeleton": repr(TABLE.skeleton)}
    for name, (batch, truths) in references().items():
        for epochs in options.epochs:
            for estimator, paths in ESTIMATORS.items():
                common = {"paths": paths, "dataset": TABLE.dataset, "skeleton": TABLE.skeleton}
                rows = [
                    measured(batch, truths, seed=seed, recipe=SupernetRecipe(epochs=epochs), **common)
                    for seed in range(options.seeds)
                ]
                found[f"{name} {estimator} {epochs} epochs"] = rows
                print(name, estimator, epochs, *rows, sep="\n", flush=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
