"""Images of one part of a data set on a device, and how well a network knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.training.measures import Measure, measured

if TYPE_CHECKING:
    from torch import Tensor

    from nas.networks.classifier import Classifier

_BATCH = 256  # images scored at once, in each copy


@dataclass(frozen=True, eq=False)
class Part:
    """Images `(n, channels, height, width)` and labels `(n,)` of one part of a data set, on the device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: slice, copies: int) -> tuple[Tensor, Tensor]:
        """The same images for every copy: `(n, copies * channels, h, w)` and labels `(n, copies)`."""
        return self.images[rows].repeat(1, copies, 1, 1), self.labels[rows, None].expand(-1, copies)


def scores_of(network: Classifier, images: Tensor) -> Tensor:
    """Scores `(n, copies, classes)` in the network's mode; on CUDA in mixed precision, channels last."""
    import torch

    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cuda", torch.bfloat16, enabled=images.is_cuda and network.mixed_precision):
        scores: Tensor = network(images)
    return scores


def loss_of(
    network: Classifier, images: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Loss and prediction of every image in every copy, `(n, copies)` each.

    Args:
        network: in any mode.
        images: `(n, copies * channels, h, w)`.
        labels: `(n, copies)`: classes, of which the loss is the cross-entropy, or floating values, squared error.
        weights: of the classes; None: 1.
        smoothing: share of the label that is spread over all classes (Szegedy et al. 2016, section 7).
    """
    from torch.nn.functional import cross_entropy

    scores = scores_of(network, images).float()
    if labels.is_floating_point():
        return (scores[..., 0] - labels).square(), scores[..., 0].detach()
    losses = cross_entropy(
        scores.flatten(0, 1), labels.flatten(), weights, reduction="none", label_smoothing=smoothing
    ).view_as(labels)
    return losses, scores.argmax(dim=2)


@dataclass(frozen=True, eq=False)
class Scored:
    """What scoring of one part told, of each copy.

    Attributes:
        losses: `(copies,)` sums.
        correct: `(copies,)` images classified correctly; 0 of values.
        value: `(copies,)` the measure; see `nas.training.measures`.
    """

    losses: Tensor
    correct: Tensor
    value: NDArray[np.float64]


def score(network: Classifier, part: Part, measure: Measure = "accuracy") -> Scored:
    """Score a network in evaluation mode."""
    import torch

    network.eval()
    loss = torch.zeros(network.copies, device=part.labels.device)
    told = [part.labels.new_zeros((0, network.copies))]
    with torch.inference_mode():
        for first in range(0, len(part), _BATCH):
            losses, predicted = loss_of(network, *part.rows(slice(first, first + _BATCH), network.copies))
            loss += losses.sum(dim=0)
            told.append(predicted)
    predicted = torch.cat(told)
    value = measured(measure, predicted.cpu().numpy(), part.labels.cpu().numpy())
    return Scored(loss, correct_of(predicted, part.labels[:, None]), value)


def correct_of(predicted: Tensor, labels: Tensor) -> Tensor:
    """How many images of each copy are classified correctly, `(copies,)`; 0 of values."""
    right = predicted == labels
    return right.sum(dim=0) * (not labels.is_floating_point())
