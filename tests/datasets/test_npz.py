from __future__ import annotations

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
        ({"x_train": np.zeros((8, 5, 5, 3))}, r"looks like \(n, height, width, channels\), .*x_train\.transpose\("),
        ({"x_train": np.full((8, 3, 5, 5), "a")}, r"x_train is <U1"),
        ({"x_train": np.full((8, 3, 5, 5), np.nan)}, r"x_train\[0\] holds NaN"),
        ({"x_valid": np.full((4, 3, 5, 5), 1e300)}, r"x_valid\[0\] holds NaN or infinity"),
        ({"y_train": np.linspace(0, 1, 8)}, r"y_train is float64 \(8,\), must be integers"),
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
