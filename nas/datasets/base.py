"""What a data set is: images and labels in three parts, checked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Images:
    """A data set in three disjoint parts. A network trains on `train`; `test` is for reports only.

    Attributes:
        x_train, x_valid, x_test: `(n, channels, height, width)` float32, finite; n may be 0 for test only.
        y_train, y_valid, y_test: `(n,)` int64, 0..classes - 1; every class occurs in train.

    Raises:
        UserError: an array has a wrong shape, type or value, there is one class only, or two parts share an image.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_valid: NDArray[np.float32]
    y_valid: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]

    def __post_init__(self) -> None:
        for part in PARTS:
            _check_part(part, *self.part(part), empty_allowed=part == "test")
        shape = self.x_train.shape[1:]
        for part in PARTS[1:]:
            if (other := self.part(part)[0].shape[1:]) != shape:
                raise UserError(f"x_{part} has images of shape {other}, but x_train of {shape}: they must be the same")
        _check_classes(self.y_train)
        for part in PARTS[1:]:
            labels = self.part(part)[1]
            for row in np.flatnonzero((labels < 0) | (labels >= self.classes))[:1]:
                raise UserError(f"y_{part}[{row}] is {labels[row]}, must be 0..{self.classes - 1} (as in y_train)")
        self._check_overlap()

    @classmethod
    def of(cls, images: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.int64]]) -> Images:
        """Make a data set of the images and the labels of train, valid and test, in this order."""
        (x_train, x_valid, x_test), (y_train, y_valid, y_test) = images, labels
        return cls(x_train, y_train, x_valid, y_valid, x_test, y_test)

    def part(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images and labels of `train`, `valid` or `test`."""
        return getattr(self, f"x_{name}"), getattr(self, f"y_{name}")

    def on(self, device: str) -> dict[str, tuple[Tensor, Tensor]]:
        """Images and labels of each part as tensors on a device; they stay there for the next who asks."""
        import torch

        if device not in self._placed:
            self._placed[device] = {
                name: (torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device))
                for name, (images, labels) in ((name, self.part(name)) for name in PARTS)
            }
        return self._placed[device]

    @cached_property
    def _placed(self) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
        return {}

    @property
    def classes(self) -> int:
        """Number of classes: the labels are below it."""
        return int(self.y_train.max()) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all images and labels."""
        total = sha256()
        for entry in fields(self):
            array = getattr(self, entry.name)
            total.update(f"{entry.name} {array.shape}".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()

    def _check_overlap(self) -> None:
        seen: dict[bytes, tuple[str, int]] = {}
        for part in PARTS:
            digests = image_digests(self.part(part)[0])
            for row, digest in enumerate(digests):
                if digest in seen:
                    other, place = seen[digest]
                    raise UserError(f"x_{part}[{row}] is the same image as x_{other}[{place}]: parts must be disjoint")
            seen |= {digest: (part, row) for row, digest in enumerate(digests)}


class Dataset(Hashable, Protocol):
    """Where images come from; small, hashable and picklable, so that it can travel to another process to load there."""

    @property
    def name(self) -> str:
        """What benchmark tables call it."""

    def load(self) -> Images:
        """Read the images. Raises UserError for files that are missing or not what they should be."""


def image_digests(images: NDArray[Any]) -> list[bytes]:
    """A digest for each image, equal for images that are the same."""
    return [sha256(image.tobytes()).digest() for image in images]


def check_finite(name: str, images: NDArray[np.float32]) -> None:
    """Raises UserError for an image that holds NaN or infinity."""
    finite = np.isfinite(images).all(axis=tuple(range(1, images.ndim)))
    for row in np.flatnonzero(~finite)[:1]:
        raise UserError(f"{name}[{row}] holds NaN or infinity: remove or mend that image")


def standardised(train: NDArray[Any], *others: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Subtract the mean of the training images from all images, channel by channel, and divide by their deviation.

    Args:
        train: `(n, channels, height, width)`, n above 0.
        others: more images of the same shape, n may be 0.
    """
    mean = train.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation = train.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    shift, scale = mean.astype(np.float32), deviation.astype(np.float32)
    return [(images.astype(np.float32) - shift) / scale for images in (train, *others)]


def _check_classes(labels: NDArray[np.int64]) -> None:
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < 2:
        raise UserError(f"y_train holds the class {present[0]} only, at least 2 classes are needed")
    for missing in np.flatnonzero(present != np.arange(len(present)))[:1]:
        raise UserError(
            f"y_train holds {present[missing]} ({counts[missing]} times) but no {missing}: "
            f"labels must be 0..{len(present) - 1}, each of them used"
        )


def _check_part(part: str, images: Any, labels: Any, *, empty_allowed: bool) -> None:
    for name, array, dtype, dimensions, shape in (
        (f"x_{part}", images, np.float32, 4, "(n, channels, height, width)"),
        (f"y_{part}", labels, np.int64, 1, "(n,)"),
    ):
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != dimensions:
            found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise UserError(f"{name} is {found}, must be {np.dtype(dtype)} of shape {shape}")
    if len(images) != len(labels):
        raise UserError(f"x_{part} has {len(images)} images, but y_{part} {len(labels)} labels: one each is needed")
    if not len(images) and not empty_allowed:
        raise UserError(f"x_{part} is empty, at least one image is needed")
    if 0 in images.shape[1:]:
        raise UserError(f"x_{part} has images of shape {images.shape[1:]}, must be at least (1, 1, 1)")
    check_finite(f"x_{part}", images)
