"""What a model says of image files: `python -m nas.predict MODEL IMAGE...`."""

from nas.predict.predict import Predicted, predict

__all__ = ["Predicted", "predict"]
