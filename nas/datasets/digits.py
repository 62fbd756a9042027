"""The handwritten digits that come with scikit-learn: works offline."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from nas.datasets.base import Images
from nas.errors import UserError

_IMAGES = 1797


@dataclass(frozen=True)
class Digits:
    """8x8 images of ten digits (Alpaydin and Kaynak 1998, the test part of "optdigits"), 1,797 of them.

    The order of the images is that of the SHA-256 of their pixels, a shuffle that depends on no random number
    generator; the first `train` are for training, the next `valid` for validation, all others for test. Pixels are
    scaled from 0..16 to -1..1.

    Args:
        train: images to train on, at least 32.
        valid: images to validate on, at least 1; with `train` at most 1,796.

    Raises:
        UserError: a number is out of its range.
    """

    train: int = 960
    valid: int = 300

    def __post_init__(self) -> None:
        if self.train < 32 or self.valid < 1 or self.train + self.valid >= _IMAGES:
            raise UserError(
                f"dataset.train is {self.train} and dataset.valid {self.valid}, must be at least 32 and 1, "
                f"together at most {_IMAGES - 1}"
            )

    @property
    def name(self) -> str:
        """`digits`."""
        return "digits"

    def load(self) -> Images:
        """Return the three parts: `(n, 1, 8, 8)` images."""
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        order = sorted(range(len(pixels)), key=lambda row: sha256(pixels[row].astype(np.uint8).tobytes()).digest())
        images = (pixels[order].reshape(-1, 1, 8, 8) / 8 - 1).astype(np.float32)
        classes = labels[order].astype(np.int64)
        parts = np.split(np.arange(len(images)), [self.train, self.train + self.valid])
        return Images(*(array[part] for part in parts for array in (images, classes)))
