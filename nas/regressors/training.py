"""The one way in which networks learn to regress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from nas._threads import one_thread
from nas.types import Values

N = TypeVar("N", bound=nn.Module)


def generator(seed: int, n: int) -> torch.Generator:
    """Random numbers of a training on `n` architectures: a function of both."""
    state = np.random.SeedSequence([seed, n]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))


@dataclass(frozen=True)
class Training:
    """Adam on minibatches, in new order each epoch.

    Attributes:
        epochs: passes over the known values.
        batch: known values a step.
        learning_rate: of Adam at the start.
        weight_decay: of Adam.
        cosine: whether the rate falls to 0 as a cosine.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    cosine: bool = False

    def fit(
        self,
        make: Callable[[], N],
        inputs: Sequence[Tensor],
        targets: Values,
        loss: Callable[[Tensor, Tensor], Tensor],
        seed: int,
    ) -> N:
        """Make a network and train it, with random numbers of its own.

        Args:
            make: the network, whose output is `(n,)` or `(n, 1)`.
            inputs: of the network, each `(n, ...)`.
            targets: `(n,)`.
            loss: of outputs and targets, `(n,)` each.
            seed: 0 or more; each number of known values gets numbers of its own.
        """
        goal = torch.from_numpy(targets).float()
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.set_rng_state(generator(seed, len(targets)).get_state())  # weights, batches and dropout
            network = make()
            optimiser = torch.optim.Adam(
                network.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True
            )
            steps = self.epochs * -(-len(targets) // self.batch)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps) if self.cosine else None
            for _ in range(self.epochs):
                for rows in torch.split(torch.randperm(len(targets)), self.batch):
                    value = loss(network(*(part[rows] for part in inputs)).view(-1), goal[rows])
                    optimiser.zero_grad()
                    value.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    if schedule is not None:
                        schedule.step()
        return network.eval().requires_grad_(False)
