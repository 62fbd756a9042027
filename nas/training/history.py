"""The history of a network's outputs while it trains, and what it tells of the accuracy at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import Images
from nas.errors import OptionError, UserError
from nas.options import Positive, PositiveInt, validated
from nas.training.recalibration import recalibrated
from nas.training.scoring import Part, scores_of
from nas.training.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from nas.networks.classifier import Classifier

HISTORIES = ("fresh_accuracy", "fresh_loss", "consensus_accuracy", "consensus_loss")
"""What a history gives, by name."""

_BATCH = 256  # images scored at once, in each copy
_GIB = 1 << 30
_LEAST = 1e-12  # probability of the true class


@validated
class History:
    """Records soft-max outputs after each epoch, batch-norm statistics recalibrated: an `Observer` of one training.

    Decisions about single images flip from epoch to epoch, but their consensus soon resembles the decisions of the
    trained network (Cao, Wang and Kitani 2021, arXiv 2103.04450, whose features are not told: the soft-max outputs, and
    the later half of the epochs, were chosen by measurement). It gives after each epoch, for each copy:

    - `fresh_accuracy`, 0..1, and `fresh_loss`, mean cross-entropy, of this epoch's outputs;
    - `consensus_accuracy` and `consensus_loss`, of the mean of the outputs of the later half of the epochs, this one
      included: of epoch 2 after 2 epochs, of 2 and 3 after 3.

    A loss is 27.6 at most, and NaN where the training diverged. Each epoch takes one forward pass more over the
    training images and one over the recorded ones. Outputs of earlier epochs than a consensus asks for are forgotten;
    the rest is part of the training's state.

    Args:
        data: what is trained on.
        epochs: of the training, at least 1.
        copies: how many copies are trained side by side, at least 1.
        images: how many validation images are recorded, 1..all, spread evenly over their order; None: all.
        memory: most GiB that the history may take, above 0; a state holds a copy of it.

    Raises:
        OptionError: there are not so many validation images.
        UserError: the history would take more memory.
    """

    def __init__(
        self,
        data: Images,
        epochs: PositiveInt,
        copies: PositiveInt = 1,
        *,
        images: PositiveInt | None = None,
        memory: Positive = 1.0,
    ) -> None:
        there = len(data.y_valid)
        kept = there if images is None else images
        if not 1 <= kept <= there:
            raise OptionError("images", f"is {kept}, must be 1..{there}, the validation images")
        each = (epochs + 1) // 2 * copies * data.classes * np.dtype(np.float32).itemsize
        if kept * each > memory * _GIB:
            most = int(memory * _GIB) // each
            mend = f"record at most {most} of the validation images" if most else "allow more"
            raise UserError(
                f"a history of {kept} images, {data.classes} classes, {epochs} epochs (the later half is kept) and "
                f"{copies} copies takes {kept * each / _GIB:.3g} GiB, but {memory:g} GiB are allowed: {mend}"
            )
        self._rows = np.arange(kept) * there // kept
        self._shape = (kept, copies, data.classes)
        self._epochs = 0
        self._outputs: list[Tensor] = []  # `(images, copies, classes)` of each epoch that is kept

    def after_step(self, network: Classifier) -> None:
        """Nothing."""

    def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> dict[str, Tensor]:
        """Record, and return the numbers of each copy; see the class."""
        import torch

        valid = parts["valid"]
        rows = torch.from_numpy(self._rows).to(valid.labels.device)
        recorded = Part(valid.images[rows], valid.labels[rows])
        with recalibrated(network, parts["train"]):
            outputs = _outputs(network, recorded)
        self._epochs += 1
        self._outputs = [*self._outputs, outputs][-self._kept :]
        total = torch.zeros_like(outputs)
        for one in self._outputs:
            total += one.to(total.device)
        fresh, consensus = (_told(mean, recorded.labels) for mean in (outputs, total / self._kept))
        return dict(zip(HISTORIES, (*fresh, *consensus), strict=True))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """`observer.outputs`, `(epochs kept, images, copies, classes)` float32."""
        return {"observer.outputs": np.stack([one.cpu().numpy() for one in self._outputs])}

    def restore(self, state: State) -> None:
        """Go on from a state.

        Raises:
            UserError: it has no history, or one of other images or copies.
        """
        import torch

        self._epochs = state.epochs
        outputs = state.tensor("observer.outputs", (self._kept, *self._shape), np.dtype(np.float32))
        self._outputs = [torch.from_numpy(one.copy()) for one in outputs]

    @property
    def _kept(self) -> int:
        """How many epochs a consensus is made of."""
        return self._epochs - self._epochs // 2


def _outputs(network: Classifier, part: Part) -> Tensor:
    """Soft-max outputs `(n, copies, classes)`, in evaluation mode."""
    import torch

    with torch.no_grad():
        found = [
            scores_of(network, part.rows(slice(first, first + _BATCH), network.copies)[0]).float().softmax(dim=2)
            for first in range(0, len(part), _BATCH)
        ]
    return torch.cat(found)


def _told(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Accuracy and mean cross-entropy of each copy."""
    accuracy = (outputs.argmax(dim=2) == labels[:, None]).double().mean(dim=0)
    chosen = outputs.gather(2, labels[:, None, None].expand(-1, outputs.shape[1], 1))[..., 0]
    return accuracy, -chosen.double().clamp_min(_LEAST).log().mean(dim=0)
