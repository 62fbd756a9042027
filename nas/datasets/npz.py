"""A data set in one NumPy archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.archives import Arrays
from nas.datasets.base import PARTS, Images, Target, check_finite, places
from nas.datasets.parts import Copies, Split, Stored, data_set, divided, numbered
from nas.errors import UserError
from nas.options import Natural, validated

_UNITS = 50  # times the range of another part: such parts are not in the same unit

Layout = Literal["auto", "channels_first", "channels_last"]


@validated
@dataclass(frozen=True)
class NpzFile:
    """An `.npz` file with `x_train, y_train, x_valid, y_valid`, and `x_test, y_test` where there is a test part.

    With `split` a missing part is split off from the training part, which may be called `x, y`. Images are integers or
    floats; they are standardised by the training images' mean and deviation of each channel. Labels `(n,)` are integers
    from 0 (an array `classes` may name these) or names, or numbers where the target is a value. Arrays of Python
    objects are refused: nothing in the file is ever executed.

    Args:
        path: the file.
        layout: `channels_first`: images are `(n, channels, height, width)`; `channels_last`: `(n, height, width,
            channels)`; `auto`: the former, and what does not look like it is refused. `(n, height, width)` is grey.
        split: share of the images that are for validation, and the same for test where there is no such part; or both
            shares. Drawn class by class; copies of an image stay in one part. None: the parts are there.
        seed: draws the split, 0 or more.
        copies: `refuse` images that are in two parts, or `drop` them from the training part (else from validation).
        target: what a network learns to tell: the `class`, or a `value`.

    Raises:
        OptionError: an option is out of its range.
    """

    path: str
    layout: Layout = "auto"
    split: Split | None = None
    seed: Natural = 0
    copies: Copies = "refuse"
    target: Target = "class"

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
        try:
            parts: Mapping[str, Stored] = {part: self._stored(read, *pair) for part, pair in self._arrays(read).items()}
            _check_units(parts)
            names = None
            if self.target == "class":
                parts, names = _named(parts, read)
            return data_set(divided(parts, self.split, self.seed, names), self.copies, names)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error

    def _arrays(self, read: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """The names of the arrays of each part that the file has, or must have."""
        if "x" in read and "x_train" not in read:
            return {"train": ("x", "y"), **{p: (f"x_{p}", f"y_{p}") for p in PARTS[1:] if f"x_{p}" in read}}
        needed = PARTS[:2] if self.split is None else PARTS[:1]
        there = [part for part in PARTS if part in needed or {f"x_{part}", f"y_{part}"} & set(read)]
        return {part: (f"x_{part}", f"y_{part}") for part in there}

    def _stored(self, read: Mapping[str, NDArray[Any]], x: str, y: str) -> Stored:
        images = _images(x, read[x], self.layout)
        labels = _labels(y, read[y]) if self.target == "class" else _values(y, read[y])
        if len(images) != len(labels):
            raise UserError(f"{x} has {len(images)} images, but {y} {len(labels)} labels: one each is needed")
        return Stored(images, labels, places(x, len(images)))


def _images(name: str, array: NDArray[Any], layout: Layout) -> NDArray[np.float32]:
    if array.dtype.kind not in "iuf" or array.ndim not in (3, 4):
        raise UserError(
            f"{name} is {array.dtype} {array.shape}, must be integers or floats "
            f"of shape (n, height, width) or (n, channels, height, width)"
        )
    shaped = array[:, None] if array.ndim == 3 else array
    if array.ndim == 4:
        first, _, last = array.shape[1:]
        if layout == "channels_last":
            shaped = np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        elif layout == "auto" and (first > last or first == last > 1):
            raise UserError(
                f"{name} is of shape {array.shape}, which looks like (n, height, width, channels), must be "
                f"(n, channels, height, width): say which it is with dataset.layout=channels_last or channels_first"
            )
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
        images = shaped.astype(np.float32)
    check_finite(name, images)
    return images


def _check_units(parts: Mapping[str, Stored]) -> None:
    """Refuse parts in different units, such as 0..255 and 0..1: they would show the same picture differently."""
    ranges = {part: (float(s.images.min()), float(s.images.max())) for part, s in parts.items() if s.images.size}
    if "train" not in ranges:
        return
    low, high = ranges["train"]
    for part, (least, most) in ranges.items():
        wide, narrow = max(high - low, most - least), min(high - low, most - least)
        if wide > _UNITS * narrow > 0:
            raise UserError(
                f"the {part} images are within {least:g}..{most:g}, those to train on within {low:g}..{high:g}: "
                f"store all parts in the same unit"
            )


def _labels(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iuU" or array.ndim != 1:
        remedy = ", or values with dataset.target=value" if array.dtype.kind == "f" else ""
        raise UserError(f"{name} is {array.dtype} {array.shape}, must be integers or names of shape (n,){remedy}")
    return array if array.dtype.kind == "U" else array.astype(np.int64)


def _values(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        raise UserError(f"{name} is {array.dtype} {array.shape}, must be numbers of shape (n,)")
    return array.astype(np.float32)


def _named(
    parts: Mapping[str, Stored], read: Mapping[str, NDArray[Any]]
) -> tuple[Mapping[str, Stored], list[str] | None]:
    """The parts with numbers for their classes, and the names of these."""
    if any(part.labels.dtype.kind == "U" for part in parts.values()):
        return numbered(parts)
    if "classes" not in read:
        return parts, None
    classes = read["classes"]
    if classes.dtype.kind != "U" or classes.ndim != 1 or len(set(classes.tolist())) < len(classes):
        raise UserError(f"classes is {classes.dtype} {classes.shape}, must be different names of shape (classes,)")
    return parts, classes.tolist()
