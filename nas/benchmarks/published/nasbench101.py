"""NAS-Bench-101: from the official records to the compact format (Ying et al. 2019)."""

from __future__ import annotations

from array import array
from base64 import b64decode
from collections.abc import Callable
from json import loads
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.nb101 import METRICS, POINTS, arrays_of_cells
from nas.benchmarks.published.records import HEAD, fields, read_records, starts_a_record
from nas.errors import UserError
from nas.spaces.nb101 import OPERATIONS

_EVALUATIONS = 3  # of a run: before its first step, halfway, at its end
_MEASURED = len(POINTS) * len(METRICS)
_BLOCK = 1 << 16  # records whose numbers are made an array at once
_NOT_SET = (0.0,) * len(METRICS)
_SIZES = {size * size: size for size in range(2, 8)}
_NAMES = frozenset(OPERATIONS)

FILE = "nasbench101.npz"

Report = Callable[[int], None]
"""Is told, now and then, how many bytes were read."""


def recognised(path: Path) -> bool:
    """Tell whether the file is one of TFRecords."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return starts_a_record(file.read(HEAD))


def read_official(path: Path, report: Report = lambda _: None) -> dict[str, NDArray[Any]]:
    """Read an official file into the arrays of the compact format; see `docs/data.md`.

    Records are read one at a time: the memory needed is little more than that of the arrays.

    Args:
        path: `nasbench_only108.tfrecord`, `nasbench_full.tfrecord`, or one in their format.
        report: told the progress.

    Returns:
        The arrays, rows in ascending order of the module hash, runs in the order of the file.

    Raises:
        UserError: the file cannot be read or is damaged, a record is not one of NAS-Bench-101 or contradicts another,
            or cells differ in the epochs or the number of runs they have.
    """
    reader = _Reader()
    try:
        with path.open("rb") as file:
            for number, record in enumerate(read_records(file, path)):
                try:
                    reader.add(record)
                except (ValueError, TypeError, OverflowError, RecursionError) as error:
                    raise UserError(f"record {number} of {path} is none of NAS-Bench-101: {error}") from error
                if number % 4096 == 0:
                    report(file.tell())
            report(file.tell())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    try:
        return reader.arrays()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


class _Reader:
    """Takes records in, gives arrays out."""

    def __init__(self) -> None:
        self._cells: dict[str, tuple[int, str, str, int]] = {}  # hash: row, adjacency, operations, parameters
        self._rows, self._epochs = array("i"), array("i")
        self._measured = array("d")  # of the last records
        self._blocks: list[NDArray[np.floating[Any]]] = []  # of those before

    def add(self, record: bytes) -> None:
        """Take in one record: one run of one cell for some epochs."""
        entries = loads(record)
        if not isinstance(entries, list) or len(entries) != 5:
            raise ValueError("not a list of five")
        digest, epochs, adjacency, operations, encoded = entries
        if not isinstance(epochs, int) or isinstance(epochs, bool) or not 0 < epochs < 1 << 31:
            raise ValueError(f"epochs are {epochs!r}")
        parameters, measured = _metrics(b64decode(encoded, validate=True))
        known = self._cells.get(digest)
        if known is None:
            _check_cell(digest, adjacency, operations)
            # there are few different texts, and none is kept twice
            known = self._cells[digest] = len(self._cells), intern(adjacency), intern(operations), parameters
        elif known[1:] != (adjacency, operations, parameters):
            raise ValueError(f"it describes {digest} in another way than an earlier one")
        self._rows.append(known[0])
        self._epochs.append(epochs)
        self._measured.extend(measured)
        if len(self._measured) >= _BLOCK * _MEASURED:
            self._finish_block()

    def _finish_block(self) -> None:
        self._blocks.append(_short(np.array(self._measured).reshape(-1, _MEASURED)))
        del self._measured[:]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of all that was taken in."""
        if not self._cells:
            raise UserError("it holds no records")
        digests = sorted(self._cells)
        cells = [self._cells[digest] for digest in digests]
        rank = np.empty(len(cells), dtype=np.int64)
        rank[[cell[0] for cell in cells]] = np.arange(len(cells))
        budgets, place = np.unique(np.frombuffer(self._epochs, dtype=np.int32), return_inverse=True)
        group = rank[np.frombuffer(self._rows, dtype=np.int32)] * len(budgets) + place
        counts = np.bincount(group, minlength=len(cells) * len(budgets))
        for wrong in np.flatnonzero(counts != counts[0])[:1]:
            digest, epochs = digests[wrong // len(budgets)], budgets[wrong % len(budgets)]
            raise UserError(
                f"{digest} has {counts[wrong]} runs of {epochs} epochs, but {digests[0]} {counts[0]} of {budgets[0]}: "
                f"every cell must have as many"
            )
        order = np.argsort(group, kind="stable")
        self._finish_block()
        operations = {names: names.split(",") for names in {cell[2] for cell in cells}}
        result = arrays_of_cells(
            [cell[1] for cell in cells], [operations[cell[2]] for cell in cells], [cell[3] for cell in cells], digests
        )
        result["epochs"] = budgets.astype(np.int32)
        names = [f"{point}_{metric}" for point in POINTS for metric in METRICS]
        for column, name in enumerate(names):
            values = np.concatenate([block[:, column] for block in self._blocks])[order]
            result[name] = _short(values.reshape(len(cells), len(budgets), int(counts[0])))
        return result


def _short(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The values as float32 if that holds all of them exactly."""
    short = values.astype(np.float32)
    return short if np.array_equal(short, values) else values


def _check_cell(digest: Any, adjacency: Any, operations: Any) -> None:
    if not (isinstance(digest, str) and isinstance(adjacency, str) and isinstance(operations, str)):
        raise ValueError("hash, adjacency and operations must be texts")
    if len(digest) != 32 or bytes.fromhex(digest).hex() != digest:
        raise ValueError(f"{digest!r} is no module hash")
    size = _SIZES.get(len(adjacency), 0)
    if not size or set(adjacency) - {"0", "1"}:
        raise ValueError(f"{adjacency!r} is no adjacency matrix of 2..7 vertices")
    if any("1" in adjacency[row * size : row * size + row + 1] for row in range(size)):
        raise ValueError(f"{adjacency!r} is not above the diagonal")
    first, *inner, last = operations.split(",") if "," in operations else ("", "")
    if (first, last) != ("input", "output") or len(inner) != size - 2 or not _NAMES.issuperset(inner):
        raise ValueError(f"{operations!r} are no operations of {size} vertices")


def _metrics(message: bytes) -> tuple[int, tuple[float, ...]]:
    """Trainable parameters; then seconds, train, validation and test accuracy halfway and at the end."""
    parameters, evaluations = 0, []
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            evaluations.append(value)
        elif number == 2 and isinstance(value, int):
            parameters = value
    if len(evaluations) != _EVALUATIONS or not 0 < parameters < 1 << 31:
        raise ValueError(f"{len(evaluations)} evaluations and {parameters} parameters")
    return parameters, _evaluation(evaluations[1]) + _evaluation(evaluations[2])


def _evaluation(message: bytes) -> tuple[float, ...]:
    seconds, train, validation, test = _NOT_SET
    for number, value in fields(message):
        if isinstance(value, float):
            if number == 2:
                seconds = value
            elif number == 3:
                train = value
            elif number == 4:
                validation = value
            elif number == 5:
                test = value
    if not (0 <= seconds < 1e9 and 0 <= train <= 1 and 0 <= validation <= 1 and 0 <= test <= 1):
        raise ValueError(f"seconds {seconds} or accuracies {train}, {validation}, {test} are out of range")
    return seconds, train, validation, test
