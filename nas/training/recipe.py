"""How a candidate is trained, as plain numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import ceil
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from nas.options import Natural, NonNegative, Positive, PositiveInt, validated

_EPOCHS, _BATCH, _STEPS, _MOST_EPOCHS = 8, 32, 240, 200

_LATER = ("label_smoothing", "warmup", "averaging", "class_weights", "mixed_precision")
"""What recipes had not at first; a run from before then is one with the defaults."""


@validated
@dataclass(frozen=True)
class RecipeOptions:
    """How a candidate is trained, as far as it does not follow from number and size of the images; see `Recipe`.

    Args:
        epochs: passes over the training images, at least 1; None: 8, and for few images so many that there are 240
            steps, at most 200.
        batch: images in a step, at least 2; what is left of an epoch after the last full batch is not used. None: 32,
            and of fewer than 128 images a quarter, rounded down to a power of 2.
        learning_rate: at the start, above 0.
        momentum: 0..1, 1 excluded.
        weight_decay: at least 0; for all parameters.
        noise: standard deviation of what is added to every pixel of a training image, in the images' unit; at least 0.
        shift: most pixels a training image is moved, in each direction, at least 0; what comes in is 0. None: an eighth
            of the shorter side, at least 1.
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

    epochs: PositiveInt | None = None
    batch: Annotated[int, Ge(2)] | None = None
    learning_rate: Positive = 0.05
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    weight_decay: NonNegative = 0.0005
    noise: NonNegative = 0.0
    shift: Natural | None = None
    flip: bool = False
    cutout: Natural = 0
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    warmup: NonNegative = 0.0
    averaging: NonNegative = 0.0
    class_weights: Literal["balanced"] | None = None
    mixed_precision: bool = True

    def following(self, images: int, side: int) -> Recipe:
        """The recipe for so many training images of that shorter side; over few of them there are more passes."""
        shift = max(side // 8, 1) if self.shift is None else self.shift
        batch = self.batch or (_BATCH if images >= 4 * _BATCH else max(2, 1 << max(images // 4, 1).bit_length() - 1))
        epochs = self.epochs or min(max(_EPOCHS, ceil(_STEPS / max(images // batch, 1))), _MOST_EPOCHS)
        return Recipe(**{**asdict(self), "epochs": epochs, "batch": batch, "shift": shift})


@validated
@dataclass(frozen=True)
class Recipe(RecipeOptions):
    """How a candidate is trained: SGD with Nesterov momentum, the learning rate falling to 0 as a cosine, by step.

    Args:
        epochs: passes over the training images, at least 1.
        batch: images in a step, at least 2; what is left of an epoch after the last full batch is not used.
        shift: most pixels a training image is moved, in each direction, at least 0; what comes in is 0.

    See `RecipeOptions` for the other arguments.

    Raises:
        OptionError: a number is out of its range.
    """

    epochs: PositiveInt = 8
    batch: Annotated[int, Ge(2)] = 32
    shift: Natural = 1

    def following(self, images: int, side: int) -> Recipe:
        """This recipe, whatever the images."""
        return self

    def told(self) -> dict[str, Any]:
        """All numbers by name, without those that recipes had not at first where they are as they were then."""
        defaults = {field.name: field.default for field in fields(self)}
        return {n: value for n, value in asdict(self).items() if n not in _LATER or value != defaults[n]}

    @property
    def augmentation(self) -> dict[str, Any]:
        """How training images are changed, by name."""
        return {name: getattr(self, name) for name in ("noise", "shift", "flip", "cutout")}
