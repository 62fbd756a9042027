"""Our estimators under the protocols of published ones: `python -m experiments.literature --splits 20`.

NAS-Bench-201, as TNASP (Lu et al. 2021) and PINAT (Lu et al. 2023): CIFAR-10, n cells drawn from all 15,625 are
labelled with their validation accuracy after 200 epochs, mean of their runs; Kendall's tau is that of the estimates
with the mean test accuracy over all 15,625: those that were learnt from and those that are the same network as another
count, too. NAS-Bench-101, as PINAT: labels are one run's validation accuracy after 108 epochs, tau is over all 423,624
cells. The papers use one split, we use several. Nothing is chosen here: the compositions are those of `conf/estimator`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from nas._config import build, composed
from nas.benchmarks import benchmark_of, find_table
from nas.search.journal import write_whole
from nas.spaces import NB101, NB201
from nas.types import Batch, Space, Values

RESULT = Path(__file__).parent / "results" / "literature.json"
ESTIMATORS = ("emprox", "gp_graph", "lightgbm_graph", "ridge", "gcn")
_AT_ONCE = 20_000  # cells that are ranked


@dataclass(frozen=True)
class Protocol:
    """Cells, their mean test accuracy, which of them can be labelled and how, and how many are.

    Attributes:
        published: tau by predictor, at each of the sizes where it is told.
    """

    name: str
    space: Space
    cells: Batch
    truth: Values
    rows: NDArray[np.int64]
    labels: Values
    sizes: tuple[int, ...]
    published: dict[str, tuple[float | None, ...]]


def protocols() -> Iterator[Protocol]:
    """Read both tables.

    Raises:
        UserError: one is not there.
    """
    edges = NB201()
    with np.load(find_table(None, "cifar10", benchmark_of(edges).tables)[1]) as table:
        yield Protocol(
            "nb201, cifar10",
            edges,
            edges.batch(table["ops"]),
            table["test_acc_200"][:, 0].astype(np.float64),
            np.arange(len(table["ops"])),
            table["val_acc_200"][:, 0].astype(np.float64) / 100,
            (78, 156, 469, 781, 1563),
            {
                "TNASP": (0.539, 0.589, 0.640, 0.689, 0.724),
                "PINAT": (0.549, 0.631, 0.706, 0.761, 0.784),
                "HyperNAS": (0.677, 0.765, 0.836, None, None),
                "NAR-Former V2": (None, 0.752, None, None, 0.888),
                "NN-Former": (None, 0.804, None, None, 0.890),
            },
        )
    cells = NB101()
    with np.load(find_table(None, "cifar10", benchmark_of(cells).tables)[1]) as table:
        archs = cells.from_published(table["num_vertices"], table["adj_bits"], table["ops"])
        yield Protocol(
            "nb101, cifar10",
            cells,
            cells.batch(archs),
            table["test_acc_108"].astype(np.float64),
            table["val_row"].astype(np.int64),
            table["val_acc_1run"][:, -1].astype(np.float64),
            (100, 172, 424, 4236),
            {
                "TNASP": (0.600, 0.669, 0.705, 0.820),
                "PINAT": (0.679, 0.715, 0.772, 0.846),
                "NAR-Former V2": (0.663, 0.704, 0.773, 0.861),
                "NN-Former": (
                    0.709,
                    0.765,
                    0.809,
                    0.877,
                ),  # on three runs' validation accuracy, and a chosen checkpoint
            },
        )


def tau(protocol: Protocol, name: str, size: int, split: int) -> float:
    """Kendall's tau over all cells of what an estimator has learnt from `size` of them."""
    node = composed([f"estimator={name}", f"seed={split}"])["estimator"]
    estimator = build(node, "estimator", space=protocol.space)
    chosen = np.random.default_rng([split, size]).permutation(len(protocol.rows))[:size]
    estimator.prepare()
    estimator.fit(protocol.cells.take(protocol.rows[chosen]), protocol.labels[chosen])
    parts = np.array_split(np.arange(len(protocol.cells)), -(-len(protocol.cells) // _AT_ONCE))
    estimates = np.concatenate([estimator.predict(protocol.cells.take(part)).mean for part in parts])
    return round(float(kendalltau(estimates, protocol.truth).statistic), 4)


def main() -> None:
    """Measure what the file does not have yet, write it after each, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--estimators", nargs="+", default=ESTIMATORS)
    parser.add_argument("--protocols", nargs="+", default=["nb201", "nb101"])
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    result = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    for protocol in protocols():
        if protocol.name.partition(",")[0] not in options.protocols:
            continue
        found = result.setdefault(protocol.name, {"sizes": protocol.sizes, "published": protocol.published, "tau": {}})
        for name in options.estimators:
            known = found["tau"].setdefault(name, {f"{size}": [] for size in protocol.sizes})
            for size in protocol.sizes:
                for split in range(len(known[f"{size}"]), options.splits):
                    known[f"{size}"].append(tau(protocol, name, size, split))
                    write_whole(options.out, json.dumps(result, indent=1) + "\n")
            told = [
                f"{size}: {np.mean(taus):.3f} ± {np.std(taus, ddof=1) / len(taus) ** 0.5:.3f}"
                for size, taus in known.items()
                if len(taus) > 1
            ]
            print(protocol.name, name, *told, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
