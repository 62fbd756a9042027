"""What a search ends with: a folder that holds a trained network, and works without this package.

`write_model` makes it, `Model` reads it; `source_of` writes its `model.py`, and `write_onnx` its `model.onnx`.
"""

from nas.models.folder import FILES, Model, found_model, write_model
from nas.models.onnx import write_onnx
from nas.models.source import network_source, source_of

__all__ = ["FILES", "Model", "found_model", "network_source", "source_of", "write_model", "write_onnx"]
