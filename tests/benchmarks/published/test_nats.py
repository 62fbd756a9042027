"""The importer of NATS-Bench on an archive that the tests write with the package's own classes."""

from __future__ import annotations

import bz2
import os
import pickle
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from nas.benchmarks.published.conversion import convert
from nas.benchmarks.published.nats import OPERATIONS, read_official
from nas.benchmarks.table import read_table
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB201

utils = pytest.importorskip("nats_bench.api_utils", reason="needs the package nats_bench")

NAMES = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
]
SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
SEEDS = {0: (777, 888, 999), 1: (777,), 2: (888, 777)}


def accuracy(cell: int, dataset: str, split: str, seed: int, epochs: int) -> float:
    return 10.0 * (cell + 1) + len(dataset) + len(split) / 8 + seed / 100 + epochs / 1000


def state(cell: int, epochs: int) -> dict:
    results = utils.ArchResults(cell, NAMES[cell])
    for dataset, splits in SPLITS.items():
        for seed in SEEDS[cell]:
            config = {"channel": 16, "num_cells": 5, "arch_str": NAMES[cell], "class_num": 10}
            curve = dict.fromkeys(range(epochs), 50.0)
            params = np.float64(0.5 + cell + len(dataset))
            run = utils.ResultsCount(dataset, None, curve, curve, params, 12.5, config, seed, epochs, None)
            run.update_train_info(curve, curve, curve, {epoch: 2.0 + len(dataset) for epoch in range(epochs)})
            keys = [(split, epoch) for split in splits for epoch in range(epochs)]
            accuracies = {f"{s}@{e}": accuracy(cell, dataset, s, seed, e + 1) for s, e in keys}
            rest = {f"{s}@{e}": 1.0 for s, e in keys}
            run.update_eval(accuracies, rest, rest)
            results.update(dataset, seed, run)
    return results.state_dict()


def members() -> dict[str, object]:
    cells = {f"{row:06d}": {f"{epochs}": state(row, epochs) for epochs in (12, 200)} for row in range(len(NAMES))}
    return {"meta": {"meta_archs": NAMES, "evaluated_indexes": [0, 1, 2]}, **cells}


def archive(path: Path, content: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as tar:
        for stem, value in content.items():
            packed = bz2.compress(value if isinstance(value, bytes) else pickle.dumps(value, protocol=4))
            entry = tarfile.TarInfo(f"NATS-tss-v1_0-3ffb9-simple/{stem}.pickle.pbz2")
            entry.size = len(packed)
            tar.addfile(entry, BytesIO(packed))
    return path


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("nats") / "simple.tar", members())


def test_the_figures_of_every_data_set_and_run_arrive(official: Path) -> None:
    arrays = read_official(official)
    assert arrays["datasets"].tolist() == ["cifar10", "cifar100", "imagenet16-120"]
    assert [OPERATIONS[code] for code in arrays["ops"][0]] == [
        "avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_1x1", "skip_connect", "skip_connect",
    ]  # fmt: skip
    trained = {
        "val": ("cifar10-valid", "cifar100", "ImageNet16-120"),
        "test": ("cifar10", "cifar100", "ImageNet16-120"),
    }
    for epochs in (12, 200):
        for cell, seeds in SEEDS.items():
            for part, names in trained.items():
                for place, name in enumerate(names):
                    split = "x-valid" if part == "val" else "ori-test" if name == "cifar10" else "x-test"
                    wanted = [accuracy(cell, name, split, seed, epochs) for seed in sorted(seeds)]
                    got = arrays[f"{part}_acc_{epochs}_runs"][cell, place]
                    assert got[: len(wanted)] == pytest.approx(wanted, rel=1e-6)
                    assert np.isnan(got[len(wanted) :]).all()
                    assert arrays[f"{part}_acc_{epochs}"][cell, place] == pytest.approx(np.mean(wanted), rel=1e-6)
            seconds = [epochs * (2 + len(name)) for name in trained["test"]]
            assert arrays[f"train_time_{epochs}"][cell].tolist() == seconds
            halves = epochs * (2 + len("cifar10-valid"))
            assert arrays[f"c10v_train_time_{epochs}"][cell] == halves
            assert arrays[f"c10v_train_time_{epochs}_runs"][cell][: len(seeds)].tolist() == [halves] * len(seeds)
            assert np.isnan(arrays[f"c10v_train_time_{epochs}_runs"][cell][len(seeds) :]).all()
    assert arrays["params_m"][1].tolist() == [1.5 + len(name) for name in trained["test"]]


def test_it_has_the_arrays_of_the_table_it_generalises(official: Path, real_nb201: Path) -> None:
    arrays = read_official(official)
    with np.load(real_nb201) as table:
        for name in ("ops", "val_acc_200", "test_acc_200", "val_acc_12", "test_acc_12", "train_time_200", "params_m"):
            assert arrays[name].dtype == table[name].dtype
            assert arrays[name].shape[1:] == (6 if name == "ops" else 3,)
        assert arrays["op_names"].tolist() == table["op_names"].tolist()
        assert arrays["datasets"].tolist()[:2] == table["datasets"].tolist()


