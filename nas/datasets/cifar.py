"""CIFAR-10 and CIFAR-100 from their official archives."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from nas._paths import cache_folder
from nas.datasets.base import Images, places
from nas.datasets.parts import Stored, data_set
from nas.errors import UserError
from nas.options import validated

_PIXELS = 3 * 32 * 32
_LARGEST = 1 << 28  # bytes that an archive may unpack to; those published have 185 million


@validated
@dataclass(frozen=True)
class Cifar:
    """CIFAR-10 or CIFAR-100 (Krizhevsky 2009), read from the archive of the "binary version".

    It holds plain bytes; the "python version" holds pickles, which can execute anything, and is not read. The first
    training images of the archive are for training, the last `valid` for validation, the archive's test images for
    test. Images that occur again in a later part are left out of the earlier one. Images are standardised by the
    training images' mean and deviation of each channel.

    Args:
        classes: 10 or 100 (the fine labels).
        path: the archive; None: `cifar-10-binary.tar.gz` or `cifar-100-binary.tar.gz` in the user's cache folder.
        valid: images to validate on, 1..49,999.

    Raises:
        OptionError: a number is out of its range.
    """

    classes: Literal[10, 100] = 10
    path: str | None = None
    valid: Annotated[int, Ge(1), Le(49_999)] = 10_000

    @property
    def name(self) -> str:
        """`cifar10` or `cifar100`."""
        return f"cifar{self.classes}"

    def load(self) -> Images:
        """Read the archive; 1.2 GB of memory.

        Raises:
            UserError: it is missing, damaged, or another file.
        """
        name = f"cifar-{self.classes}-binary.tar.gz"
        path = Path(self.path) if self.path is not None else cache_folder() / name
        if not path.is_file():
            raise UserError(
                f"no CIFAR-{self.classes} at {path}: download {name} (the binary version) from "
                f"https://www.cs.toronto.edu/~kriz/cifar.html and put it there, or name it with dataset.path=FILE"
            )
        names = [f"data_batch_{number}.bin" for number in range(1, 6)] if self.classes == 10 else ["train.bin"]
        tested = "test_batch.bin" if self.classes == 10 else "test.bin"
        members = self._members(path)
        for member in (*names, tested):
            if member not in members:
                raise UserError(f"{path} has no {member}: is it {name}, the binary version?")
        parts = [self._parse(path, member, members[member]) for member in (*names, tested)]
        images = np.concatenate([part[0] for part in parts[:-1]])
        labels = np.concatenate([part[1] for part in parts[:-1]])
        if len(images) <= self.valid:
            raise UserError(f"{path} has {len(images)} training images, of which {self.valid} cannot be for validation")
        split = len(images) - self.valid
        stored = [(images[:split], labels[:split]), (images[split:], labels[split:]), parts[-1]]
        told = "batches.meta.txt" if self.classes == 10 else "fine_label_names.txt"
        names = members.get(told, b"").decode(errors="replace").split()
        return data_set(
            [Stored(*part, places("x", len(part[1]))) for part in stored],
            "drop",
            names if len(names) == self.classes else None,
        )

    def _members(self, path: Path) -> dict[str, bytes]:
        try:
            with gzip.open(path) as packed:
                content = packed.read(_LARGEST)  # to the end, where the checksum is
                if packed.read(1):
                    raise ValueError(f"more than {_LARGEST:,} bytes")
            with tarfile.open(fileobj=BytesIO(content), mode="r:") as archive:
                files = ((Path(entry.name).name, archive.extractfile(entry)) for entry in archive if entry.isfile())
                return {
                    name: file.read() for name, file in files if file is not None and name.endswith((".bin", ".txt"))
                }
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
            raise UserError(f"{path} is truncated, damaged or no .tar.gz archive ({error}): obtain it again") from error

    def _parse(self, path: Path, member: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        before = 1 if self.classes == 10 else 2  # CIFAR-100 has the coarse label first
        if not content or len(content) % (before + _PIXELS):
            raise UserError(
                f"{member} of {path} has {len(content):,} bytes, no multiple of {before + _PIXELS:,}: obtain it again"
            )
        rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, before + _PIXELS)
        return rows[:, before:].reshape(-1, 3, 32, 32), rows[:, before - 1].astype(np.int64)
