"""Images to train on."""

from nas.datasets.base import Dataset, Images, Scale
from nas.datasets.cifar import Cifar
from nas.datasets.digits import Digits
from nas.datasets.folder import ImageFolder
from nas.datasets.npz import NpzFile
from nas.datasets.remarks import chance, remarks

__all__ = ["Cifar", "Dataset", "Digits", "ImageFolder", "Images", "NpzFile", "Scale", "chance", "remarks"]
