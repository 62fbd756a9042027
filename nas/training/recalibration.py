"""Batch-norm statistics computed anew from the training images, for as long as a network is scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.training.scoring import Part, scores_of

if TYPE_CHECKING:
    from nas.networks.classifier import Classifier

_BATCH = 256  # images of which statistics are taken at once, in each copy


@contextmanager
def recalibrated(network: Classifier, train: Part) -> Iterator[None]:
    """Let every batch norm use the mean of its batches' statistics over the training images, not augmented.

    While a network learns, its running statistics lag behind its weights: with momentum 0.1 and few steps in an epoch
    an early accuracy tells more of that lag than of the network (Izmailov et al. 2018, section 3.2, on averaged
    weights). One forward pass over the training images mends it. Afterwards the statistics are what they were.

    Args:
        network: left in evaluation mode.
        train: the training images, at least 2.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    kept = [({name: buffer.clone() for name, buffer in norm.named_buffers()}, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches
        network.train()
        with torch.no_grad():
            parts = -(-len(train) // _BATCH)
            for rows in torch.arange(len(train)).tensor_split(parts):  # of equal size, give or take one
                images, _ = train.rows(slice(int(rows[0]), int(rows[-1]) + 1), network.copies)
                scores_of(network, images)
        network.eval()
        yield
    finally:
        network.eval()
        for norm, (buffers, momentum) in zip(norms, kept, strict=True):
            norm.momentum = momentum
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
