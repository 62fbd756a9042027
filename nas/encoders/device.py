"""The torch device that an option names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError

if TYPE_CHECKING:
    import torch


def torch_device(name: str) -> torch.device:
    """Return the device: `auto` is a GPU where there is one.

    Raises:
        UserError: the device does not exist.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device is {name!r}, cannot be used: {reason}") from error


def device_kind(name: str) -> str:
    """What `torch_device(name).type` is; torch is not imported where there can be no GPU. Any name is taken."""
    if name != "auto":
        return name.partition(":")[0]
    return torch_device(name).type if "torch" in sys.modules or _may_have_gpu() else "cpu"


def _may_have_gpu() -> bool:
    """Whether torch could find one: it needs the library of NVIDIA's driver or the device of AMD's."""
    if sys.platform != "linux":
        return sys.platform == "win32"
    from ctypes import CDLL

    try:
        CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True
