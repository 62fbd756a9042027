"""NumPy archives from anywhere: plain arrays only, and every damage one line."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError


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
        try:
            archive = np.load(BytesIO(content), allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("a single array")
            with archive:
                self._arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
        except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error, NotImplementedError) as error:
            raise UserError(
                f"{path} ({len(content):,} bytes) is truncated, damaged or no NumPy archive (.npz) of plain arrays "
                f"({error}): obtain the file again"
            ) from error

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
