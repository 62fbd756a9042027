"""Every file format: how to make a small file of it, and how to read it."""

from __future__ import annotations

import json
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import table_arrays
from records import write_official

from nas.benchmarks import Custom
from nas.benchmarks.published.nasbench101 import read_official
from nas.benchmarks.published.nats import read_official as read_nats
from nas.benchmarks.table import read_table
from nas.compat.nasbench import api
from nas.datasets import Cifar, ImageFolder, NpzFile
from nas.encoders.cache import trained
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.search.journal import read_trials
from nas.search.trial import Trial
from nas.spaces import NB101, NB201
from nas.types import Space

SPACE = NB101(max_vertices=4)
NB201_SPACE = NB201()
CELLS = SPACE.enumerate()[::10]
WEIGHTS = {"w": np.arange(30.0).reshape(5, 6), "b": np.ones(4)}

Plain = dict[str, Any]
Make = Callable[[Path], Path]


def table(path: Path, space: Space = SPACE, name: str | None = None) -> Plain:
    columns = read_table(path, space, None, name).columns
    found = {name: getattr(columns, name) for name in ("archs", "test", "validation", "cost", "parameters", "digests")}
    found |= columns.objectives
    for epochs, training in columns.trainings.items():
        found |= {f"{epochs} {name}": values for name, values in vars(training).items() if name != "runs"}
        found |= {f"{epochs} run {name}": values for name, values in vars(training.runs).items()}
    return found


def published(path: Path) -> Plain:
    """All that code for the published library of NAS-Bench-101 can see."""
    nasbench = api.NASBench(path, seed=0)
    return {digest: np.array(repr(nasbench.get_metrics_from_hash(digest))) for digest in nasbench.hash_iterator()}


def records(path: Path) -> Plain:
    """The format does not say how many records there are: a file cut off between two cells is a smaller one."""
    arrays = read_official(path)
    if len(arrays["md5"]) < 3:
        raise UserError("cut off between two cells")
    return arrays


def own(path: Path) -> Plain:
    evaluator = TableEvaluator(Custom(str(path), "valid"), "auto", None, None, None)
    archs = evaluator.space.enumerate()
    values = evaluator.evaluate(evaluator.space.batch(archs)).value
    assert np.isfinite(values).all()
    return {"archs": archs, "values": values}


def images(dataset: Any) -> Plain:
    return dict(vars(dataset.load()))


def history(path: Path) -> Plain:
    return {"trials": np.array([json.dumps(asdict(trial)) for trial in read_trials(path, SPACE, "value")])}


def make_full(folder: Path) -> Path:
    np.savez(folder / "nasbench101.npz", **read_official(make_records(folder)))
    return folder / "nasbench101.npz"


def make_nb201(folder: Path) -> Path:
    """Of one data set and two runs: all 15,625 cells must be there."""
    rng = np.random.default_rng(0)
    arrays = {"ops": NB201_SPACE.from_indices(np.arange(15_625)), "datasets": np.array(["cifar10"])}
    arrays |= {name: rng.random((15_625, 1), dtype=np.float32) for name in ("params_m", "test_acc_200", "val_acc_200")}
    arrays["val_acc_200_runs"] = rng.random((15_625, 1, 2), dtype=np.float32)
    arrays |= {f"c10v_train_time_200{end}": rng.random(shape) for end, shape in (("", 15_625), ("_runs", (15_625, 2)))}
    arrays |= {"hw_columns": np.array(["energy"]), "hw_c10": rng.random((15_625, 1))}
    np.savez(folder / "nasbench201.npz", **arrays)
    return folder / "nasbench201.npz"


def make_reduced(folder: Path) -> Path:
    np.savez_compressed(folder / "nasbench101.npz", **table_arrays(SPACE, CELLS, validated=True))
    return folder / "nasbench101.npz"


def make_records(folder: Path) -> Path:
    return write_official(folder / "a.tfrecord", SPACE, CELLS[:3], (4, 108))


def make_csv(folder: Path) -> Path:
    lines = [f"{a},{b},{0.5 + a / 10 + len(b) / 100}" for a in range(4) for b in ("relu", "gelu", "id")]
    (folder / "a.csv").write_text("a,b,valid\n" + "\n".join(lines) + "\n")
    return folder / "a.csv"


