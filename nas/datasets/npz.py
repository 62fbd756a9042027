"""A data set in one NumPy archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.archives import Arrays
from nas.datasets.base import PARTS, Images, check_finite, standardised
from nas.errors import UserError
from nas.options import validated


@validated
@dataclass(frozen=True)
class NpzFile:
    """An `.npz` file with `x_train, y_train, x_valid, y_valid`, and `x_test, y_test` where there is a test part.

    Images are integers or floats, `(n, height, width)` or `(n, channels, height, width)`; they are standardised by the
    training images' mean and deviation of each channel. Square images with 1, 3 or 4 channels in the last place are
    refused. Labels are integers from 0, `(n,)`. Arrays of Python objects are refused: nothing in the file is ever
    executed.

    Args:
        path: the file.
    """

    path: str

    @property
    def name(self) -> str:
        """The name of the file, without its suffix."""
        return Path(self.path).stem

    def load(self) -> Images:
        """Read and check the file.

        Raises:
            UserError: it is missing, no such archive, or an array is missing or wrong.
        """
        try:
            content = Path(self.path).read_bytes()
        except OSError as error:
            raise UserError(f"no data set at {self.path}: name the file with dataset.path=FILE") from error
        read = Arrays(Path(self.path), content)
        tested = "x_test" in read or "y_test" in read
        names = [f"{kind}_{part}" for kind in "xy" for part in PARTS if part != "test" or tested]
        arrays = {name: read[name] for name in names}
        try:
            if not tested:
                arrays["x_test"], arrays["y_test"] = arrays["x_valid"][:0], arrays["y_valid"][:0]
            images = [_images(f"x_{part}", arrays[f"x_{part}"]) for part in PARTS]
            labels = [_labels(f"y_{part}", arrays[f"y_{part}"]) for part in PARTS]
            if len(images[0]) and len({array.shape[1:] for array in images}) == 1:
                images = standardised(*images)  # else a fault that `Images` describes
            return Images.of(images, labels)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error


def _images(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "iuf" or array.ndim not in (3, 4):
        raise UserError(
            f"{name} is {array.dtype} {array.shape}, must be integers or floats "
            f"of shape (n, height, width) or (n, channels, height, width)"
        )
    if array.ndim == 4 and array.shape[1] == array.shape[2] > 4 and array.shape[3] in (1, 3, 4):
        raise UserError(
            f"{name} is of shape {array.shape}, which looks like (n, height, width, channels), must be "
            f"(n, channels, height, width): {name}.transpose(0, 3, 1, 2)"
        )
    shaped = array[:, None] if array.ndim == 3 else array
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
        images = shaped.astype(np.float32)
    check_finite(name, images)
    return images


def _labels(name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise UserError(f"{name} is {array.dtype} {array.shape}, must be integers of shape (n,)")
    return array.astype(np.int64)
