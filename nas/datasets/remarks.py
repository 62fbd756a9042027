"""What one should know of a data set before a search is paid for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.datasets.base import PARTS, Images

_UNEQUAL = 3.0  # times as many training images of the largest class as of the smallest
_FEW = 100  # images that are validated on


def remarks(images: Images) -> list[str]:
    """One line for each: classes of unequal sizes, or that a part lacks; few images to validate on; none to test on."""
    told = []
    if images.target == "class":
        counts = np.bincount(images.y_train, minlength=images.classes)
        most, least = int(counts.argmax()), int(counts.argmin())
        if counts[most] >= _UNEQUAL * counts[least]:
            told.append(
                f"the classes are unequal: {counts[most]:,} training images of {_called(images, most)}, "
                f"{counts[least]:,} of {_called(images, least)}; see evaluator.measure=balanced_accuracy|macro_f1 and "
                f"evaluator.recipe.class_weights=balanced"
            )
        for part in PARTS[1:]:
            labels = images.part(part)[1]
            if len(labels) and (absent := np.flatnonzero(np.bincount(labels, minlength=images.classes) == 0)).size:
                names = ", ".join(_called(images, int(place)) for place in absent[:20])
                told.append(f"the {part} part has no image of {len(absent)} of {images.classes} classes: {names}")
    if (n := len(images.y_valid)) < _FEW:
        told.append(f"there are {n} validation images only: an accuracy is known to {100 / n:.1f} points at best")
    if not len(images.y_test):
        told.append("there is no test part: nothing will tell how good the network is on images it was not chosen by")
    return told


def _called(images: Images, place: int) -> str:
    return f"class {place}" if images.names is None else repr(images.names[place])


@dataclass(frozen=True)
class Chance:
    """What is reached without looking at an image.

    Attributes:
        value: by always telling the commonest class of the training images, or the mean of their values.
        most: what is at most 2.5 standard errors above it.
    """

    value: float
    most: float


def chance(images: Images, part: str, measure: str) -> Chance:
    """What is reached on a part (`valid` or `test`) without looking at an image, by a measure."""
    labels = images.part(part)[1]
    if not len(labels):
        return Chance(float("nan"), float("nan"))
    if images.target == "value":
        return Chance(0.0, 2.5 / np.sqrt(len(labels)))
    share = float((labels == np.bincount(images.y_train).argmax()).mean())
    value = {"accuracy": share, "balanced_accuracy": 1 / images.classes}.get(
        measure, 2 * share / (1 + share) / images.classes
    )
    spread = max(value * (1 - value), 1 / len(labels))
    return Chance(value, value + 2.5 * float(np.sqrt(spread / len(labels))))