def make_parquet(folder: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    from pyarrow import csv, parquet

    content = csv.read_csv(make_csv(folder))
    assert isinstance(content, pyarrow.Table)
    parquet.write_table(content, folder / "a.parquet", write_page_checksum=True)
    return folder / "a.parquet"


def make_npz(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    parts = {"train": 8, "valid": 4, "test": 4}
    arrays = {f"x_{part}": rng.normal(size=(n, 1, 4, 4)).astype(np.float32) for part, n in parts.items()}
    arrays |= {f"y_{part}": np.arange(n) % 2 for part, n in parts.items()}
    np.savez(folder / "a.npz", **arrays)
    return folder / "a.npz"


def make_cifar(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
            rows = rng.integers(0, 30, size=(2, 3073)).astype(np.uint8)
            rows[:, 0] = 0, 1
            entry = tarfile.TarInfo(name)
            entry.size = rows.size
            tar.addfile(entry, BytesIO(rows.tobytes()))
    return folder / "a.tar.gz"


def make_nats(folder: Path) -> Path:
    pytest.importorskip("nats_bench", reason="needs the package nats_bench")
    import bz2
    import pickle

    run = {"train_times": {0: 1.0}, "train_acc1es": {0: 5.0}, "train_losses": {0: 1.0}, "epochs": 1, "seed": 1}
    run |= {
        "eval_names": ["x-valid", "x-test", "ori-test"],
        "eval_times": {},
        "params": 1.0,
        "flop": 1.0,
        "latency": None,
    }
    run |= {kind: {f"{split}@0": 70.0 for split in run["eval_names"]} for kind in ("eval_acc1es", "eval_losses")}
    names = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
    state = {"all_results": {(name, 1): run for name in names}, "dataset_seed": {name: [1] for name in names}}
    members = {"meta": {"meta_archs": ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"]}}
    with tarfile.open(folder / "a.tar", "w") as tar:
        for stem, value in {**members, "000000": {"12": state, "200": state}}.items():
            content = bz2.compress(pickle.dumps(value))
            entry = tarfile.TarInfo(f"simple/{stem}.pickle.pbz2")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    return folder / "a.tar"


def make_history(folder: Path) -> Path:
    trials = [
        Trial(
            step,
            f"{SPACE.keys(CELLS[step : step + 1])[0]:016x}",
            CELLS[step].tolist(),
            {"value": 0.9},
            None,
            0.5,
            None,
            "random",
        )
        for step in range(5)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(asdict(trial)) + "\n" for trial in trials))
    return folder / "history.jsonl"


def make_weights(folder: Path) -> Path:
    trained("fuzz", lambda: WEIGHTS)
    from nas._paths import cache_folder

    return cache_folder() / "encoders" / "fuzz.safetensors"


def weights(path: Path) -> Plain:
    """What cannot be read is trained anew; copied, since what is loaded may be the file itself, mapped into memory."""
    return {name: array.copy() for name, array in trained("fuzz", lambda: WEIGHTS).items()}


def make_png(folder: Path) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for part in ("train", "valid"):
        for name in ("a", "b"):
            (folder / "images" / part / name).mkdir(parents=True)
            pixels = rng.integers(0, 256, size=(8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / part / name / "0.png")
    return folder / "images/train/a/0.png"


def pictures(path: Path) -> Plain:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return images(ImageFolder(str(path.parents[2]), size=None, channels=1))


# name: how to make a file, how to read it, whether a checksum covers all that is read
FORMATS: dict[str, tuple[Make, Callable[[Path], Plain], bool]] = {
    "full table": (make_full, table, True),
    "full table as the published library has it": (make_full, published, True),
    "NAS-Bench-201 table": (make_nb201, lambda path: table(path, NB201_SPACE, "cifar10"), True),
    "reduced table": (make_reduced, table, True),
    "TFRecords": (make_records, records, True),
    "CSV": (make_csv, own, False),
    "Parquet": (make_parquet, own, False),
    "NumPy data set": (make_npz, lambda path: images(NpzFile(str(path))), True),
    "CIFAR archive": (make_cifar, lambda path: images(Cifar(10, str(path), valid=2)), True),
    "NATS-Bench archive": (make_nats, read_nats, True),
    "history": (make_history, history, False),
    "weights": (make_weights, weights, True),
    "PNG images": (make_png, pictures, True),
}
