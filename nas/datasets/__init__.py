"""Images to train on."""

from nas.datasets.base import Images
from nas.datasets.digits import Digits

__all__ = ["Digits", "Images"]
