"""Where a training stopped, as named tensors, and its file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import Images
from nas.errors import UserError
from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.networks import Skeleton
from nas.training.recipe import Recipe


class DamagedStateError(UserError):
    """The file of a state is damaged, such as by a full disk, or never was one."""


@dataclass(frozen=True, eq=False)
class State:
    """All that a training needs to go on from the end of an epoch; nothing in it is code.

    Attributes:
        tensors: `weights.*`, the parameters and buffers under their names in the network; `average.*`, their moving
            average where one is taken; `kept.*`, those of the best epoch where they are kept; `momentum.*`, the
            optimizer's; `schedule.step` and `schedule.learning_rate`; `orders`, the states of the generators of image
            orders and augmentation, `(s, bytes)`; `curves.*`, see `Curves`; `observer.*`, what an observer remembers.
        training: of what: the graph, the skeleton, the recipe, the seeds, and the SHA-256 of the images, as text.
    """

    tensors: Mapping[str, NDArray[Any]]
    training: Mapping[str, str]

    @property
    def epochs(self) -> int:
        """How many epochs are over."""
        return len(self.tensors["curves.seconds"])

    @property
    def seconds(self) -> float:
        """Wall seconds they took."""
        return float(self.tensors["curves.seconds"][-1])

    def check(self, training: Mapping[str, str]) -> None:
        """Raise UserError unless this is the state of that training, as `description` tells it."""
        for name in {**training, **self.training}:
            if (stated := self.training.get(name)) != (wanted := training.get(name)):
                raise UserError(
                    f"the state's {name} is {stated}, but that of this training is {wanted}: "
                    f"go on from a state of the same training, or start without one"
                )

    def tensor(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """The tensor of that name; raises UserError where it is missing or another than the training needs."""
        found = self.tensors.get(name)
        if found is None or (found.shape, found.dtype) != (shape, dtype):
            kind = "missing" if found is None else f"{found.dtype} {found.shape}"
            raise UserError(f"the state's {name} is {kind}, must be {dtype} {shape}: start without this state")
        return found


def description(
    graph: Graphs, images: Images, skeleton: Skeleton, recipe: Recipe, seeds: Sequence[int]
) -> dict[str, str]:
    """Tell trainings apart that must not go on from each other's state."""
    names = {INPUT: "input", OUTPUT: "output", **dict(enumerate(graph.operations, FIRST_OPERATION))}
    labels = graph.labels[0][graph.labels[0] != ABSENT]
    vertices = [
        f"{names[label]}({','.join(map(str, np.flatnonzero(graph.adjacency[0][:, vertex])))})"
        for vertex, label in enumerate(labels.tolist())
    ]
    return {
        "graph": " ".join(vertices),
        "skeleton": type(skeleton).__name__,
        **{f"skeleton.{name}": str(value) for name, value in asdict(skeleton).items()},
        **{f"recipe.{name}": str(value) for name, value in recipe.told().items()},
        "seeds": ", ".join(map(str, seeds)),
        "images": images.digest,
    }


def save_state(path: str | Path, state: State) -> None:
    """Write a state as safetensors; the file is there whole or not at all, and replaces one that was there.

    Raises:
        UserError: it cannot be written.
    """
    from safetensors.numpy import save

    path, part = Path(path), _part(path)
    content = save(dict(state.tensors), metadata={**state.training, "sha256": _digest(state)})
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"the state cannot be written to {path}: {error.strerror}") from error


def load_state(path: str | Path) -> State:
    """Read what `save_state` wrote.

    Raises:
        DamagedStateError: the file is damaged, or is no state of a training.
        UserError: the file is missing, or cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            training = dict(file.metadata() or {})
            stated = training.pop("sha256", None)
            names = file.keys() if stated else []
            state = State({name: file.get_tensor(name) for name in names}, training)
    except OSError as error:
        raise UserError(f"no state can be read from {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise DamagedStateError(f"{path} is damaged, or no state of a training ({error}): start without it") from error
    if stated is None or stated != _digest(state):
        text = f"{path} is damaged, or no state of a training (its digest is another): start without it"
        raise DamagedStateError(text)
    return state


def remove_state(path: str | Path) -> None:
    """Remove a file of `save_state`, and what a write that was killed left of it; either may be missing.

    Raises:
        UserError: it cannot be removed.
    """
    try:
        for file in (Path(path), _part(path)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"the state {path} cannot be removed: {error.strerror}") from error


def _part(path: str | Path) -> Path:
    """The file while it is written; one that a kill left is written over."""
    return Path(f"{path}.part")


def _digest(state: State) -> str:
    digest = sha256(repr(sorted(state.training.items())).encode())
    for name, array in sorted(state.tensors.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
