"""What follows from the number and the size of the images, where nothing is said."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from nas.networks import SizeOptions, Skeleton
from nas.training import Recipe, RecipeOptions


def test_the_digits_have_what_their_table_was_made_with() -> None:
    assert RecipeOptions().following(960, 8) == Recipe() == Recipe(8, 32, shift=1)
    assert SizeOptions().following(8) == Skeleton().following(224) == {"stem": 8, "stacks": 2, "cells": 1}


@pytest.mark.parametrize("images", [2, 5, 17, 60, 127, 128, 500, 960, 5000, 50_000])
def test_few_images_are_seen_more_often(images: int) -> None:
    recipe = RecipeOptions().following(images, 32)
    assert 2 <= recipe.batch <= min(32, max(images, 2))
    steps = images // recipe.batch * recipe.epochs
    assert 8 <= recipe.epochs <= 200
    assert steps >= 240 or recipe.epochs == 200
    assert recipe.epochs == 8 or steps - images // recipe.batch < 240


def test_what_is_said_stays() -> None:
    said = RecipeOptions(epochs=3, batch=7, shift=0, flip=True)
    assert asdict(said.following(20, 64)) == {**asdict(said)}
    assert SizeOptions(4, 1, 2).following(64) == {"stem": 4, "stacks": 1, "cells": 2}
    assert Recipe(epochs=2).following(20, 64) == Recipe(epochs=2)


@pytest.mark.parametrize(("side", "stacks", "shift"), [(1, 2, 1), (8, 2, 1), (16, 2, 2), (28, 2, 3), (32, 3, 4),
                                                       (64, 4, 8), (224, 5, 28)])  # fmt: skip
def test_larger_images_have_more_stacks_and_are_moved_further(side: int, stacks: int, shift: int) -> None:
    assert SizeOptions().following(side)["stacks"] == stacks
    assert RecipeOptions().following(1000, side).shift == shift
