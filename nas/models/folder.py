"""The folder of a trained network."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

if TYPE_CHECKING:
    import torch

FILES = ("model.safetensors", "model.py", "model.json")
"""What every such folder holds; beside them a card, figures and, perhaps, `model.onnx`."""
_FORMAT = 1
_AGREE = 1e-3  # largest difference of scores, in their largest magnitude, between the network and its module


def found_model(folder: Path) -> Model:
    """The model in a folder, or that of the run in a folder.

    Raises:
        UserError: there is none.
    """
    inside = folder / "model"
    return Model(inside if (folder / "config.yaml").exists() and inside.is_dir() else folder)


def write_model(
    folder: Path,
    source: str,
    about: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    images: NDArray[np.float32],
    scores: NDArray[np.float32],
    more: Callable[[Path, torch.nn.Module, dict[str, Any]], None],
) -> None:
    """Write a folder whole or not at all; it takes the place of one that was there.

    Args:
        folder: its parent exists.
        source: of `model.py`; see `source_of`.
        about: what `model.json` holds, but for digests: `classes`, `image`, `normalisation`, `values`, and more.
        tensors: of the trained network, in its order.
        images: `(n, channels, height, width)` as they are stored, to see that the module does what the network does.
        scores: `(n, classes)` that the network gives for these.
        more: writes further files into the folder that it gets, given the module and what `model.json` will hold.

    Raises:
        UserError: the module gives other scores than the network, or the files cannot be written.
    """
    part = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        (part / "model.py").write_text(source, encoding="utf-8")
        module = _imported(part / "model.py")
        content = {"format": _FORMAT, **about}
        model = module.Model(content)
        named = _named(model.network, tensors)
        _check(model, named, images, scores)
        _write_tensors(part / "model.safetensors", named)
        more(part, model, content)
        content["sha256"] = {
            path.name: sha256(path.read_bytes()).hexdigest()
            for path in sorted(part.iterdir())
            if path.name in FILES or path.suffix == ".onnx"
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (part / "model.json").write_text(text + "\n", encoding="utf-8")
        for path in part.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        old = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            os.replace(folder, old)
        os.replace(part, folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"the model cannot be written to {folder} ({error.strerror or error}): make room or name another folder, "
            f"and repeat the command: nothing is trained anew"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _named(network: torch.nn.Module, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tensors under the names that the module has for them, in its shapes."""
    wanted = network.state_dict()
    if [tensor.numel() for tensor in wanted.values()] != [tensor.size for tensor in tensors.values()]:
        raise UserError("the module that was written has other parameters than the network that was trained")
    pairs = zip(wanted.items(), tensors.values(), strict=True)
    return {name: np.ascontiguousarray(tensor.reshape(tuple(own.shape))) for (name, own), tensor in pairs}


def _check(
    model: Any, named: Mapping[str, NDArray[Any]], images: NDArray[np.float32], scores: NDArray[np.float32]
) -> None:
    import torch

    model.network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in named.items()})
    model.eval()
    with torch.inference_mode():
        found = model.network(torch.from_numpy(images)).numpy()
    most = float(np.abs(found - scores).max())
    if not most <= _AGREE * max(1.0, float(np.abs(scores).max())):
        raise UserError(
            f"the module that was written gives other scores than the network that was trained, by {most:g}"
        )


def _write_tensors(path: Path, named: Mapping[str, NDArray[Any]]) -> None:
    from safetensors.numpy import save

    path.write_bytes(save(dict(named)))


def _imported(path: Path) -> Any:
    """The module of a file, under a name of its own."""
    name = f"nas_model_{sha256(str(path.absolute()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Model:
    """A trained network in its folder.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What `model.json` holds.

        Raises:
            UserError: there is none, or it is damaged or of another version.
        """
        path = self.folder / "model.json"
        try:
            about = dict(json.loads(path.read_bytes()))
            complete = about["format"] == _FORMAT and {*FILES[:2]} <= about["sha256"].keys()
        except OSError as error:
            raise UserError(
                f"{self.folder} holds no model (no model.json): name a folder that nas.retrain left"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} is damaged ({error}): copy the folder again, or retrain") from error
        if not complete:
            raise UserError(
                f"{path} is of format {about['format']!r}, must be {_FORMAT}: use the version that wrote it"
            )
        return about

    @cached_property
    def model(self) -> Any:
        """The module of `model.py`, in evaluation mode: `model(images)`, `model.predict(images)`.

        Raises:
            UserError: a file is missing, or is not the one that was written.
        """
        for name, digest in self.about["sha256"].items():
            path = self.folder / name
            try:
                found = sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                if name not in FILES:  # a file more, which nobody needs to predict
                    continue
                raise UserError(f"{path} cannot be read ({error.strerror}): copy the folder again") from error
            if found != digest:
                raise UserError(
                    f"{path} is not the file that was written (its digest is another): copy the folder again"
                )
        try:
            return _imported(self.folder / "model.py").load(self.folder)
        except (ValueError, KeyError, RuntimeError) as error:
            raise UserError(f"the model in {self.folder} cannot be read: {error}") from error
