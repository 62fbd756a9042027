"""Images that occur more than once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError, some

Digests = Mapping[str, tuple[Sequence[bytes], Sequence[str]]]
"""Of each part, in order, the digests of its images and what a message calls each."""


def image_digests(images: NDArray[Any]) -> list[bytes]:
    """A digest for each image, equal for images that are the same."""
    return [sha256(image.tobytes()).digest() for image in images]


def check_disjoint(parts: Digests, remedy: str = "parts must be disjoint") -> None:
    """Raise UserError, which names all that it can of them, where an image of one part is in another."""
    seen: dict[bytes, str] = {}
    pairs = []
    for digests, called in parts.values():
        own = dict(zip(digests, called, strict=True))
        pairs += [
            f"{name} is the same image as {seen[digest]}"
            for digest, name in zip(digests, called, strict=True)
            if digest in seen
        ]
        seen = {**own, **seen}
    if pairs:
        count = "" if len(pairs) == 1 else f"{len(pairs)} images are in two parts: "
        raise UserError(f"{count}{some(pairs)}: {remedy}")


def not_repeated_later(digests: Sequence[Sequence[bytes]]) -> list[NDArray[np.bool_]]:
    """For each part, in order, which of its images occur in no later part."""
    later: set[bytes] = set()
    kept = []
    for part in reversed(digests):
        kept.append(np.array([digest not in later for digest in part], dtype=np.bool_))
        later.update(part)
    return kept[::-1]
