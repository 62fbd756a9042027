"""Trained weights in the user's cache folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nas._paths import cache_folder
from nas._threads import one_thread

Weights = dict[str, NDArray[Any]]

_log = logging.getLogger(__name__)


def trained(name: str | None, train: Callable[[], Weights]) -> Weights:
    """Return the weights stored under `name`; where there are none, or the file is damaged, train and store them.

    The file appears whole or not at all, so that it is read without a lock. Of several processes that want the same
    weights one trains; the others wait. Weights that cannot be stored are told of by one warning.

    Args:
        name: see `nas.encoders.fingerprint`; None: nothing is stored.
        train: makes the weights.
    """
    from filelock import FileLock
    from safetensors import SafetensorError

    if name is None:
        _log.warning("the code of the encoder or the space has no file: the encoder is trained for this process alone")
        return _train(train)
    path = cache_folder() / "encoders" / f"{name}.safetensors"
    with suppress(OSError, SafetensorError, ValueError):
        return _load(path)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        _warn(path.parent, error)
        return _train(train)
    try:
        return _load_or_train(path, train)
    finally:
        lock.release()


def _load_or_train(path: Path, train: Callable[[], Weights]) -> Weights:
    from safetensors import SafetensorError

    try:
        return _load(path)  # another process has trained meanwhile
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError, ValueError) as error:
        _log.warning("%s is damaged (%s): training the encoder anew", path, error)
    _log.info("training the encoder once for this space and these settings (then kept at %s)", path)
    weights = _train(train)
    _store(path, weights)
    return weights


def _train(train: Callable[[], Weights]) -> Weights:
    with one_thread():
        return train()


def _warn(folder: Path, error: Exception) -> None:
    _log.warning(
        "the trained encoder cannot be kept in %s (%s): it is trained anew by every run; set NAS_CACHE_DIR to a folder "
        "that can be written", folder, getattr(error, "strerror", None) or error,
    )  # fmt: skip


def _store(path: Path, weights: Weights) -> None:
    """Write the file; the lock is held, so that nobody else writes the same part."""
    from safetensors.numpy import save

    part = path.with_suffix(".part")
    try:
        part.write_bytes(save(weights, metadata={"sha256": _digest(weights)}))
        os.replace(part, path)
    except OSError as error:
        _warn(path.parent, error)
        with suppress(OSError):
            part.unlink()


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
