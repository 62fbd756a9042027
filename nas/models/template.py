"""What each `model.py` is made of, around the classes of its network."""

MODEL = '''"""$about

    from model import load

    model = load()                  # with the weights beside this file
    model.predict(images)           # of images (n, channels, height, width) as they are stored, such as 0..255

It needs PyTorch alone. README.md tells how the network was found and how good it is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import nn


$network


class Model(nn.Module):
    """The network and what it was trained to tell; see `model.json`.

    Args:
        about: what `model.json` holds.
    """

    def __init__(self, about: dict) -> None:
        super().__init__()
        self.about = about
        self.classes: list[str] | None = about["classes"]
        self.shape = tuple(about["image"][name] for name in ("channels", "height", "width"))
        self.network = Network(about["normalisation"]["mean"], about["normalisation"]["deviation"])
        named, told = 1 if self.classes is None else len(self.classes), self.network.dense.out_features
        if named != told:
            raise ValueError(f"model.json names {named} classes, but the network tells {told}")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images `(n, channels, height, width)` to scores `(n, classes)`, or to values `(n,)`."""
        scores = self.network(images.float())
        if self.classes is not None:
            return scores
        return scores[:, 0] * self.about["values"]["deviation"] + self.about["values"]["mean"]

    @torch.inference_mode()
    def predict(self, images: torch.Tensor) -> list[str] | list[float]:
        """Return the class of each image, or its value.

        Args:
            images: `(n, channels, height, width)`, whole numbers or floats, in the unit in which they are stored.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            channels, height, width = self.shape
            raise ValueError(f"images are {tuple(images.shape)}, must be (n, {channels}, {height}, {width})")
        self.eval()
        told = self(images)
        return told.tolist() if self.classes is None else [self.classes[place] for place in told.argmax(dim=1)]

    @torch.inference_mode()
    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """Return the probability of each class, `(n, classes)`."""
        self.eval()
        return self(images).softmax(dim=1)


def load(folder: str | Path | None = None) -> Model:
    """Read the model of a folder, that of this file if none is named, in evaluation mode.

    Raises ValueError for a file that is not the one that was written.
    """
    folder = Path(__file__).parent if folder is None else Path(folder)
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    content = (folder / "model.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != about["sha256"]["model.safetensors"]:
        raise ValueError(f"{folder / 'model.safetensors'} is damaged: its digest is not the one in model.json")
    model = Model(about)
    model.network.load_state_dict(read(content))
    return model.eval()


def read(content: bytes) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    header, body = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    kinds = {"F32": torch.float32, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            flat = torch.frombuffer(body[start:end], dtype=kinds[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    return tensors
'''
