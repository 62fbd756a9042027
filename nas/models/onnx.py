"""The network for those who do not have PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


def write_onnx(path: Path, model: torch.nn.Module, images: NDArray[np.float32]) -> float | None:
    """Write a network as ONNX, from `images` (any number of them, as they are stored) to `scores`.

    Args:
        path: the file.
        model: in evaluation mode.
        images: `(n, channels, height, width)`, n above 1, by which the file is checked.

    Returns:
        The largest difference between the scores of ONNX Runtime and those of PyTorch; None: not written, as the
        packages of the extra `onnx` are not installed.

    Raises:
        UserError: the network cannot be exported.
    """
    import torch

    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        _log.info("model.onnx is not written, %s is missing: pip install 'nas[onnx]'", error.name)
        return None
    given = torch.from_numpy(images)
    try:
        with _quiet():
            torch.onnx.export(
                model, (given,), path, input_names=["images"], output_names=["scores"], dynamo=True, verbose=False,
                dynamic_shapes={"images": {0: torch.export.Dim("n")}}, external_data=False,
            )  # fmt: skip
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = session.run(None, {"images": images})[0]
        one = session.run(None, {"images": images[:1]})[0]
    except Exception as error:  # of either package, which have no common class for them
        raise UserError(f"the network cannot be exported to ONNX: {type(error).__name__}: {error}") from error
    with torch.inference_mode():
        wanted = model(given).numpy()
    return float(max(np.abs(found - wanted).max(), np.abs(one - wanted[:1]).max()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says of packages that are not needed, and of its own future."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
