"""`NASBench` with the methods and results of the published library, without TensorFlow.

Code written for that library needs one change: `from nas.compat.nasbench import api`. The table may be the official
file or the compact one made of it. What needs the training pipeline (`evaluate`) is not offered.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, KeysView, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from nas.benchmarks.archives import Arrays
from nas.benchmarks.nb101 import METRICS, OPERATION_NAMES, POINTS
from nas.benchmarks.published import nasbench101
from nas.benchmarks.table import read_table
from nas.compat.nasbench.model_spec import ModelSpec
from nas.errors import UserError
from nas.spaces import NB101
from nas.spaces.nb101 import OPERATIONS

__all__ = ["ModelSpec", "NASBench", "OutOfDomainError"]

_log = logging.getLogger(__name__)

Statistics = TypeVar("Statistics")


class OutOfDomainError(Exception):
    """The graph is outside of the benchmark."""


class _ByHash(Mapping[str, Statistics], Generic[Statistics]):
    """Statistics by module hash, made when they are asked for."""

    def __init__(self, rows: dict[str, int], make: Callable[[int], Statistics]) -> None:
        self._rows = rows
        self._make = make

    def __getitem__(self, module_hash: str) -> Statistics:
        return self._make(self._rows[module_hash])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class NASBench:
    """The benchmark, and how much of it was asked for.

    Args:
        dataset_file: a compact table (`nasbench101.npz`), or an official file (`nasbench_full.tfrecord`), which takes
            minutes to read: convert it once with `python -m nas.data convert FILE`.
        seed: of the draws among runs. They are Python's, as in the published library, so that the same seed gives the
            same results; but from a generator of this object, so that nothing else is seeded. None: from `random`
            itself, which the caller may have seeded.

    Attributes:
        config: the limits of the space.
        valid_epochs: the epoch budgets there are.
        fixed_statistics: by module hash: `module_adjacency`, `module_operations`, `trainable_parameters`.
        computed_statistics: by module hash, epochs and run: `halfway_` and `final_` `training_time`, `train_accuracy`,
            `validation_accuracy`, `test_accuracy`.
        training_time_spent, total_epochs_spent: what `query` has counted.

    Raises:
        UserError: the file is missing, damaged, or no such table.
    """

    def __init__(self, dataset_file: str | Path, seed: int | None = None) -> None:
        path = Path(dataset_file)
        self._path = path
        arrays = nasbench101.read_official(path) if nasbench101.recognised(path) else _compact(path)
        self._draw = random.randint if seed is None else random.Random(seed).randint
        names = [f"{point}_{metric}" for point in POINTS for metric in METRICS]
        self._metrics = {name: arrays[name] for name in names if name in arrays}
        self._epochs = [int(epochs) for epochs in arrays["epochs"]] if self._metrics else []
        self._cells = {name: arrays[name] for name in ("num_vertices", "adj_bits", "ops", "params")}
        runs = next(iter(self._metrics.values())).shape[2] if self._metrics else 0
        self.config: dict[str, Any] = {
            "module_vertices": 7,
            "max_edges": 9,
            "num_repeats": runs,
            "available_ops": list(OPERATIONS),
        }
        rows = {row.tobytes().hex(): place for place, row in enumerate(arrays["md5"])}
        self.valid_epochs = set(self._epochs)
        self.fixed_statistics: Mapping[str, dict[str, Any]] = _ByHash(rows, self._fixed)
        self.computed_statistics: Mapping[str, dict[int, list[dict[str, float]]]] = _ByHash(rows, self._computed)
        self.reset_budget_counters()
        _log.info("%s: %d cells", path, len(rows))

    def query(self, model_spec: ModelSpec, epochs: int = 108, stop_halfway: bool = False) -> dict[str, Any]:
        """Return one run of a cell, drawn at random, and count what it cost.

        Args:
            model_spec: the cell.
            epochs: one of `valid_epochs`.
            stop_halfway: return the state after half of the epochs instead.

        Returns:
            `module_adjacency`, `module_operations`, `trainable_parameters`, `training_time` in seconds, and
            `train_accuracy`, `validation_accuracy`, `test_accuracy`, 0..1.

        Raises:
            OutOfDomainError: the cell or the epochs are not in the benchmark.
            UserError: the file has no single runs.
        """
        self._need_runs()
        if epochs not in self.valid_epochs:
            raise OutOfDomainError(f"invalid number of epochs, must be one of {self.valid_epochs}")
        fixed, computed = self.get_metrics_from_spec(model_spec)
        run = computed[epochs][self._draw(0, self.config["num_repeats"] - 1)]
        point = POINTS[0] if stop_halfway else POINTS[1]
        data = {**fixed, **{metric: run[f"{point}_{metric}"] for metric in METRICS}}
        self.training_time_spent += data["training_time"]
        self.total_epochs_spent += epochs // 2 if stop_halfway else epochs
        return data

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Tell whether a cell is in the benchmark; counts nothing."""
        try:
            self._check_spec(model_spec)
        except OutOfDomainError:
            return False
        return True

    def get_budget_counters(self) -> tuple[float, int]:
        """Return the seconds and the epochs that were spent."""
        return self.training_time_spent, self.total_epochs_spent

    def reset_budget_counters(self) -> None:
        """Set the seconds and the epochs that were spent to 0."""
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def hash_iterator(self) -> KeysView[str]:
        """Return the hashes of all cells."""
        return self.fixed_statistics.keys()

    def get_metrics_from_hash(self, module_hash: str) -> tuple[dict[str, Any], dict[int, list[dict[str, float]]]]:
        """Return the fixed and the computed statistics of a hash; counts nothing.

        Raises:
            KeyError: no cell has this hash.
            UserError: the file has no single runs.
        """
        return self.fixed_statistics[module_hash], self.computed_statistics[module_hash]

    def get_metrics_from_spec(self, model_spec: ModelSpec) -> tuple[dict[str, Any], dict[int, list[dict[str, float]]]]:
        """Return the fixed and the computed statistics of a cell; counts nothing.

        Raises:
            OutOfDomainError: the cell is not in the benchmark.
            UserError: the file has no single runs.
        """
        self._check_spec(model_spec)
        return self.get_metrics_from_hash(model_spec.hash_spec(self.config["available_ops"]))

    def _check_spec(self, model_spec: ModelSpec) -> None:
        matrix, ops = model_spec.matrix, model_spec.ops
        if matrix is None or ops is None:
            raise OutOfDomainError("invalid spec, provided graph is disconnected.")
        for what, got, most in (
            ("vertices", len(ops), self.config["module_vertices"]),
            ("edges", int(matrix.sum()), self.config["max_edges"]),
        ):
            if got > most:
                raise OutOfDomainError(f"too many {what}, got {got} (max {what} = {most})")
        if ops[0] != "input" or ops[-1] != "output":
            raise OutOfDomainError("first operation should be 'input', last operation should be 'output'")
        for op in ops[1:-1]:
            if op not in self.config["available_ops"]:
                raise OutOfDomainError(f"unsupported op {op} (available ops = {self.config['available_ops']})")

    def _need_runs(self) -> None:
        if len(self._metrics) < len(POINTS) * len(METRICS):
            raise UserError(
                f"{self._path} has no single runs with their accuracies and seconds: convert an official file to a "
                f"table that has, with python -m nas.data convert FILE"
            )

    def _fixed(self, row: int) -> dict[str, Any]:
        size, bits = int(self._cells["num_vertices"][row]), int(self._cells["adj_bits"][row])
        adjacency = np.zeros((size, size), dtype=np.int8)
        for y in range(size):
            for x in range(y):
                adjacency[x, y] = bits >> (x + y * (y - 1) // 2) & 1
        operations = [OPERATION_NAMES[code] for code in self._cells["ops"][row, :size]]
        return {
            "module_adjacency": adjacency,
            "module_operations": operations,
            "trainable_parameters": int(self._cells["params"][row]),
        }

    def _computed(self, row: int) -> dict[int, list[dict[str, float]]]:
        self._need_runs()
        return {
            epochs: [
                {name: float(values[row, place, run]) for name, values in self._metrics.items()}
                for run in range(self.config["num_repeats"])
            ]
            for place, epochs in enumerate(self._epochs)
        }


def _compact(path: Path) -> Arrays:
    """The arrays of a compact table, after all checks."""
    read_table(path, NB101())
    return Arrays(path, path.read_bytes())
