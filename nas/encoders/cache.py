"""Trained weights in the user's cache folder."""

from __future__ import annotations

import inspect
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from nas._paths import cache_folder
from nas._threads import one_thread

Weights = dict[str, NDArray[Any]]

_log = logging.getLogger(__name__)


def fingerprint(*settings: object, code: list[type], modules: Sequence[ModuleType] = ()) -> str:
    """Digest of settings and of source files: of modules, and of those that define classes and their bases."""
    owners = [base for owner in code for base in owner.__mro__ if base.__module__ != "builtins"]
    sources = sorted({*(inspect.getsourcefile(owner) or "" for owner in owners), *(str(m.__file__) for m in modules)})
    digest = sha256(repr(settings).encode())
    for source in sources:
        if Path(source).is_file():
            digest.update(Path(source).read_bytes())
    return digest.hexdigest()[:24]


def trained(name: str, train: Callable[[], Weights]) -> Weights:
    """Return the weights stored under `name`; where there are none, or the file is damaged, train and store them.

    The file appears whole or not at all. Of several processes that want the same weights one trains; the others wait.
    """
    from filelock import FileLock
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    folder = cache_folder() / "encoders"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    with FileLock(path.with_suffix(".lock")):
        if path.is_file():
            try:
                return _load(path)
            except (SafetensorError, ValueError) as error:
                _log.warning("%s is damaged (%s): training the encoder anew", path, error)
        _log.info("training the encoder once for this space and these settings (then kept at %s)", path)
        with one_thread():
            weights = train()
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        os.close(handle)
        save_file(weights, temporary, metadata={"sha256": _digest(weights)})
        os.replace(temporary, path)
    return weights


def _load(path: Path) -> Weights:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it has no iterator)
        stated = (file.metadata() or {}).get("sha256")
    if stated != _digest(weights):
        raise ValueError("its content does not match its digest")
    return weights


def _digest(weights: Weights) -> str:
    digest = sha256()
    for name, array in sorted(weights.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
