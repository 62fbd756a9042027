"""A data set as a folder of image files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import PARTS, Images, standardised
from nas.errors import UserError
from nas.options import PositiveInt, validated

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


@validated
@dataclass(frozen=True)
class ImageFolder:
    """Folders `train/`, `valid/` and, where there is one, `test/`, each with one folder of image files per class.

    The classes are those of `train/` in alphabetical order. Images are read as RGB, or as grey where `channels` is 1,
    and standardised by the training images' mean and deviation of each channel. Hidden files are passed over. Grey
    images of more than 8 bits are refused: they fit into an `.npz` file.

    Args:
        path: the folder.
        size: side to which every image is scaled, at least 1; None: images must all have the same shape.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        OptionError: `size` or `channels` is out of its range.
    """

    path: str
    size: PositiveInt | None = None
    channels: Literal[1, 3] = 3

    @property
    def name(self) -> str:
        """The name of the folder."""
        return Path(self.path).name

    def load(self) -> Images:
        """Read all image files.

        Raises:
            UserError: a folder is missing or empty, or a file is no image or has another shape.
        """
        root = Path(self.path)
        for part in PARTS[:2]:
            if not (root / part).is_dir():
                raise UserError(
                    f"no folder {root / part}: the data set's folder must hold train/ and valid/, with classes"
                )
        classes = _folders(root / "train")
        shape: tuple[int, ...] | None = None
        images, labels = [], []
        for part in PARTS:
            rows, numbers = [], []
            for name in _folders(root / part) if (root / part).is_dir() else []:
                if name not in classes:
                    raise UserError(f"{root / part / name} is a class that train/ has not: {', '.join(classes)}")
                for file in sorted((root / part / name).iterdir()):
                    if file.name.startswith("."):
                        continue
                    image = self._read(file)
                    shape = shape or image.shape
                    if image.shape != shape:
                        raise UserError(
                            f"{file} is {image.shape[2]}x{image.shape[1]}, others are {shape[2]}x{shape[1]}: "
                            f"scale them all with dataset.size=SIDE"
                        )
                    rows.append(image)
                    numbers.append(classes.index(name))
            if not rows and part != "test":
                raise UserError(f"{root / part} has no image files in folders, one folder per class is needed")
            images.append(np.stack(rows) if rows else np.zeros((0, *(shape or ())), dtype=np.uint8))
            labels.append(np.array(numbers, dtype=np.int64))
        try:
            return Images.of(standardised(*images), labels)
        except UserError as error:
            raise UserError(f"{root}: {error} (files in alphabetical order)") from error

    def _read(self, file: Path) -> NDArray[np.uint8]:
        from PIL import Image

        if file.suffix.lower() not in _SUFFIXES:
            raise UserError(f"{file} is no image file, allowed: {', '.join(sorted(_SUFFIXES))}")
        try:
            with Image.open(file) as opened:
                opened.verify()  # of the checksums, where the format has some; the image must then be opened anew
            with Image.open(file) as opened:
                if opened.mode[0] in "IF":  # to convert it would turn all above 255 into white
                    raise ValueError(f"its grey values have more than 8 bits (mode {opened.mode}): see dataset=npz")
                image = opened.convert("RGB" if self.channels == 3 else "L")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UserError(f"{file} cannot be read as an image: {error}") from error
        if self.size is not None:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, dtype=np.uint8)
        return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
