"""What a data set is: images and labels in three parts, checked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.datasets.copies import check_disjoint, image_digests
from nas.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

PARTS = ("train", "valid", "test")
Labels = NDArray[Any]
"""`(n,)`: int64, the places of classes, or float32, values."""
Target = Literal["class", "value"]


@dataclass(frozen=True)
class Scale:
    """From what is stored to what a network sees: `(stored - mean) / deviation`, for each channel of images.

    Attributes:
        mean, deviation: of each channel, in the unit of what is stored; deviations are above 0.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Images:
    """A data set in three disjoint parts. A network trains on `train`; `test` is for reports only.

    Attributes:
        x_train, x_valid, x_test: `(n, channels, height, width)` float32, finite; n may be 0 for test only.
        y_train, y_valid, y_test: `(n,)` int64, 0..classes - 1, every class occurs in train; or, where the target is a
            value, float32, finite.
        names: of the classes; None: they have none but their numbers.
        pixels: how the images were made of those that are stored; None: it is not known.
        values: how the values were made of those that are stored; None: they are as they are stored.
        joined: whether the validation images are among those to train on; the validation part is empty then.

    Raises:
        UserError: an array has a wrong shape, type or value, there is one class only, or two parts share an image.
    """

    x_train: NDArray[np.float32]
    y_train: Labels
    x_valid: NDArray[np.float32]
    y_valid: Labels
    x_test: NDArray[np.float32]
    y_test: Labels
    names: tuple[str, ...] | None = None
    pixels: Scale | None = None
    values: Scale | None = None
    joined: bool = False

    def __post_init__(self) -> None:
        values = isinstance(self.y_train, np.ndarray) and self.y_train.dtype == np.float32
        kind = np.dtype(np.float32 if values else np.int64)
        for part in PARTS:
            _check_part(part, *self.part(part), kind, empty_allowed=part == "test" or (self.joined and part == "valid"))
        shape = self.x_train.shape[1:]
        for part in PARTS[1:]:
            if (other := self.part(part)[0].shape[1:]) != shape:
                raise UserError(f"x_{part} has images of shape {other}, but x_train of {shape}: they must be the same")
        if self.target == "class":
            self._check_labels()
        elif float(np.ptp(self.y_train)) == 0:
            raise UserError(f"y_train holds the value {self.y_train[0]} only, at least 2 are needed")
        digests = {part: image_digests(self.part(part)[0]) for part in PARTS}
        check_disjoint({part: (each, places(f"x_{part}", len(each))) for part, each in digests.items()})

    @classmethod
    def of(
        cls,
        images: Sequence[NDArray[np.float32]],
        labels: Sequence[Labels],
        names: Sequence[str] | None = None,
        pixels: Scale | None = None,
        values: Scale | None = None,
    ) -> Images:
        """Make a data set of the images and the labels of train, valid and test, in this order."""
        (x_train, x_valid, x_test), (y_train, y_valid, y_test) = images, labels
        named = None if names is None else tuple(names)
        return cls(x_train, y_train, x_valid, y_valid, x_test, y_test, named, pixels, values)

    def with_validation(self) -> Images:
        """The same with the validation images among those to train on."""
        x, y = np.concatenate([self.x_train, self.x_valid]), np.concatenate([self.y_train, self.y_valid])
        nothing = self.x_valid[:0], self.y_valid[:0]
        return Images(x, y, *nothing, self.x_test, self.y_test, self.names, self.pixels, self.values, joined=True)

    def part(self, name: str) -> tuple[NDArray[np.float32], Labels]:
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
    def target(self) -> Target:
        """What a network learns to tell."""
        return "class" if self.y_train.dtype == np.int64 else "value"

    @property
    def classes(self) -> int:
        """Number of classes: the labels are below it. Raises UserError where the target is a value."""
        if self.target == "value":
            raise UserError("the data set has values (dataset.target=value), but classes are needed here")
        return int(self.y_train.max()) + 1

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for an image: one for each class, or one value."""
        return self.classes if self.target == "class" else 1

    def _check_labels(self) -> None:
        _check_classes(self.y_train)
        for part in PARTS[1:]:
            labels = self.part(part)[1]
            for row in np.flatnonzero((labels < 0) | (labels >= self.classes))[:1]:
                raise UserError(f"y_{part}[{row}] is {labels[row]}, must be 0..{self.classes - 1} (as in y_train)")
        if self.names is not None and len(self.names) != self.classes:
            raise UserError(f"{len(self.names)} names are given for {self.classes} classes: one each is needed")

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all images and labels."""
        total = sha256()
        for name in (f"{kind}_{part}" for part in PARTS for kind in "xy"):
            array = getattr(self, name)
            total.update(f"{name} {array.shape}".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


class Dataset(Hashable, Protocol):
    """Where images come from; small, hashable and picklable, so that it can travel to another process to load there."""

    @property
    def name(self) -> str:
        """What benchmark tables call it."""

    def load(self) -> Images:
        """Read the images. Raises UserError for files that are missing or not what they should be."""


def places(name: str, n: int) -> list[str]:
    """What messages call the images of an array."""
    return [f"{name}[{row}]" for row in range(n)]


def check_finite(name: str, images: NDArray[np.float32]) -> None:
    """Raises UserError for an image that holds NaN or infinity."""
    finite = np.isfinite(images).all(axis=tuple(range(1, images.ndim)))
    for row in np.flatnonzero(~finite)[:1]:
        raise UserError(f"{name}[{row}] holds NaN or infinity: remove or mend that image")


def standardised(train: NDArray[Any], *others: NDArray[Any]) -> tuple[list[NDArray[np.float32]], Scale]:
    """Subtract the mean of the training images from all images, channel by channel, and divide by their deviation.

    Args:
        train: `(n, channels, height, width)`, n above 0.
        others: more images of the same shape, n may be 0.

    Returns:
        The images, those to train on first, and what was done to them.
    """
    mean = train.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation = train.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    shift, scale = mean.astype(np.float32), deviation.astype(np.float32)
    images = [(images.astype(np.float32) - shift) / scale for images in (train, *others)]
    return images, Scale(tuple(shift.ravel().tolist()), tuple(scale.ravel().tolist()))


def _check_classes(labels: Labels) -> None:
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < 2:
        raise UserError(f"y_train holds the class {present[0]} only, at least 2 classes are needed")
    for missing in np.flatnonzero(present != np.arange(len(present)))[:1]:
        raise UserError(
            f"y_train holds {present[missing]} ({counts[missing]} times) but no {missing}: "
            f"labels must be 0..{len(present) - 1}, each of them used"
        )


def _check_part(part: str, images: Any, labels: Any, kind: np.dtype[Any], *, empty_allowed: bool) -> None:
    for name, array, dtype, dimensions, shape in (
        (f"x_{part}", images, np.dtype(np.float32), 4, "(n, channels, height, width)"),
        (f"y_{part}", labels, kind, 1, "(n,)"),
    ):
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != dimensions:
            found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise UserError(f"{name} is {found}, must be {dtype} of shape {shape}")
    if len(images) != len(labels):
        raise UserError(f"x_{part} has {len(images)} images, but y_{part} {len(labels)} labels: one each is needed")
    if not len(images) and not empty_allowed:
        raise UserError(f"x_{part} is empty, at least one image is needed")
    if 0 in images.shape[1:]:
        raise UserError(f"x_{part} has images of shape {images.shape[1:]}, must be at least (1, 1, 1)")
    check_finite(f"x_{part}", images)
    for row in np.flatnonzero(~np.isfinite(labels))[:1]:
        raise UserError(f"y_{part}[{row}] is {labels[row]}, must be finite")
