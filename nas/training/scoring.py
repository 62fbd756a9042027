"""Images of one part of a data set on a device, and how well a network knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    with torch.autocast("cuda", torch.bfloat16, enabled=images.is_cuda):
        scores: Tensor = network(images)
    return scores


def loss_of(network: Classifier, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and correctness of every image in every copy, `(n, copies)` each."""
    from torch.nn.functional import cross_entropy

    scores = scores_of(network, images).float()
    losses = cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
    return losses, scores.argmax(dim=2) == labels


def score(network: Classifier, part: Part) -> tuple[Tensor, Tensor]:
    """Sum of losses and number of correct images of each copy, `(copies,)` each, in evaluation mode."""
    import torch

    network.eval()
    loss = torch.zeros(network.copies, device=part.labels.device)
    correct = torch.zeros(network.copies, dtype=torch.int64, device=part.labels.device)
    with torch.inference_mode():
        for first in range(0, len(part), _BATCH):
            losses, right = loss_of(network, *part.rows(slice(first, first + _BATCH), network.copies))
            loss += losses.sum(dim=0)
            correct += right.sum(dim=0)
    return loss, correct
