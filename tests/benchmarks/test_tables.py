from __future__ import annotations

import struct
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile

import numpy as np
import pytest
from helpers import accuracy, table_arrays

from nas.benchmarks.table import read_table
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB101

SPACE = NB101(max_vertices=4)
CELLS = SPACE.enumerate()


def write(folder: Path, **changes) -> Path:
    arrays = {**table_arrays(SPACE, CELLS), **changes}
    path = folder / "nasbench101.npz"
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def changed(name: str, row: int, value) -> dict:
    array = table_arrays(SPACE, CELLS)[name].copy()
    array[row] = value
    return {name: array}


def trained(**changes: np.ndarray) -> dict:
    names = ("validation_accuracy", "test_accuracy", "training_time")
    return {"epochs": np.array([12, 108]), **{f"final_{name}": np.ones((91, 2, 3)) for name in names}, **changes}


def doubled() -> dict:
    arrays = table_arrays(SPACE, CELLS)
    names = ("num_vertices", "adj_bits", "ops", "params", "test_acc_108", "md5")
    return {name: np.append(arrays[name], arrays[name][:1], axis=0) for name in names}


def test_rows_are_found_by_key_in_any_order(tmp_path: Path) -> None:
    table = read_table(write(tmp_path), SPACE)
    archs = CELLS[np.random.default_rng(0).permutation(len(CELLS))]
    assert table.columns.test[table.rows(SPACE.keys(archs))] == pytest.approx(accuracy(SPACE, archs), abs=1e-6)
    with pytest.raises(KeyError, match="ffffffffffffffff"):
        table.rows(np.array([2**64 - 1], dtype=np.uint64))


def test_the_signal_is_validation_only_where_every_cell_has_it(tmp_path: Path) -> None:
    part = TableEvaluator(SPACE, "auto", str(write(tmp_path)), None, None)
    assert part.identity()["signal"] == "test_mean"
    path = tmp_path / "whole.npz"
    np.savez(path, **table_arrays(SPACE, CELLS, validated=True))
    whole = TableEvaluator(SPACE, "auto", str(path), None, None)
    assert whole.identity()["signal"] == "validation"
    assert whole.evaluate(SPACE.batch(CELLS)).value == pytest.approx(whole.test(SPACE.batch(CELLS)) - 0.02, abs=1e-6)
    assert TableEvaluator(SPACE, "auto", str(path), "test_mean", None).evaluate(
        SPACE.batch(CELLS)
    ).value == pytest.approx(whole.test(SPACE.batch(CELLS)))
    with pytest.raises(UserError, match="signal is 'validation', but .* only test_mean"):
        TableEvaluator(SPACE, "auto", str(write(tmp_path)), "validation", None)


def test_cost_is_nan_where_the_table_lacks_it(tmp_path: Path) -> None:
    cost = TableEvaluator(SPACE, "auto", str(write(tmp_path)), None, None).evaluate(SPACE.batch(CELLS)).seconds
    assert (np.isnan(cost)).sum() == len(CELLS) - 20
    assert set(cost[~np.isnan(cost)]) == {100.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adj_bits": None}, "has no array 'adj_bits'"),
        ({"adj_bits": np.zeros(3, dtype=np.uint32)}, "do not fit together"),
        ({"test_acc_108": np.zeros(3)}, r"test has shape \(3,\), expected \(91,\)"),
        ({"ops": np.full((91, 7), "x")}, r"ops is <U1 of shape \(91, 7\), must be integers of shape \(91, 7\)"),
        ({"params": np.zeros(91)}, r"params is float64 of shape \(91,\), must be integers of shape \(n\)"),
        ({"params": np.full(91, -1)}, "parameters of row 0 is -1, must be 0 or more"),
        ({"test_acc_108": np.array([{}] * 91)}, "plain arrays"),
        ({"val_row": np.arange(20) + 10**6}, "val_row must be different rows of 0..90"),
        (changed("test_acc_108", 5, np.nan), "test of row 5 is nan, must be an accuracy in 0..1"),
        (changed("test_acc_108", 5, 93.0), "test of row 5 is 93.0"),
        (changed("train_time_108_1run", 3, -1.0), "cost of row 3 is -1.0"),
        (changed("num_vertices", 7, 6), "row 7 has 6 vertices, the space at most 4"),
        (changed("ops", 90, 9), "gene 'op1' is 9"),
        ({"ops": np.full((91, 7), 256)}, "ops of row 0 is 256, must be 0..255"),
        ({"ops": np.full((91, 7), -1)}, "ops of row 0 is -1, must be 0..255"),
        ({"adj_bits": np.full(91, 2**32 + 1)}, "adj_bits of row 0 is 4294967297, must be 0..2097151"),
        ({"md5": np.full((91, 16), 256)}, "md5 of row 0 is 256"),
        ({"val_row": np.full(20, 3)}, r"val_row must be different rows of 0..90"),
        ({"val_row": np.arange(20) - 1}, r"val_row must be different rows of 0..90"),
        ({"epochs": np.array([108, 12])}, r"epochs are \[108, 12\], must be 1 or more in ascending order"),
        ({"epochs": np.array([12, 12])}, r"epochs are \[12, 12\], must be"),
        ({"epochs": np.array([0, 12])}, r"epochs are \[0, 12\], must be"),
        (trained(halfway_test_accuracy=np.full((91, 2, 3), 1.5)), "halfway_test_accuracy of row 0 is 1.5, must be"),
        (trained(halfway_training_time=np.full((91, 2, 3), -1.0)), "halfway_training_time of row 0 is -1.0, must be"),
        (trained(final_train_accuracy=np.full((91, 2, 3), np.nan)), "final_train_accuracy of row 0 is nan, must be"),
        (trained(final_train_accuracy=np.ones((91, 2, 2))), r"final_train_accuracy is float64 of shape \(91, 2, 2\)"),
        (trained(halfway_train_accuracy=np.ones((91, 2, 3), int)), "halfway_train_accuracy is int64 of shape"),
        (changed("adj_bits", 90, 0), "architecture 90 .* is out of the space"),
        (changed("md5", 90, 0), f"row 90 is said to hash to {'00' * 16}, but hashes to"),
        (doubled(), "rows 0 and 91 are the same network"),
        ({"md5": np.zeros((4, 16), dtype=np.uint8)}, "there are 4 hashes for 91 rows"),
    ],
)
def test_tables_that_say_something_impossible_are_refused(changes, message, tmp_path: Path) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(UserError, match=message) as caught:
        read_table(path, SPACE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1000] + bytes(1000),
        lambda content: content[:3000] + bytes([content[3000] ^ 255]) + content[3001:],
        lambda _: b"",
        lambda _: b"not an archive at all",
        lambda _: b"\x93NUMPY\x01\x00",
    ],
)
def test_damaged_files_are_refused(damage, tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="obtain the file again"):
        read_table(path, SPACE)


