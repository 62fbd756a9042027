"""Training of candidates: the recipe, augmentation, the loop, and the state from which it goes on."""

from nas.training.curves import Curves
from nas.training.history import HISTORIES, History
from nas.training.loop import train
from nas.training.measures import Measure, measure_of
from nas.training.observer import Observer
from nas.training.recalibration import FRESH_ACCURACY, FreshAccuracy, recalibrated
from nas.training.recipe import Recipe, RecipeOptions
from nas.training.scoring import Part, score
from nas.training.state import DamagedStateError, State, description, load_state, remove_state, save_state
from nas.training.supernet import SupernetRecipe, shared_accuracy, train_supernet

__all__ = [
    "FRESH_ACCURACY",
    "HISTORIES",
    "Curves",
    "DamagedStateError",
    "FreshAccuracy",
    "History",
    "Measure",
    "Observer",
    "Part",
    "Recipe",
    "RecipeOptions",
    "State",
    "SupernetRecipe",
    "description",
    "load_state",
    "measure_of",
    "recalibrated",
    "remove_state",
    "save_state",
    "score",
    "shared_accuracy",
    "train",
    "train_supernet",
]
