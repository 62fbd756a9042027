"""NATS-Bench topology (NAS-Bench-201): from the published archive to the compact format (Dong et al. 2021).

The published files are pickles, which could execute anything. They are unpickled here by a reader that makes plain
containers and numbers only, and then given to the `nats_bench` package to say what they mean.
"""

from __future__ import annotations

import bz2
import io
import pickle
import tarfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

FILE = "nasbench201.npz"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}
_MOST_EPOCHS = 1001
_RUNS = 3  # at most, of any architecture
_SUFFIX = ".pickle.pbz2"
_META = "meta"
_LARGEST = 1 << 28  # bytes that one member may unpack to
_EPOCHS = ("12", "200")
_DAMAGE = OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, tarfile.TarError

Report = Callable[[int], None]
"""Is told, now and then, how many bytes were read."""


def recognised(path: Path) -> bool:
    """Tell whether it is a tar archive, or a folder with the members of one."""
    return (path / f"{_META}{_SUFFIX}").is_file() if path.is_dir() else tarfile.is_tarfile(path)


def read_official(path: Path, report: Report = lambda _: None) -> dict[str, NDArray[Any]]:
    """Read `NATS-tss-v1_0-3ffb9-simple.tar`, or the folder it unpacks to; nothing is unpacked on the disk.

    Args:
        path: the archive or the folder.
        report: told the progress.

    Returns:
        The arrays of the compact format, rows in the official order; see `docs/data.md`.

    Raises:
        UserError: the `nats_bench` package is missing, or the file is damaged, incomplete or holds another thing.
    """
    try:
        from nats_bench.api_utils import ArchResults
    except ImportError as error:
        raise UserError(f"{path} needs the package nats_bench: install it with pip install -e '.[nats]'") from error
    codes: list[list[int]] = []
    cells: dict[int, dict[str, NDArray[np.float64]]] = {}
    try:
        for stem, content in _members(path, report):
            state = _unpickled(content)
            if stem == _META:
                codes = [_codes(name) for name in state["meta_archs"]]
            elif stem.isdigit():
                results = {epochs: ArchResults.create_from_state_dict(state[epochs]) for epochs in _EPOCHS}
                cells[int(stem)] = _figures(results)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is damaged, or no NATS-Bench topology ({reason}): obtain it again") from error
    if not codes or sorted(cells) != list(range(len(codes))):
        raise UserError(f"{path} has {len(cells):,} of {len(codes):,} architectures: it is incomplete, obtain it again")
    rows = [cells[row] for row in range(len(codes))]
    return {
        "ops": np.array(codes, dtype=np.uint8),
        "op_names": np.array(OPERATIONS),
        "datasets": np.array(list(_DATASETS)),
        **{key: np.array([row[key] for row in rows], dtype=np.float32) for key in rows[0]},
    }


def _members(path: Path, report: Report) -> Iterator[tuple[str, bytes]]:
    """Stem and unpacked content of each member."""
    if path.is_dir():
        for number, file in enumerate(sorted(path.glob(f"*{_SUFFIX}"))):
            report(number)
            with file.open("rb") as raw:
                yield file.name.removesuffix(_SUFFIX), _unpacked(raw)
        return
    with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
        for entry in archive:
            name = PurePosixPath(entry.name).name
            member = archive.extractfile(entry) if entry.isfile() and name.endswith(_SUFFIX) else None
            if member is not None:
                report(raw.tell())
                yield name.removesuffix(_SUFFIX), _unpacked(member)


def _unpacked(raw: Any) -> bytes:
    with bz2.BZ2File(raw) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UserError(f"a member unpacks to more than {_LARGEST:,} bytes")
    return content


def _number(dtype: np.dtype[Any], content: bytes) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iufb" or len(content) != dtype.itemsize:
        raise UserError("it holds a NumPy scalar that is no number")
    return np.frombuffer(content, dtype=dtype)[0].item()


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
    ("numpy", "dtype"): np.dtype,
}


class _PlainUnpickler(pickle.Unpickler):
    """Makes containers, texts and numbers, and nothing else: no class or function of a file's choice is ever used."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise UserError(f"it holds {module}.{name}, which is no plain data: refused")
        return _ALLOWED[module, name]


def _unpickled(content: bytes) -> Any:
    try:
        return _PlainUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, UnicodeDecodeError, MemoryError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _figures(results: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """What the table has of one architecture: `(datasets,)`, and `(datasets, runs)` for those of every run."""
    figures: dict[str, NDArray[np.float64]] = {}
    # CIFAR-10 was trained twice: on half of the images to be validated on the others, and on all to be tested
    half = "cifar10-valid"
    validated = [half if name == "cifar10" else name for name in _DATASETS.values()]
    tested = [(name, "ori-test" if name == "cifar10" else "x-test") for name in _DATASETS.values()]
    for epochs, result in results.items():
        if any(run.epochs not in range(1, _MOST_EPOCHS) for run in result.all_results.values()):
            raise UserError(f"a training has not 1..{_MOST_EPOCHS - 1} epochs: is it another file?")
        for part, runs in (
            ("val_acc", [_runs(result, name, "x-valid", "accuracy") for name in validated]),
            ("test_acc", [_runs(result, name, split, "accuracy") for name, split in tested]),
            ("train_time", [_runs(result, name, "train", "all_time") for name in _DATASETS.values()]),
            ("c10v_train_time", _runs(result, half, "train", "all_time")),
        ):
            values = np.array(runs)
            figures[f"{part}_{epochs}"] = _mean(values)
            figures[f"{part}_{epochs}_runs"] = values
    costs = [results[_EPOCHS[-1]].get_compute_costs(name) for name in _DATASETS.values()]
    figures["params_m"] = np.array([cost["params"] for cost in costs], dtype=np.float64)
    return figures


def _runs(result: Any, dataset: str, split: str, figure: str) -> list[float]:
    """The figure of every run in ascending order of its seed; NaN: there is no such run."""
    seeds = sorted(result.get_dataset_seeds(dataset))[:_RUNS]
    found = [result.get_metrics(dataset, split, is_random=int(seed))[figure] for seed in seeds]
    return [np.nan if value is None else float(value) for value in found] + [np.nan] * (_RUNS - len(found))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _codes(name: str) -> list[int]:
    """Codes of the six edges of an architecture string, such as |none~0|+|none~0|none~1|+|none~0|none~1|none~2|."""
    inputs = [part.split("~") for node in name.split("+") for part in node.strip("|").split("|")]
    if [source for _, source in inputs] != ["0", "0", "1", "0", "1", "2"]:
        raise UserError(f"{name!r} is no architecture of NATS-Bench topology")
    for operation, _ in inputs:
        if operation not in OPERATIONS:
            raise UserError(f"{name!r} has the operation {operation!r}, known are {', '.join(OPERATIONS)}")
    return [OPERATIONS.index(operation) for operation, _ in inputs]
