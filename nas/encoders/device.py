"""The torch device that an option names."""

from __future__ import annotations

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
        raise UserError(f"the encoder's device is {name!r}, which cannot be used: {reason}") from error
