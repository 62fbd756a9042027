"""From images as they are stored to a data set: parts that are split off, copies, standardisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from nas.datasets.base import PARTS, Images, Scale, standardised
from nas.datasets.copies import check_disjoint, image_digests, not_repeated_later
from nas.errors import UserError

_Part = Annotated[float, Ge(0), Lt(1)]
Split = Annotated[float, Gt(0), Lt(1)] | tuple[_Part, _Part]
"""Shares of validation and test; one number is the share of each of them."""
Copies = Literal["refuse", "drop"]


@dataclass(frozen=True)
class Stored:
    """Images as they are stored.

    Attributes:
        images: `(n, channels, height, width)`.
        labels: `(n,)`.
        called: what a message calls each.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    called: Sequence[str]

    def take(self, rows: NDArray[Any]) -> Stored:
        """Some of the images: a mask, or row numbers."""
        rows = np.arange(len(self.labels))[rows]
        return Stored(self.images[rows], self.labels[rows], [self.called[row] for row in rows.tolist()])


def divided(
    parts: Mapping[str, Stored], shares: float | tuple[float, float] | None, seed: int, names: Sequence[str] | None
) -> list[Stored]:
    """Train, valid and test, the missing ones split off from train, at random.

    A split goes class by class, so that each class has its share in each part; copies of an image stay together.

    Args:
        parts: those that there are, by name; floating labels are values, not classes.
        shares: of validation and test, 0..1, together below 1; one number: the share of each. What is there is not
            split off. None: nothing is.
        seed: draws.
        names: of the classes, for messages.

    Raises:
        UserError: no share is given that is needed, or one that is not, they leave nothing to train on, or a class has
            too few different images.
    """
    train = parts["train"]
    nothing = train.take(np.zeros(len(train.labels), dtype=np.bool_))
    if "valid" in parts:
        if shares is not None:
            raise UserError(f"dataset.split is {shares}, but there is a validation part already: leave it out")
        return [train, parts["valid"], parts.get("test", nothing)]
    if shares is None:
        raise UserError("there is no validation part: add one, or split it off with dataset.split=0.2")
    valid, test = (shares, shares) if isinstance(shares, int | float) else shares
    test = 0.0 if "test" in parts else test
    if not valid or valid + test >= 1:
        raise UserError(f"dataset.split is {shares}: the first part must be above 0, and both together below 1")
    rng = np.random.default_rng(seed)
    _, first, group = np.unique(image_digests(train.images), return_index=True, return_inverse=True)
    values = np.issubdtype(train.labels.dtype, np.floating)
    strata = np.zeros(len(first), dtype=np.int64) if values else train.labels[first]
    place = np.zeros(len(first), dtype=np.int64)
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        counts = [max(1, round(share * len(rows))) if share else 0 for share in (valid, test)]
        if sum(counts) >= len(rows):
            name = "the data set" if values else f"class {names[stratum] if names else stratum}"
            raise UserError(f"{name} has too few different images ({len(rows)}) for split={shares}: add some")
        place[rows[: counts[0]]] = 1
        place[rows[counts[0] : sum(counts)]] = 2
    split = [train.take(place[group] == number) for number in range(3)]
    return [*split[:2], parts.get("test", split[2])]


def numbered(parts: Mapping[str, Stored]) -> tuple[dict[str, Stored], list[str]]:
    """The parts with the places of classes for their names, and these: those of train, in alphabetical order.

    Raises:
        UserError: another part has a class that train has not.
    """
    names = sorted(set(parts["train"].labels.tolist()))
    places = {name: place for place, name in enumerate(names)}
    made = {}
    for part, stored in parts.items():
        labels = stored.labels.tolist()
        for name in sorted(set(labels) - set(names), key=str):
            raise UserError(
                f"{name!r} is a class of the {part} part that the training part has not: {', '.join(names)}"
            )
        numbers = np.array([places[name] for name in labels], dtype=np.int64)
        made[part] = Stored(stored.images, numbers, stored.called)
    return made, names


def data_set(parts: Sequence[Stored], copies: Copies, names: Sequence[str] | None = None) -> Images:
    """Standardise train, valid and test, which must not share an image.

    Args:
        parts: these three, in order.
        copies: `refuse` them, or `drop` those that occur again in a later part: out of the training part first.
        names: of the classes.

    Raises:
        UserError: the images or the labels are not what they should be.
    """
    digests = [image_digests(part.images) for part in parts]
    if copies == "drop":
        parts = [part.take(kept) for part, kept in zip(parts, not_repeated_later(digests), strict=True)]
    else:
        called: Mapping[str, Any] = {
            name: (digest, part.called) for name, digest, part in zip(PARTS, digests, parts, strict=True)
        }
        check_disjoint(called, "remove them from one part, or leave them out of the first with dataset.copies=drop")
    if not len(parts[0].images):
        raise UserError("no images are left to train on: all of them are copies of others")
    images: list[NDArray[np.float32]] = [part.images for part in parts]
    labels = [part.labels for part in parts]
    pixels = values = None
    if len({part.images.shape[1:] for part in parts}) == 1:  # else a fault that `Images` describes
        images, pixels = standardised(*images)
    if np.issubdtype(labels[0].dtype, np.floating) and (deviation := float(labels[0].std())):
        values = Scale((float(labels[0].mean()),), (deviation,))
        labels = [((each - values.mean[0]) / values.deviation[0]).astype(np.float32) for each in labels]
    return Images.of(images, labels, names, pixels, values)
