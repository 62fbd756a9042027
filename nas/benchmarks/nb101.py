"""NAS-Bench-101: its tables, what the arrays of their compact formats say of the cells; see `docs/data.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.archives import column
from nas.benchmarks.base import Benchmark, benchmark_of
from nas.benchmarks.nb101_hash import module_hashes
from nas.benchmarks.rows import Curves, Runs, TableColumns, Training, check_range
from nas.errors import UserError
from nas.spaces import NB101
from nas.types import Architectures

POINTS = ("halfway", "final")
METRICS = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
"""Of each point, run and epoch budget; under these names, as in `final_test_accuracy`, in the published library too."""
OPERATION_NAMES = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3", "input", "output")
_VERTICES, _PADDING = 7, 255
_MOST = {"adj_bits": 2**21 - 1, "ops": _PADDING, "md5": 255}
_LONGEST = float(np.finfo(np.float32).max)  # seconds


@benchmark_of.register(NB101)
class NASBench101(Benchmark):
    """The table of Ying et al. (2019), and that of digits which is in this package; cells are known by their hash."""

    tables: Mapping[str, str] = MappingProxyType({"cifar10": "nasbench101.npz", "digits": "nb101_digits.npz"})
    space: NB101

    def covered(self, arrays: Mapping[str, NDArray[Any]]) -> NB101:
        """Return the space, or its part with at most as many vertices as any cell of the table."""
        most = int(column(arrays, "num_vertices", "integers", None).max(initial=3))
        return self.space if most >= self.space.max_vertices else NB101(max(most, 3), self.space.max_edges)

    def columns(self, arrays: Mapping[str, NDArray[Any]], table: str | None = None) -> TableColumns:
        """Read a table of NAS-Bench-101 cells.

        All have `num_vertices`, `adj_bits`, `ops`, `params` and `md5`, in the way of the published files. The full
        table of CIFAR-10 has every run of every epoch budget; the reduced one has mean test accuracy after 108 epochs
        and, for some rows, validation accuracy and seconds of one run; that of digits has the number of correct images
        by row, seed and epoch.

        Raises:
            UserError: an array is missing, or does not fit this space.
        """
        most = self.space.max_vertices
        vertices, bits = (column(arrays, name, "integers", None) for name in ("num_vertices", "adj_bits"))
        ops = column(arrays, "ops", "integers", len(vertices), _VERTICES)
        for row in np.flatnonzero((vertices < 2) | (vertices > most))[:1]:
            raise UserError(f"row {row} has {vertices[row]} vertices, the space at most {most}")
        return _columns(arrays, self.space.from_published(vertices, bits.astype(np.uint32), ops))

    def names(self, archs: Architectures) -> list[str]:
        """Return the official module hash of each cell, 32 hexadecimal digits."""
        return module_hashes(self.space.graphs(archs))


def arrays_of_cells(
    adjacencies: Sequence[str], operations: Sequence[Sequence[str]], parameters: Sequence[int], digests: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return the arrays that describe `n` cells.

    Args:
        adjacencies: each matrix row by row, "0" and "1", of 2..7 vertices.
        operations: names in `OPERATION_NAMES`, one a vertex.
        parameters: trainable parameters.
        digests: the module hashes, hexadecimal.
    """
    vertices = np.array([len(names) for names in operations], dtype=np.uint8)
    bits = np.zeros(len(vertices), dtype=np.uint32)
    ops = np.full((len(vertices), _VERTICES), _PADDING, dtype=np.uint8)
    codes = {name: code for code, name in enumerate(OPERATION_NAMES)}
    for size in np.unique(vertices).tolist():
        rows = np.flatnonzero(vertices == size).tolist()
        text = "".join(adjacencies[row] for row in rows).encode()
        matrices = (np.frombuffer(text, dtype=np.uint8) == ord("1")).reshape(-1, size, size)
        for y in range(size):
            for x in range(y):
                bits[rows] |= matrices[:, x, y].astype(np.uint32) << np.uint32(x + y * (y - 1) // 2)
        ops[rows, :size] = [[codes[name] for name in operations[row]] for row in rows]
    return {
        "num_vertices": vertices,
        "adj_bits": bits,
        "ops": ops,
        "op_names": np.array(OPERATION_NAMES),
        "params": np.array(parameters, dtype=np.int32),
        "md5": np.frombuffer(bytes.fromhex("".join(digests)), dtype=np.uint8).reshape(-1, 16),
    }


def _columns(arrays: Mapping[str, NDArray[Any]], archs: Architectures) -> TableColumns:
    """Read what the arrays say of the cells `archs`, the rows of the table.

    Raises:
        UserError: an array is missing, or of a wrong type.
    """
    for name, most in _MOST.items():
        values = arrays[name]
        for place in np.argwhere((values < 0) | (values > most))[:1]:
            raise UserError(f"{name} of row {place[0]} is {values[tuple(place)]}, must be 0..{most}")
    parameters = column(arrays, "params", "integers", None).astype(np.int64)
    digests = column(arrays, "md5", "integers", None, 16).astype(np.uint8)
    if "epochs" in arrays:
        return TableColumns.of_trainings(archs, _trainings(arrays), parameters, digests)
    if "valid_correct" in arrays:
        return _of_images(arrays, archs, parameters, digests)
    test = column(arrays, "test_acc_108", "floats", None).astype(np.float64)
    known = column(arrays, "val_row", "integers", None)
    if ((known < 0) | (known >= len(archs))).any() or len(np.unique(known)) < len(known):
        raise UserError(f"val_row must be different rows of 0..{len(archs) - 1}")
    seen = column(arrays, "val_acc_1run", "floats", None, None)
    spent = column(arrays, "train_time_108_1run", "floats", None).astype(np.float64)
    # an older file does not say after how many epochs: the last column is of the whole training
    points = _epochs(arrays, "val_epochs", seen.shape[1]) if "val_epochs" in arrays else np.array([108])
    accuracies, seconds = np.full((2, len(archs), 1, len(points)), np.nan)
    accuracies[known, 0] = seen[:, -len(points) :]
    seconds[known, 0] = spent[:, None] * points / points[-1]
    complete = None if np.isnan(accuracies[:, 0, -1]).any() else accuracies[:, 0, -1]
    curves = Curves(points, {"valid_accuracy": accuracies}, seconds, one_training=False)
    return TableColumns(archs, test, complete, seconds[:, 0, -1], parameters, digests, curves=curves)


def _of_images(
    arrays: Mapping[str, NDArray[Any]],
    archs: Architectures,
    parameters: NDArray[np.int64],
    digests: NDArray[np.uint8],
) -> TableColumns:
    """Read a table with the number of correct images by row, run and epoch."""
    images = dict(zip(("train", "valid", "test"), column(arrays, "images", "integers", 3).tolist(), strict=True))
    accuracy = {part: column(arrays, f"{part}_correct", "integers", None, None, None) / images[part] for part in images}
    test, validation = (accuracy[part][:, :, -1].mean(axis=1) for part in ("test", "valid"))
    # the seconds are those of all runs: the validation accuracy is their mean
    cost = column(arrays, "cpu_seconds", "floats", None).astype(np.float64)
    _, runs, epochs = accuracy["valid"].shape
    share = np.arange(1, epochs + 1) / epochs / runs
    metrics = {f"{part}_accuracy": accuracy[part] for part in ("train", "valid")} | {
        f"{part}_loss": column(arrays, f"{part}_loss", "floats", None, runs, epochs).astype(np.float64)
        for part in ("train", "valid")
    }
    seconds = np.repeat(cost[:, None, None] * share, runs, axis=1)
    curves = Curves(np.arange(1, epochs + 1), metrics, seconds)
    return TableColumns(archs, test, validation, cost, parameters, digests, curves=curves)


def _trainings(arrays: Mapping[str, NDArray[Any]]) -> dict[int, Training]:
    """Every run by epochs; the means over them cost the seconds of all."""
    budgets = _epochs(arrays, "epochs", None)
    names = ("test_accuracy", "validation_accuracy", "training_time")
    final = [column(arrays, f"final_{name}", "floats", None, len(budgets), None) for name in names]
    for point in POINTS:
        for metric in METRICS:
            limits = (_LONGEST, "0 or more seconds") if metric == "training_time" else (1, "an accuracy in 0..1")
            if (name := f"{point}_{metric}") in arrays:
                check_range(name, column(arrays, name, "floats", *final[0].shape), 0, *limits)
    trainings = {}
    for place, epochs in enumerate(budgets.tolist()):
        test, validation, cost = (values[:, place].astype(np.float64) for values in final)
        means = test.mean(axis=1), validation.mean(axis=1), cost.sum(axis=1)
        trainings[epochs] = Training(*means, Runs(validation, cost))
    return trainings


def _epochs(arrays: Mapping[str, NDArray[Any]], name: str, length: int | None) -> NDArray[np.int64]:
    """An array of numbers of epochs. Raises UserError unless they are 1 or more and ascend."""
    epochs = column(arrays, name, "integers", length)
    if not len(epochs) or epochs[0] < 1 or (np.diff(epochs.astype(np.int64)) <= 0).any():
        raise UserError(f"{name} are {epochs.tolist()}, must be 1 or more in ascending order")
    return epochs.astype(np.int64)
