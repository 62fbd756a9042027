"""How a candidate is trained, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Lt

from nas.options import Natural, NonNegative, Positive, PositiveInt, validated


@validated
@dataclass(frozen=True)
class Recipe:
    """How a candidate is trained: SGD with Nesterov momentum, the learning rate falling to 0 as a cosine, by step.

    Args:
        epochs: passes over the training images, at least 1.
        batch: images in a step, at least 2; what is left of an epoch after the last full batch is not used.
        learning_rate: at the start, above 0.
        momentum: 0..1, 1 excluded.
        weight_decay: at least 0; for all parameters.
        noise: standard deviation of what is added to every pixel of a training image, in the images' unit; at least 0.
        shift: most pixels a training image is moved, in each direction, at least 0; what comes in is 0.
        flip: whether a training image is mirrored, left to right, half the time.
        cutout: side, in pixels, of the square set to 0 at a random place of a training image (DeVries and Taylor 2017);
            at least 0.

    Raises:
        OptionError: a number is out of its range.
    """

    epochs: PositiveInt = 8
    batch: Annotated[int, Ge(2)] = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    weight_decay: NonNegative = 0.0005
    noise: NonNegative = 0.0
    shift: Natural = 1
    flip: bool = False
    cutout: Natural = 0

    @property
    def augmentation(self) -> dict[str, Any]:
        """How training images are changed, by name."""
        return {name: getattr(self, name) for name in ("noise", "shift", "flip", "cutout")}
