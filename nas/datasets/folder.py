"""A data set as a folder of image files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import Images, Target
from nas.datasets.files import Labelled, found
from nas.datasets.parts import Copies, Split, Stored, data_set, divided, numbered
from nas.datasets.pictures import Reader, UnreadableError
from nas.errors import UserError, some
from nas.options import Natural, PositiveInt, validated

_log = logging.getLogger(__name__)


@validated
@dataclass(frozen=True)
class ImageFolder:
    """Image files in folders, or named by a table of labels.

    The folder holds `train/`, `valid/` and, where there is one, `test/` (`training`, `val`, `validation` and `testing`
    are understood, too), each with one folder of image files per class; or, with `split`, one folder per class and no
    parts, or no `valid/`. Or it holds `labels.csv` with the columns `file` and `class` or `value`, and perhaps `part`
    (train, valid or test). The classes are those of the training part in alphabetical order.

    Images are read as a person sees them (`nas.datasets.pictures.Reader`), as RGB, or as grey where `channels` is 1,
    and standardised by the training images' mean and deviation of each channel. Folders are read to any depth; hidden
    files are passed over. Grey images of more than 8 bits are refused: they fit into an `.npz` file.

    Args:
        path: the folder.
        size: side, or height and width, to which every image is scaled, at least 1; None: images must all have the
            same shape.
        channels: 1 (grey) or 3 (RGB).
        background: on what transparent images are laid: a colour by name, or as #rrggbb.
        split: share of the images that are for validation, and the same for test where there is no such part; or both
            shares. Drawn class by class; copies of an image stay in one part. None: the parts are there.
        seed: draws the split, 0 or more.
        copies: `refuse` images that are in two parts, or `drop` them from the training part (else from validation).
        broken: `refuse` files that cannot be read as images, or `skip` them.
        target: what a network learns to tell: the `class`, or a `value`.

    Raises:
        OptionError: an option is out of its range.
    """

    path: str
    size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
    channels: Literal[1, 3] = 3
    background: str = "white"
    split: Split | None = None
    seed: Natural = 0
    copies: Copies = "refuse"
    broken: Literal["refuse", "skip"] = "refuse"
    target: Target = "class"

    def __post_init__(self) -> None:
        assert self.reader  # which refuses a background that is no colour

    @property
    def name(self) -> str:
        """The name of the folder."""
        return Path(self.path).name

    @property
    def reader(self) -> Reader:
        """How each file is read."""
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        return Reader(self.channels, size, self.background)

    def load(self) -> Images:
        """Read all image files.

        Raises:
            UserError: a folder is missing or empty, or files are no images, have another shape or are in two parts:
                they are named, as many as fit on a line.
        """
        root = Path(self.path)
        parts = {part: self._stored(entries) for part, entries in self._read(found(root, self.target)).items()}
        names = None
        if self.target == "class":
            parts, names = numbered(parts)
        try:
            return data_set(divided(parts, self.split, self.seed, names), self.copies, names)
        except UserError as error:
            raise UserError(f"{root}: {error}") from error

    def _read(self, files: Mapping[str, Sequence[Labelled]]) -> dict[str, list[tuple[Labelled, NDArray[np.uint8]]]]:
        reader, broken = self.reader, []
        read: dict[str, list[tuple[Labelled, NDArray[np.uint8]]]] = {part: [] for part in files}
        for part, entries in files.items():
            for entry in entries:
                try:
                    read[part].append((entry, reader.read(entry.file)))
                except UnreadableError as error:
                    broken.append(str(error))
        if broken and self.broken == "refuse":
            raise UserError(f"{some(broken)}: mend or remove such files, or pass over them with dataset.broken=skip")
        if broken:
            _log.warning("%d files are passed over: %s", len(broken), some(broken))
        shapes = Counter(image.shape[1:] for entries in read.values() for _, image in entries)
        if len(shapes) > 1:
            [(height, width), _] = shapes.most_common(1)[0]
            others = [
                f"{entry.file} is {image.shape[2]}x{image.shape[1]}"
                for entries in read.values()
                for entry, image in entries
                if image.shape[1:] != (height, width)
            ]
            raise UserError(
                f"most images are {width}x{height}, but {some(others)}: "
                f"scale all with dataset.size=SIDE or dataset.size=[HEIGHT,WIDTH]"
            )
        return read

    def _stored(self, entries: Sequence[tuple[Labelled, NDArray[np.uint8]]]) -> Stored:
        labels = np.array([entry.label for entry, _ in entries], dtype=object if self.target == "class" else np.float32)
        shape = (0, self.channels, 1, 1)
        images = np.stack([image for _, image in entries]) if entries else np.zeros(shape, dtype=np.uint8)
        return Stored(images, labels, [str(entry.file) for entry, _ in entries])
