"""Training of candidates: the recipe, augmentation, and the loop."""

from nas.training.loop import Curves, train
from nas.training.recipe import Recipe

__all__ = ["Curves", "Recipe", "train"]