def test_a_folder_is_read_like_the_archive_it_came_from(official: Path, tmp_path: Path) -> None:
    for stem, value in members().items():
        (tmp_path / f"{stem}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(value)))
    ours, theirs = read_official(tmp_path), read_official(official)
    assert all(np.array_equal(ours[name], theirs[name], equal_nan=ours[name].dtype.kind == "f") for name in theirs)


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize("stem", ["meta", "000001"])
def test_a_pickle_that_would_execute_something_is_refused(stem: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = archive(tmp_path / "a.tar", {**members(), stem: {"meta_archs": Evil(), "12": Evil()}})
    with pytest.raises(UserError, match=r"holds (posix|nt)\.system, which is no plain data: refused"):
        read_official(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"000002": None}, "has 2 of 3 architectures"),
        ({"meta": None}, "has 3 of 0 architectures"),
        ({"meta": {"meta_archs": []}, **dict.fromkeys(("000000", "000001", "000002"))}, "has 0 of 0 architectures"),
        ({"meta": {"meta_archs": [None, *NAMES[1:]]}}, "is damaged, or no NATS-Bench topology"),
        ({"meta": {"meta_archs": ["none", *NAMES[1:]]}}, "is damaged, or no NATS-Bench topology"),
        ({"meta": {"meta_archs": ["|none~0|+|none~1|", *NAMES[1:]]}}, "is no architecture of NATS-Bench topology"),
        ({"meta": {"meta_archs": [NAMES[0].replace("avg_pool", "max_pool"), *NAMES[1:]]}}, "has the operation 'max_"),
        ({"000001": {"12": {}}}, "is damaged, or no NATS-Bench topology"),
        ({"000001": b"no pickle"}, "is damaged, or no NATS-Bench topology"),
        ({"000001": b""}, "is damaged, or no NATS-Bench topology"),
        ({"000001": b"Pname\n."}, "is damaged, or no NATS-Bench topology"),
    ],
)
def test_an_archive_that_is_not_whole_is_refused(content: dict, message: str, tmp_path: Path) -> None:
    kept = {stem: value for stem, value in {**members(), **content}.items() if value is not None}
    with pytest.raises(UserError, match=message) as caught:
        read_official(archive(tmp_path / "a.tar", kept))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("part", "wrong"), [pytest.param("flop", 10**400, id="flop"), ("latency", [])])
def test_numbers_that_are_none_are_refused(part: str, wrong: object, tmp_path: Path) -> None:
    content: dict = members()
    for run in content["000001"]["200"]["all_results"].values():
        run[part] = wrong
    with pytest.raises(UserError, match="is damaged, or no NATS-Bench topology"):
        read_official(archive(tmp_path / "a.tar", content))


def test_nothing_is_unpacked_onto_the_disk(official: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("../escaped.pickle.pbz2", "/tmp/escaped.pickle.pbz2", "link.pickle.pbz2"):
            entry = tarfile.TarInfo(name)
            if name.startswith("link"):
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(entry, BytesIO())
    with pytest.raises(UserError, match=r"a\.tar"):
        read_official(tmp_path / "a.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    assert not (tmp_path.parent / "escaped.pickle.pbz2").exists()


def test_a_part_of_the_benchmark_is_not_converted(official: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ops are not those of the 15,625 cells in the official order"):
        convert(official, tmp_path / "mine.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_whole_benchmark_becomes_a_table_that_a_search_can_see(tmp_path: Path) -> None:
    space = NB201()
    cells = space.from_indices(np.arange(15_625))
    content: dict[str, object] = {"meta": {"meta_archs": space.strings(cells)}}
    results = pickle.loads(pickle.dumps(state(0, 1)))
    for row in range(len(cells)):
        for seed in SEEDS[0]:
            results["all_results"]["cifar100", seed]["eval_acc1es"]["x-valid@0"] = row % 90 + 0.5
        content[f"{row:06d}"] = pickle.dumps({"12": results, "200": results})
    out = convert(archive(tmp_path / "simple.tar", content), tmp_path / "nasbench201.npz")
    table = read_table(out, space, None, "cifar100")
    assert len(table) == 5_044
    arrays = np.load(out)
    assert (arrays["ops"] == cells).all()
    for epochs in (12, None):
        run = TableEvaluator(space, "cifar100", str(out), None, None, epochs=epochs)
        assert run.identity()["signal"] == "validation_run"
        rows = space.indices(table.columns.archs)
        assert run.evaluate(space.batch(table.columns.archs)).value == pytest.approx((rows % 90 + 0.5) / 100)
    assert arrays["val_acc_200_runs"][:, 1, 0].tolist() == [row % 90 + 0.5 for row in range(len(cells))]


def test_without_the_package_it_says_what_to_install(official: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['nats_bench'] = None\n"
        "from nas.data.__main__ import main\n"
        f"sys.exit(main(['convert', {str(official)!r}, '--out', 'never.npz']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs the package nats_bench: install it with pip install -e '.[nats]'" in done.stderr
