from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nas.datasets import Images
from nas.datasets.base import standardised
from nas.errors import UserError


@pytest.fixture
def images() -> Images:
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=(n, 1, 4, 4)).astype(np.float32) for n in (8, 4, 4)]
    return Images.of(drawn, [np.arange(n) % 2 for n in (8, 4, 4)])


def test_classes_and_digest_follow_from_the_content(images: Images) -> None:
    assert images.classes == 2
    assert images.digest == replace(images).digest
    assert images.digest != replace(images, y_valid=images.y_valid[::-1].copy()).digest


def wrong(images: Images) -> dict[str, tuple[dict[str, Any], str]]:
    nan = images.x_valid.copy()
    nan[2, 0, 1, 1] = np.nan
    return {
        "type": ({"x_train": images.x_train.astype(np.float64)}, r"x_train is float64 .*must be float32 of shape"),
        "dimensions": ({"x_valid": images.x_valid[:, 0]}, r"x_valid is float32 \(4, 4, 4\), must be"),
        "label type": ({"y_train": images.y_train.astype(np.float64)}, r"y_train is float64 \(8,\), must be int64"),
        "no array": ({"y_test": None}, "y_test is NoneType"),
        "lengths": ({"y_test": images.y_test[1:]}, "x_test has 4 images, but y_test 3 labels"),
        "empty": ({"x_valid": images.x_valid[:0], "y_valid": images.y_valid[:0]}, "x_valid is empty"),
        "no pixels": ({"x_train": images.x_train[:, :, :0]}, r"x_train has images of shape \(1, 0, 4\)"),
        "shapes": ({"x_test": images.x_test[:, :, :3]}, r"x_test has images of shape \(1, 3, 4\), but x_train of"),
        "nan": ({"x_valid": nan}, r"x_valid\[2\] holds NaN or infinity"),
        "one class": ({"y_train": np.zeros(8, dtype=np.int64)}, "y_train holds the class 0 only"),
        "gap": ({"y_train": images.y_train * 2}, r"y_train holds 2 \(4 times\) but no 1: labels must be 0\.\.1"),
        "negative": ({"y_train": images.y_train - 1}, r"y_train holds -1 \(4 times\) but no 0"),
        "label": ({"y_valid": images.y_valid + 1}, r"y_valid\[1\] is 2, must be 0\.\.1"),
        "overlap": (
            {"x_test": np.concatenate([images.x_test[:3], images.x_train[5:6]])},
            r"x_test\[3\] is the same image as x_train\[5\]",
        ),
    }


@pytest.mark.parametrize(
    "fault",
    ["type", "dimensions", "label type", "no array", "lengths", "empty", "no pixels", "shapes", "nan", "one class"]
    + ["gap", "negative", "label", "overlap"],
)
def test_a_fault_is_one_clear_line(images: Images, fault: str) -> None:
    changes, message = wrong(images)[fault]
    with pytest.raises(UserError, match=message) as raised:
        replace(images, **changes)
    assert "\n" not in str(raised.value)


def test_standardising_uses_the_training_images_only() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(5, 3, size=(100, 2, 3, 3)) * np.array([1, 0])[:, None, None]
    other = rng.normal(size=(4, 2, 3, 3))
    (scaled, scaled_other), pixels = standardised(train, other)
    assert scaled.dtype == scaled_other.dtype == np.float32
    np.testing.assert_allclose(scaled[:, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, 0].std(), 1, atol=1e-5)
    assert (scaled[:, 1] == 0).all()  # a constant channel stays finite
    np.testing.assert_allclose(scaled_other[:, 0], (other[:, 0] - train[:, 0].mean()) / train[:, 0].std(), rtol=1e-4)
    np.testing.assert_allclose((train - np.reshape(pixels.mean, (2, 1, 1))) / np.reshape(pixels.deviation, (2, 1, 1)),
                               scaled, rtol=1e-3, atol=1e-3)  # fmt: skip
