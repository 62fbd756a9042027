"""The long trainings of a few networks: with checkpoints, so that a killed one goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Images
from nas.errors import UserError
from nas.graphs import Graphs
from nas.retrain.plan import Plan
from nas.training import Curves, DamagedStateError, State, description, load_state, save_state, train

_log = logging.getLogger("nas.retrain")

Seen = Callable[[str, Curves], None]


@dataclass(frozen=True)
class Trained:
    """One network, trained with several seeds.

    Attributes:
        key: of the network.
        graph: of the network.
        curves: of all seeds.
        state: at the end.
    """

    key: str
    graph: Graphs
    curves: Curves
    state: State

    @property
    def values(self) -> NDArray[np.float64]:
        """`(seeds,)`: the validation values at the end."""
        return self.curves.valid_value[:, -1]


@dataclass(frozen=True)
class Trainer:
    """Trains networks of a plan, all seeds of one side by side.

    Attributes:
        plan: what and how.
        seeds: one for each copy.
        folder: for the checkpoints; it exists.
        device: `cpu` or `cuda`, or one CUDA device.
        threads: PyTorch's; None: as they are.
        seen: is called after each epoch.
    """

    plan: Plan
    seeds: Sequence[int]
    folder: Path
    device: str
    threads: int | None
    seen: Seen

    def train(self, key: str, graph: Graphs, images: Images, name: str) -> Trained:
        """Train one network, or go on with it.

        Args:
            key: of the network.
            graph: of the network.
            images: what is trained on.
            name: of the training, which its checkpoint has, too.

        Raises:
            UserError: the loss became infinite, or a checkpoint is of another training.
        """
        plan, path = self.plan, self.folder / f"{name}.safetensors"
        before = self._state(path, graph, images)
        if before is not None:
            _log.info("%s goes on after %d epochs", name, before.epochs)

        def on_epoch(curves: Curves, state: Callable[[], State]) -> None:
            save_state(path, state())
            self.seen(name, curves)

        curves, state = train(
            graph, images, plan.skeleton, plan.recipe, self.seeds, self.device, self.threads,
            state=before, on_epoch=on_epoch, test=False, measure=plan.measure,
        )  # fmt: skip
        if not np.isfinite(curves.train_loss).all():
            raise UserError(
                f"the loss of network {key} became infinite: lower recipe.learning_rate={plan.recipe.learning_rate:g}"
            )
        return Trained(key, graph, curves, state)

    def tested(self, trained: Trained, images: Images) -> Trained:
        """Score the test images, for the first and last time."""
        plan = self.plan
        curves, _ = train(
            trained.graph, images, plan.skeleton, plan.recipe, self.seeds, self.device, self.threads,
            state=trained.state, measure=plan.measure,
        )  # fmt: skip
        return replace(trained, curves=curves)

    def _state(self, path: Path, graph: Graphs, images: Images) -> State | None:
        if not path.exists():
            return None
        try:
            state = load_state(path)
        except DamagedStateError:
            _log.warning("checkpoint %s is damaged: its training begins anew", path)
            return None
        try:
            state.check(description(graph, images, self.plan.skeleton, self.plan.recipe, self.seeds))
        except UserError as error:
            raise UserError(f"{path} is of another retraining ({error}): name another folder with --out") from error
        return state
