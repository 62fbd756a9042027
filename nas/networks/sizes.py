"""How large is what surrounds the cells of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from nas.options import FOLLOWS, PositiveInt, validated


@validated
@dataclass(frozen=True)
class SizeOptions:
    """How large is what surrounds the cells, as far as it does not follow from the size of the images; see `Sizes`.

    Args:
        stem: channels of the first convolution and the first stack, at least 1.
        stacks: number of stacks, at least 1; None: as many as leave 4 to 8 pixels of the shorter side, 2..5.
        cells: cells in a stack, at least 1.

    Raises:
        OptionError: a number is out of its range.
    """

    stem: PositiveInt = 8
    stacks: PositiveInt | None = None
    cells: PositiveInt = 1

    def following(self, side: int) -> dict[str, int]:
        """The numbers, by name, for images of that shorter side."""
        stacks = self.stacks or min(max((side // 4).bit_length() - 1, 2), 5)
        return {"stem": self.stem, "stacks": stacks, "cells": self.cells}


@dataclass(frozen=True)
class Sizes:
    """Numbers of channels and of cells in the network that surrounds the cells.

    The channels double from each stack of cells to the next.

    Args:
        stem: channels of the first convolution and the first stack, at least 1.
        stacks: number of stacks, at least 1.
        cells: cells in a stack, at least 1.
        classes: how many numbers a network gives for an image: one for each class, or one value; at least 1.
        image_channels: channels of an image, at least 1.

    Raises:
        OptionError: a number is out of its range.
    """

    stem: PositiveInt = 8
    stacks: PositiveInt = 2
    cells: PositiveInt = 1
    classes: Annotated[int, Ge(1), FOLLOWS] = 10
    image_channels: Annotated[int, Ge(1), FOLLOWS] = 3

    def following(self, side: int) -> dict[str, int]:
        """The numbers of stem, stacks and cells, by name, whatever the images."""
        return {"stem": self.stem, "stacks": self.stacks, "cells": self.cells}

    def widths(self) -> Iterator[tuple[int, int]]:
        """Channels that enter and leave each cell, in order."""
        before = self.stem
        for stack in range(self.stacks):
            for _ in range(self.cells):
                after = self.stem << stack
                yield before, after
                before = after

    @property
    def last(self) -> int:
        """Channels after the last cell."""
        return self.stem << (self.stacks - 1)
