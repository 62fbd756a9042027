"""Image files in, classes or values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.pictures import Reader, UnreadableError
from nas.errors import UserError, some
from nas.models import Model

_AT_ONCE = 256  # images


@dataclass(frozen=True)
class Predicted:
    """What a model says of one file.

    Attributes:
        file: the file.
        told: its class, or its value.
        probability: of that class, 0..1; None: it is a value.
    """

    file: Path
    told: str | float
    probability: float | None


def predict(model: Model, files: Sequence[Path], resize: bool = False) -> list[Predicted]:
    """Read image files as those that the model was trained on were read, and ask it.

    Args:
        model: in its folder.
        files: images.
        resize: whether images of another size than those that the model was trained on are scaled.

    Raises:
        UserError: the model is damaged, or files are no images or of another size; they are named, as many as fit on a
            line.
    """
    about, network = model.about, model.model
    shape = about["image"]["channels"], about["image"]["height"], about["image"]["width"]
    read = _images(files, _reader(about, resize), shape)
    return [one for first in range(0, len(files), _AT_ONCE) for one in _asked(network, files, read, first)]


def _asked(network: Any, files: Sequence[Path], read: Sequence[NDArray[np.uint8]], first: int) -> list[Predicted]:
    import torch

    rows = slice(first, first + _AT_ONCE)
    images = torch.from_numpy(np.stack(read[rows]))
    told = network.predict(images)
    if network.classes is None:
        return [Predicted(file, value, None) for file, value in zip(files[rows], told, strict=True)]
    likely = network.probabilities(images).max(dim=1).values.tolist()
    return [Predicted(*one) for one in zip(files[rows], told, likely, strict=True)]


def _reader(about: dict[str, Any], resize: bool) -> Reader:
    image, reading = about["image"], about["reading"] or {}
    if image["channels"] not in (1, 3):
        raise UserError(
            f"the model sees {image['channels']} channels, image files have 1 or 3: use its predict(images)"
        )
    size = reading.get("size")
    if resize and size is None:
        size = (image["height"], image["width"])
    return Reader(image["channels"], None if size is None else tuple(size), reading.get("background", "white"))


def _images(files: Sequence[Path], reader: Reader, shape: tuple[int, int, int]) -> list[NDArray[np.uint8]]:
    broken, other, read = [], [], []
    for file in files:
        try:
            read.append(reader.read(file))
        except UnreadableError as error:
            broken.append(str(error))
            continue
        if read[-1].shape != shape:
            other.append(f"{file} is {read[-1].shape[2]}x{read[-1].shape[1]}")
    if broken:
        raise UserError(f"{some(broken)}: leave out what is no image")
    if other:
        raise UserError(f"{some(other)}, the model was trained on {shape[2]}x{shape[1]}: scale them with --resize")
    return read
