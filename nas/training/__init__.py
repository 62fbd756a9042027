"""Training of candidates: the recipe, augmentation, the loop, and the state from which it goes on."""

from nas.training.curves import Curves
from nas.training.loop import train
from nas.training.recipe import Recipe
from nas.training.state import State, load_state, save_state

__all__ = ["Curves", "Recipe", "State", "load_state", "save_state", "train"]
