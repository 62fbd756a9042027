"""Batch-norm statistics computed anew from the training images, for as long as a network is scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.training.measures import Measure
from nas.training.scoring import Part, score, scores_of
from nas.training.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from nas.networks.classifier import Classifier

FRESH_ACCURACY = "fresh_accuracy"
"""What `FreshAccuracy` gives: its name among `Curves.observed`."""

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


class FreshAccuracy:
    """Measures, once, the validation value with batch-norm statistics computed anew; an `Observer`.

    Its `fresh_accuracy` is that value after that epoch, and NaN after all others.

    Args:
        epoch: after which; None: after none.
        measure: what it is, if not the accuracy.
    """

    def __init__(self, epoch: int | None, measure: Measure = "accuracy") -> None:
        self._epoch, self._over, self._measure = epoch, 0, measure

    def after_step(self, network: Classifier) -> None:
        """Do nothing."""

    def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> Mapping[str, Tensor]:
        """`(copies,)`: see above."""
        import torch

        self._over += 1
        if self._over != self._epoch:
            return {FRESH_ACCURACY: torch.full((network.copies,), torch.nan)}
        with recalibrated(network, parts["train"]):
            scored = score(network, parts["valid"], self._measure)
        return {FRESH_ACCURACY: torch.from_numpy(scored.value)}

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Nothing beyond what the curves hold."""
        return {}

    def restore(self, state: State) -> None:
        """Count on. Raises UserError for a state that nobody measured so, or not after the epoch where it stopped."""
        shape = state.tensors["curves.valid_loss"].shape
        measured = state.tensor(f"curves.observed.{FRESH_ACCURACY}", shape, np.dtype(np.float64))
        if state.epochs == self._epoch and np.isnan(measured[:, -1]).any():
            raise UserError(f"the state has no {FRESH_ACCURACY} after epoch {self._epoch}: start without this state")
        self._over = state.epochs
