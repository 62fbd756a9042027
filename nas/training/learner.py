"""The network that learns, with all that decides its next step."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.graphs import ABSENT, Graphs
from nas.networks import Skeleton
from nas.training.recipe import Recipe
from nas.training.state import State

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nas.networks.classifier import Classifier


class Learner:
    """A network, its optimizer and schedule, and the generators of image orders and augmentation.

    `measured` is the moving average of the network where the recipe asks for one, else the network itself.

    Args:
        graph: one graph.
        skeleton: what surrounds the cells.
        recipe: how to train.
        seeds: one for each copy.
        steps: of the optimizer in an epoch.
        device: where the network is.
    """

    def __init__(
        self, graph: Graphs, skeleton: Skeleton, recipe: Recipe, seeds: Sequence[int], steps: int, device: str
    ) -> None:
        import torch

        weights, self.orders = _generators(graph, seeds)
        self.network = skeleton.network(graph, weights).to(device)
        self.network.mixed_precision = recipe.mixed_precision
        self.measured = copy.deepcopy(self.network) if recipe.averaging else self.network
        self._kept: dict[str, Tensor] | None = None
        self._keeps = 1 - 1 / max(1.0, recipe.averaging * steps)
        self._optimizer = torch.optim.SGD(
            self.network.parameters(),
            recipe.learning_rate,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.momentum > 0,
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, recipe.epochs * steps)
        self._warmup = recipe.warmup * steps

    def step(self) -> None:
        """Move the weights along their gradients, and clear these."""
        done = self._schedule.last_epoch
        group = self._optimizer.param_groups[0]
        rate = group["lr"]
        if done < self._warmup:
            group["lr"] = rate * (done + 1) / (self._warmup + 1)
        self._optimizer.step()
        group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        self._schedule.step()
        if self.measured is not self.network:
            self._average(min(self._keeps, (done + 1) / (done + 10)))  # the first steps are soon forgotten

    def _average(self, keeps: float) -> None:
        """Draw the average, of weights and of batch-norm statistics, towards what the network is now."""
        import torch

        means, nows = self._averaged
        with torch.no_grad():
            torch._foreach_lerp_(means, nows, 1 - keeps)

    @cached_property
    def _averaged(self) -> tuple[list[Tensor], list[Tensor]]:
        """What is averaged, and what it is drawn to: they stay in place, as `restore` fills them."""
        pairs = zip(self.measured.state_dict().values(), self.network.state_dict().values(), strict=True)
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        return [mean for mean, _ in floating], [now for _, now in floating]

    def keep(self) -> None:
        """Remember the measured network as it is now."""
        self._kept = {name: tensor.clone() for name, tensor in self.measured.state_dict().items()}

    def recall(self) -> Classifier:
        """The measured network as it was kept, where it was: training does not go on from it."""
        if self._kept is None:
            return self.measured
        kept = copy.deepcopy(self.measured)
        kept.load_state_dict(self._kept)
        return kept

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Copies of all that changes; see `nas.training.state.State`."""
        import torch

        named = {f"weights.{name}": tensor for name, tensor in self.network.state_dict().items()}
        if self.measured is not self.network:
            named |= {f"average.{name}": tensor for name, tensor in self.measured.state_dict().items()}
        named |= {f"kept.{name}": tensor for name, tensor in (self._kept or {}).items()}
        for name, parameter in self.network.named_parameters():
            momentum = self._optimizer.state.get(parameter, {}).get("momentum_buffer")
            if momentum is not None:  # none without momentum, or for weights that nothing depends on
                named[f"momentum.{name}"] = momentum
        named["orders"] = torch.stack([generator.get_state() for generator in self.orders])
        return {
            **{name: tensor.cpu().numpy().copy("C") for name, tensor in named.items()},
            "schedule.step": np.array(self._schedule.last_epoch),
            "schedule.learning_rate": np.array(self._optimizer.param_groups[0]["lr"]),
        }

    def restore(self, state: State) -> None:
        """Go on from a state that `tensors` gave.

        Raises:
            UserError: the state has other tensors.
        """
        import torch

        for name, tensor in self.network.state_dict().items():
            _fill(tensor, state, f"weights.{name}")
        for name, tensor in self.measured.state_dict().items() if self.measured is not self.network else ():
            _fill(tensor, state, f"average.{name}")
        if any(name.startswith("kept.") for name in state.tensors):
            self.keep()
            for name, tensor in (self._kept or {}).items():
                _fill(tensor, state, f"kept.{name}")
        for name, parameter in self.network.named_parameters():
            if f"momentum.{name}" in state.tensors:
                momentum = torch.empty_like(parameter)  # in its memory format, which the fused step relies on
                _fill(momentum, state, f"momentum.{name}")
                self._optimizer.state[parameter]["momentum_buffer"] = momentum
        orders = torch.stack([generator.get_state() for generator in self.orders])
        _fill(orders, state, "orders")
        for generator, order in zip(self.orders, orders, strict=True):
            generator.set_state(order.clone())  # it reads from the start of the storage, whatever the view
        step = int(state.tensor("schedule.step", (), np.dtype(np.int64)))
        self._schedule.load_state_dict({"last_epoch": step})
        rate = float(state.tensor("schedule.learning_rate", (), np.dtype(np.float64)))
        self._optimizer.param_groups[0]["lr"] = rate


def _fill(tensor: Tensor, state: State, name: str) -> None:
    import torch

    dtype = tensor.new_empty(0, device="cpu").numpy().dtype
    tensor.copy_(torch.from_numpy(np.array(state.tensor(name, tuple(tensor.shape), dtype))))


def _generators(graph: Graphs, seeds: Sequence[int]) -> tuple[list[torch.Generator], list[torch.Generator]]:
    """For each seed one generator of initial weights and one of image orders, independent of those of other graphs."""
    import torch

    there = graph.labels[0] != ABSENT
    adjacency = graph.adjacency[0][np.ix_(there, there)]
    network = int.from_bytes(np.packbits(adjacency).tobytes() + graph.labels[0][there].tobytes(), "little")
    states = np.array([np.random.SeedSequence([seed, network]).generate_state(2, np.uint64) for seed in seeds])
    weights, orders = ([torch.Generator().manual_seed(int(state)) for state in column] for column in states.T)
    return weights, orders