def test_a_single_array_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "nasbench101.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match="no NumPy archive"):
        read_table(path, SPACE)


def test_another_digest_than_expected_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    digest = read_table(path, SPACE).sha256
    assert len(read_table(path, SPACE, digest.upper())) == 91
    with pytest.raises(UserError, match=f"has SHA-256 {digest}, expected 00"):
        read_table(path, SPACE, "00")


def test_the_file_is_found_by_path_then_data_folder_then_cache(tmp_path: Path, monkeypatch) -> None:
    for name in ("given", "data", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("NAS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"nasbench101.npz in .*data or .*cache: name the file with evaluator.path"):
        TableEvaluator(SPACE, "cifar10", None, None, None)
    for place, name in enumerate(("cache", "data", "given")):
        path = write(tmp_path / name, params=np.full(91, place, dtype=np.int32))
        explicit = str(path) if name == "given" else None
        evaluator = TableEvaluator(SPACE, "cifar10", explicit, None, None)
        assert evaluator.identity()["sha256"] == read_table(path, SPACE).sha256
        assert evaluator.identity()["table"] == "cifar10"
    with pytest.raises(UserError, match="no benchmark table at elsewhere"):
        TableEvaluator(SPACE, "auto", "elsewhere", None, None)
    with pytest.raises(UserError, match=r"no table 'svhn', set table \(or dataset\) to .*: cifar10, digits"):
        TableEvaluator(SPACE, "svhn", None, None, None)


def test_the_space_follows_the_table(tmp_path: Path) -> None:
    evaluator = TableEvaluator(NB101(max_vertices=7, max_edges=6), "auto", str(write(tmp_path)), None, None)
    assert repr(evaluator.space) == "NB101(max_vertices=4, max_edges=6)"
    assert (np.sort(evaluator.space.keys(CELLS)) == SPACE.keys(CELLS)).all()


def test_the_reference_is_the_whole_table(tmp_path: Path) -> None:
    reference = TableEvaluator(SPACE, "auto", str(write(tmp_path)), None, None).reference()
    assert np.sort(reference.signal) == pytest.approx(np.sort(accuracy(SPACE, CELLS)), abs=1e-6)
    assert (reference.test == reference.signal).all()


def archive(path: Path, members: list[tuple[str, bytes]], compression: int = 0) -> Path:
    with ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def array_with_header(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize("header", [b"{'descr': '<f8', 'shape': (3,", b"(", b"'''", b"{'descr': 3}\n"])
def test_an_array_whose_header_is_damaged_is_refused(header: bytes, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", [("a.npy", array_with_header(header))])
    with pytest.raises(UserError, match="obtain the file again"):
        read_table(path, SPACE)


def test_damage_within_another_compression_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", [("a.npy", bytes(range(256)) * 40)], ZIP_LZMA)
    content = path.read_bytes()
    path.write_bytes(content[:44] + bytes([255] * 40) + content[84:])
    with pytest.raises(UserError, match="obtain the file again"):
        read_table(path, SPACE)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a.npy", "a"])
def test_two_arrays_of_the_same_name_are_refused(second: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    content = (tmp_path / "a.npy").read_bytes()
    path = archive(tmp_path / "a.npz", [("a.npy", content), (second, content)])
    with pytest.raises(UserError, match="two arrays have the same name"):
        read_table(path, SPACE)


def test_a_part_of_a_space_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    arrays = table_arrays(SPACE, CELLS[::2], validated=True)
    np.savez(tmp_path / "part.npz", **arrays)
    with pytest.raises(UserError, match=r"part.npz has 46 of the 91 architectures of the space, 45 are missing"):
        TableEvaluator(SPACE, "auto", str(tmp_path / "part.npz"), None, None)


def test_a_table_that_its_file_name_contradicts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert TableEvaluator(SPACE, "cifar10", str(path), None, None).identity()["table"] == "cifar10"
    with pytest.raises(UserError, match=r"is 'digits', but .*nasbench101.npz is the table of cifar10: choose one"):
        TableEvaluator(SPACE, "digits", str(path), None, None)
    other = path.rename(tmp_path / "other.npz")
    assert TableEvaluator(SPACE, "digits", str(other), None, None).identity()["table"] == "digits"
    assert TableEvaluator(SPACE, "auto", str(other), None, None).identity()["table"] == "other.npz"
