"""What is written of the network that was chosen: the module, its weights, figures and the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas._drawing import attempt
from nas._version import __version__
from nas.datasets import Images, chance
from nas.models import source_of, write_model, write_onnx
from nas.retrain.card import card
from nas.retrain.figures import draw_curves
from nas.retrain.plan import Plan
from nas.retrain.training import Trained
from nas.search.plots import draw_cell
from nas.search.trial import Trial
from nas.training import Measure

if TYPE_CHECKING:
    import torch

_LOOKED_AT = 64  # images by which the module is compared with the network


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        trial: of the run.
        trained: its network, tested.
        seed: which of the copies.
        images: what it was trained on.
        compared: all networks that were trained for the choice.
    """

    trial: Trial
    trained: Trained
    seed: int
    images: Images
    compared: Sequence[Trained]

    def doubts(self, measure: Measure) -> list[str]:
        """What is to be said of a test value that is not clearly above that of no network at all."""
        value = float(self.trained.curves.test_value[self.seed])
        level = chance(self.images, "test", measure)
        if not np.isfinite(value) or value > level.most:
            return []
        return [f"warning: that is not clearly above what no network at all has, {level.value:.4f}: do not use it"]


def export(folder: Path, run: Path, plan: Plan, on: str, choice: Choice) -> None:
    """Write the folder; see `nas.models.write_model`.

    Raises:
        UserError: it cannot be written.
    """
    images, trained = choice.images, choice.trained
    tensors = _copy(trained.state.tensors, len(trained.curves.valid_loss), choice.seed)
    part = next(name for name in ("test", "valid", "train") if len(images.part(name)[0]))
    shown = images.part(part)[0][:_LOOKED_AT]
    about = _about(run, plan, on, choice)
    mean, deviation = (
        np.array(about["normalisation"][name], np.float32)[:, None, None] for name in ("mean", "deviation")
    )
    stored = (shown * deviation + mean).astype(np.float32)
    source = source_of(plan.skeleton, trained.graph, about["does"])

    def more(place: Path, model: torch.nn.Module, content: dict[str, Any]) -> None:
        content["onnx_difference"] = write_onnx(place / "model.onnx", model, stored)
        curves, cell = place / "curves.png", place / "cell.png"
        attempt(curves.name, lambda: draw_curves(trained.curves, choice.seed).savefig(curves, dpi=120))
        attempt(cell.name, lambda: draw_cell(cell, trained.graph, choice.trial.key))
        (place / "README.md").write_text(card(content), encoding="utf-8")

    write_model(folder, source, about, tensors, stored, _scores(plan, choice, tensors, shown), more)


def _copy(tensors: Any, copies: int, seed: int) -> dict[str, NDArray[Any]]:
    """The measured weights of one of the networks that were trained side by side."""
    kind = "average." if any(name.startswith("average.") for name in tensors) else "weights."
    return {
        name.removeprefix(kind): tensor if tensor.ndim == 0 else np.split(tensor, copies)[seed]
        for name, tensor in tensors.items()
        if name.startswith(kind)
    }


def _scores(
    plan: Plan, choice: Choice, tensors: dict[str, NDArray[Any]], shown: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What the network that was trained gives, as the training saw it."""
    import torch

    network = plan.skeleton.network(choice.trained.graph, [torch.Generator()])
    network.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in tensors.items()})
    network.eval()
    with torch.inference_mode():
        scores: NDArray[np.float32] = network(torch.from_numpy(shown))[:, 0].numpy()
    return scores


def _about(run: Path, plan: Plan, on: str, choice: Choice) -> dict[str, Any]:
    images, curves, graph = choice.images, choice.trained.curves, choice.trained.graph
    channels, height, width = images.x_train.shape[1:]
    pixels, values = images.pixels, images.values
    names = [str(place) for place in range(images.outputs)] if images.names is None else list(images.names)
    kind = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
    told = f"into {len(names)} classes" if images.target == "class" else "by a value"
    verb = "Classifies" if images.target == "class" else "Rates"
    reader = getattr(plan.dataset, "reader", None)  # of image files
    return {
        "does": f"{verb} {kind} images of {width}x{height} pixels {told}.",
        "classes": names if images.target == "class" else None,
        "values": None if images.target == "class" else _scale(values),
        "image": {"channels": channels, "height": height, "width": width},
        "normalisation": {
            "mean": [0.0] * channels if pixels is None else list(pixels.mean),
            "deviation": [1.0] * channels if pixels is None else list(pixels.deviation),
        },
        "reading": None if reader is None else asdict(reader),
        "measure": plan.measure,
        "test": _known(curves.test_value[choice.seed]),
        "test_of_seeds": [_known(value) for value in curves.test_value],
        "validation_of_seeds": {one.key: [_known(value) for value in one.values] for one in choice.compared},
        "test_images": len(images.y_test),
        "doubts": choice.doubts(plan.measure),
        "parameters": curves.parameters,
        "seed": choice.seed,
        "network": {
            "key": choice.trial.key,
            "operations": [int(label) for label in graph.labels[0]],
            "names": list(graph.operations),
            "edges": np.argwhere(graph.adjacency[0]).tolist(),
        },
        "skeleton": {"kind": type(plan.skeleton).__name__, **asdict(plan.skeleton)},
        "recipe": asdict(plan.recipe),
        "trained_on": {
            "dataset": plan.dataset.name,
            "parts": on,
            "images": len(images.y_train),
            "sha256": images.digest,
        },
        "seconds": round(float(curves.seconds[-1]), 1),
        "run": str(run),
        "made_with": {"nas": __version__, "torch": _torch()},
    }


def _scale(values: Any) -> dict[str, float]:
    return {"mean": values.mean[0] if values else 0.0, "deviation": values.deviation[0] if values else 1.0}


def _known(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _torch() -> str:
    import torch

    return str(torch.__version__)
