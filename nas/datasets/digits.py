"""The handwritten digits that come with scikit-learn: works offline."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import numpy as np
from annotated_types import Ge

from nas.datasets.base import Images, Scale
from nas.errors import OptionError
from nas.options import PositiveInt, validated

_IMAGES = 1797


@validated
@dataclass(frozen=True)
class Digits:
    """8x8 images of ten digits (Alpaydin and Kaynak 1998, the test part of "optdigits"), 1,797 of them.

    The order of the images is that of the SHA-256 of their pixels, a shuffle that depends on no random number
    generator; the first `train` are for training, the next `valid` for validation, all others for test. Scale are
    scaled from 0..16 to -1..1.

    Args:
        train: images to train on, at least 32.
        valid: images to validate on, at least 1; with `train` at most 1,796.

    Raises:
        OptionError: a number is out of its range.
    """

    train: Annotated[int, Ge(32)] = 960
    valid: PositiveInt = 300

    def __post_init__(self) -> None:
        if self.train + self.valid >= _IMAGES:
            text = f"is {self.valid}, must be at most {_IMAGES - 1 - self.train}, beside {self.train} to train on"
            raise OptionError("valid", text)

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
        names, scale = tuple(map(str, range(10))), Scale((8.0,), (8.0,))
        return Images.of([images[part] for part in parts], [classes[part] for part in parts], names, scale)
