from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.datasets import NpzFile
from nas.errors import UserError


@pytest.fixture
def arrays() -> dict[str, NDArray]:
    rng = np.random.default_rng(0)
    result: dict[str, NDArray] = {}
    for part, n in (("train", 8), ("valid", 4), ("test", 3)):
        result[f"x_{part}"] = rng.integers(0, 256, size=(n, 3, 5, 5)).astype(np.uint8)
        result[f"y_{part}"] = (np.arange(n) % 2).astype(np.uint8)
    return result


def saved(folder: Path, arrays: dict[str, NDArray]) -> NpzFile:
    np.savez(folder / "set.npz", **arrays)
    return NpzFile(str(folder / "set.npz"))


def test_integers_are_read_and_standardised(tmp_path: Path, arrays: dict[str, NDArray]) -> None:
    images = saved(tmp_path, arrays).load()
    assert images.x_train.shape == (8, 3, 5, 5)
    assert images.y_test.tolist() == [0, 1, 0]
    np.testing.assert_allclose(images.x_train.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_test_part_and_channels_may_be_left_out(tmp_path: Path, arrays: dict[str, NDArray]) -> None:
    kept = {name: array[:, 0] if name[0] == "x" else array for name, array in arrays.items() if "test" not in name}
    images = saved(tmp_path, kept).load()
    assert images.x_valid.shape == (4, 1, 5, 5)
    assert images.x_test.shape == (0, 1, 5, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_valid": None}, "has no array 'y_valid', only x_train"),
        ({"y_test": None}, "has no array 'y_test'"),
        ({"x_train": np.zeros((8, 5))}, r"x_train is float64 \(8, 5\), must be integers or floats of shape"),
        ({"x_train": np.zeros((8, 5, 5, 3))}, r"looks like \(n, height, width, channels\), .*dataset\.layout="),
        ({"x_train": np.full((8, 3, 5, 5), "a")}, r"x_train is <U1"),
        ({"x_train": np.full((8, 3, 5, 5), np.nan)}, r"x_train\[0\] holds NaN"),
        ({"x_valid": np.full((4, 3, 5, 5), 1e300)}, r"x_valid\[0\] holds NaN or infinity"),
        (
            {"y_train": np.linspace(0, 1, 8)},
            r"y_train is float64 \(8,\), must be integers or names .*dataset\.target=value",
        ),
        ({"x_train": np.zeros((0, 3, 5, 5))}, "x_train has 0 images, but y_train 8 labels"),
        ({"x_valid": np.zeros((4, 1, 5, 5))}, r"x_valid has images of shape \(1, 5, 5\), but x_train of \(3, 5, 5\)"),
        ({"y_valid": np.array([0, 1, 0, 7])}, r"y_valid\[3\] is 7, must be 0\.\.1"),
    ],
)
def test_a_fault_is_one_line_that_names_the_file(
    tmp_path: Path, arrays: dict[str, NDArray], changes: dict[str, NDArray | None], message: str
) -> None:
    changed = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    with pytest.raises(UserError, match=message) as raised:
        saved(tmp_path, changed).load()
    assert "set.npz" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_damaged_and_dangerous_files_are_refused(tmp_path: Path, arrays: dict[str, NDArray]) -> None:
    with pytest.raises(UserError, match="no data set at .*dataset.path=FILE"):
        NpzFile(str(tmp_path / "absent.npz")).load()
    dataset = saved(tmp_path, arrays)
    content = Path(dataset.path).read_bytes()
    for damaged in (b"", b"text", content[: len(content) // 2]):
        Path(dataset.path).write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or no NumPy archive"):
            dataset.load()
    with pytest.raises(UserError, match="damaged or no NumPy archive"):
        saved(tmp_path, {**arrays, "x_train": np.array([print], dtype=object)}).load()


@pytest.mark.parametrize("shape", [(16, 24, 3), (16, 16, 13), (100, 1, 22), (8, 8, 8)])
def test_a_layout_is_never_guessed(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.integers(0, 256, (6, *shape)).astype(np.uint8) for part in ("train", "valid")}
    arrays |= {f"y_{part}": np.arange(6) % 2 for part in ("train", "valid")}
    dataset = saved(tmp_path, arrays)
    with pytest.raises(UserError, match=r"looks like \(n, height, width, channels\), .*dataset\.layout=channels_last"):
        dataset.load()
    last = replace(dataset, layout="channels_last").load()
    assert last.x_train.shape == (6, shape[2], shape[0], shape[1])
    assert replace(dataset, layout="channels_first").load().x_train.shape == (6, *shape)
    pixel = arrays["x_train"][4, 1, 0, 2].astype(np.float32)
    assert last.pixels is not None
    assert last.x_train[4, 2, 1, 0] == pytest.approx((pixel - last.pixels.mean[2]) / last.pixels.deviation[2], rel=1e-4)


def test_one_part_is_split_and_names_are_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8), np.array(["no", "yes"])[np.arange(40) % 2]
    np.savez(tmp_path / "one.npz", x=x, y=y)
    images = NpzFile(str(tmp_path / "one.npz"), split=(0.25, 0.1)).load()
    assert images.names == ("no", "yes")
    assert [len(images.part(part)[1]) for part in ("train", "valid", "test")] == [26, 10, 4]
    np.savez(tmp_path / "two.npz", x=x, y=np.arange(40) % 2, classes=np.array(["no", "yes"]))
    assert NpzFile(str(tmp_path / "two.npz"), split=(0.25, 0.1)).load().digest == images.digest
    np.savez(tmp_path / "three.npz", x=x, y=np.arange(40) % 2, classes=np.array(["no", "no"]))
    with pytest.raises(UserError, match="must be different names"):
        NpzFile(str(tmp_path / "three.npz"), split=0.25).load()


def test_values_are_learned_where_they_are_asked_for(tmp_path: Path, arrays: dict[str, NDArray]) -> None:
    arrays["y_train"] = np.linspace(10, 20, 8)
    with pytest.raises(UserError, match=r"dataset\.target=value"):
        saved(tmp_path, arrays).load()
    images = replace(saved(tmp_path, arrays), target="value").load()
    assert images.values is not None
    assert images.y_train.std() == pytest.approx(1, abs=1e-5)
    assert images.values.mean[0] == pytest.approx(15)
    arrays["y_train"][:] = 3
    with pytest.raises(UserError, match="y_train holds the value 3"):
        replace(saved(tmp_path, arrays), target="value").load()
    arrays["y_train"] = np.linspace(0, 1, 8)
    arrays["y_valid"] = np.array([0, np.inf, 0, 0])
    with pytest.raises(UserError, match=r"y_valid\[1\] is inf, must be finite"):
        replace(saved(tmp_path, arrays), target="value").load()


def test_parts_in_different_units_are_refused(tmp_path: Path, arrays: dict[str, NDArray]) -> None:
    arrays["x_valid"] = arrays["x_valid"] / 255
    with pytest.raises(UserError, match=r"the valid images are within 0.*, those to train on .*: store all parts"):
        saved(tmp_path, arrays).load()
