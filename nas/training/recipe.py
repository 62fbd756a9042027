"""How a candidate is trained, as plain numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from nas.options import Natural, NonNegative, Positive, PositiveInt, validated

_LATER = ("label_smoothing", "warmup", "averaging", "class_weights", "mixed_precision")
"""What recipes had not at first; a run from before then is one with the defaults."""


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
        label_smoothing: share of each label that is spread over all classes (Szegedy et al. 2016, section 7), below 1.
        warmup: epochs, at least 0, in which the learning rate first rises to where the cosine is then.
        averaging: epochs, at least 0, over which an exponential moving average of the weights reaches back (Polyak and
            Juditsky 1992): its decay is one step's share of them. That average is what is measured; 0: none is taken.
        class_weights: `balanced`: each class weighs as much as any other in the loss; None: each image does.
        mixed_precision: whether to compute in bfloat16 on CUDA.

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
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    warmup: NonNegative = 0.0
    averaging: NonNegative = 0.0
    class_weights: Literal["balanced"] | None = None
    mixed_precision: bool = True

    def told(self) -> dict[str, Any]:
        """All numbers by name, without those that recipes had not at first where they are as they were then."""
        defaults = {field.name: field.default for field in fields(self)}
        return {n: value for n, value in asdict(self).items() if n not in _LATER or value != defaults[n]}

    @property
    def augmentation(self) -> dict[str, Any]:
        """How training images are changed, by name."""
        return {name: getattr(self, name) for name in ("noise", "shift", "flip", "cutout")}
