"""NumPy archives from anywhere: plain arrays only, every byte under its checksum, and every damage one line."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

_KINDS = {"integers": "iu", "floats": "f"}
LARGEST = 1 << 32
"""Bytes that a file may unpack to."""
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, OverflowError),
    *(BadZipFile, zlib.error, lzma.LZMAError, SyntaxError, TokenError),
)


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of a file; asking for one that is missing is a UserError.

    Args:
        path: the file, for messages.
        content: what is in it.

    Raises:
        UserError: it is no `.npz` archive of plain arrays; pickled objects are never loaded.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self._arrays: dict[str, NDArray[Any]]
        try:
            with ZipFile(BytesIO(content)) as archive:
                entries = archive.infolist()
                if sum(entry.file_size for entry in entries) > LARGEST:
                    raise ValueError(f"it would unpack to more than {LARGEST:,} bytes")
                if len({entry.filename.removesuffix(".npy") for entry in entries}) < len(entries):
                    raise ValueError("two arrays have the same name")
                self._arrays = {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
        except _DAMAGE as error:
            raise UserError(
                f"{path} ({len(content):,} bytes) is truncated, damaged or no NumPy archive (.npz) of plain arrays "
                f"({error}): obtain the file again"
            ) from error

    @classmethod
    def of(cls, path: Path, arrays: dict[str, NDArray[Any]]) -> Arrays:
        """Make the same of arrays that were read in another way."""
        made = cls.__new__(cls)
        made._path, made._arrays = path, arrays
        return made

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            raise UserError(
                f"{self._path} has no array {name!r}, only {', '.join(self) or 'none'}: is it another file?"
            )
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _array(archive: ZipFile, entry: ZipInfo) -> NDArray[Any]:
    """Read one array; the whole member is read first, because only then is its checksum looked at."""
    content = BytesIO(archive.read(entry))
    array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    if content.read(1):
        raise ValueError(f"{entry.filename} is longer than its array")
    return array


def column(arrays: Mapping[str, NDArray[Any]], name: str, kind: str, *shape: int | None) -> NDArray[Any]:
    """Return the array `name`, checked to hold `integers` or `floats` and to have a shape; None: any length.

    Raises:
        UserError: it is missing, or not like that.
    """
    array = arrays[name]
    fits = array.ndim == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in _KINDS[kind]:
        wanted = "(" + ", ".join("n" if length is None else f"{length}" for length in shape) + ")"
        raise UserError(f"{name} is {array.dtype} of shape {array.shape}, must be {kind} of shape {wanted}")
    return array
