"""How a candidate is trained, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from nas.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """How a candidate is trained: SGD with Nesterov momentum, the learning rate falling to 0 as a cosine, by step.

    Args:
        epochs: passes over the training images, at least 1.
        batch: images in a step, at least 2; what is left of an epoch after the last full batch is not used.
        learning_rate: at the start, above 0.
        momentum: 0..1, 1 excluded.
        weight_decay: at least 0; for all parameters.
        noise: standard deviation of what is added to every pixel of a training image, in the images' unit.
        shift: most pixels a training image is moved, in each direction; what comes in is 0.
        flip: whether a training image is mirrored, left to right, half the time.
        cutout: side of the square set to 0 at a random place of a training image (DeVries and Taylor 2017).

    Raises:
        UserError: a number is out of its range.
    """

    epochs: int = 20
    batch: int = 32
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0005
    noise: float = 0.0
    shift: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch": 2, "weight_decay": 0, "noise": 0, "shift": 0, "cutout": 0}.items():
            if not (value := getattr(self, name)) >= least:
                raise UserError(f"recipe.{name} is {value}, must be at least {least}")
        if not self.learning_rate > 0:
            raise UserError(f"recipe.learning_rate is {self.learning_rate}, must be above 0")
        if not 0 <= self.momentum < 1:
            raise UserError(f"recipe.momentum is {self.momentum}, must be 0..1, 1 excluded")
