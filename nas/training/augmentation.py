"""Random changes to training images, drawn from a given generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Changes:
    """What is done to each of `n` images; drawn at once, applied where the images are, to some after others.

    Attributes:
        shift: `(2, n)` rows down and columns right in the padded image, or None.
        most: pixels that an image is padded with, on each side.
        mirrored: `(n,)` which are mirrored, left to right, or None.
        centre: `(2, n)` row and column of the centre of the square that is set to 0, or None.
        side: of that square.
        noise: standard deviation of what is added to every pixel; drawn when it is added.
    """

    shift: Tensor | None
    most: int
    mirrored: Tensor | None
    centre: Tensor | None
    side: int
    noise: float

    @classmethod
    def draw(
        cls,
        n: int,
        size: tuple[int, int],
        generator: torch.Generator,
        *,
        noise: float,
        shift: int,
        flip: bool,
        cutout: int,
    ) -> Changes:
        """Draw, on the generator's device, for `n` images of height and width `size`; see `nas.training.Recipe`."""
        moved = torch.randint(0, 2 * shift + 1, (2, n), generator=generator) if shift else None
        mirrored = torch.rand(n, generator=generator) < 0.5 if flip else None
        centre = torch.rand(2, n, generator=generator) * torch.tensor(size)[:, None] if cutout else None
        return cls(moved, shift, mirrored, centre, cutout, noise)

    def take(self, rows: slice) -> Changes:
        """Those of some of the images."""
        columns = (None if one is None else one[..., rows] for one in (self.shift, self.mirrored, self.centre))
        shift, mirrored, centre = columns
        return Changes(shift, self.most, mirrored, centre, self.side, self.noise)

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change images `(n, channels, height, width)`, on any device; noise is drawn on the generator's."""
        n, _, height, width = images.shape
        device = images.device
        if self.shift is not None:
            down, right = self.shift.to(device)
            rows = down[:, None] + torch.arange(height, device=device)
            columns = right[:, None] + torch.arange(width, device=device)
            padded = pad(images, (self.most,) * 4)
            each = torch.arange(n, device=device)[:, None, None]
            images = padded[each, :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
        if self.mirrored is not None:
            images = torch.where(self.mirrored.to(device)[:, None, None, None], images.flip(3), images)
        if self.centre is not None:
            near = [
                (torch.arange(side, device=device) + 0.5 - middle[:, None]).abs() <= self.side / 2
                for side, middle in zip((height, width), self.centre.to(device), strict=True)
            ]
            images = images.masked_fill((near[0][:, :, None] & near[1][:, None])[:, None], 0.0)
        if self.noise:
            images = images + self.noise * torch.randn(images.shape, generator=generator).to(device)
        return images


def augment(images: Tensor, generator: torch.Generator, *, noise: float, shift: int, flip: bool, cutout: int) -> Tensor:
    """Shift, mirror, cut out and add noise to each image on its own; see `nas.training.Recipe`.

    Args:
        images: `(n, channels, height, width)`, on any device.
        generator: where the random numbers come from; on the CPU.
        noise: standard deviation of what is added to every pixel.
        shift: most pixels an image is moved in each direction.
        flip: mirror half of the images, left to right.
        cutout: side of the square that is set to 0, cut at the image's edge.

    Returns:
        A tensor of the same shape.
    """
    height, width = images.shape[2:]
    changes = Changes.draw(len(images), (height, width), generator, noise=noise, shift=shift, flip=flip, cutout=cutout)
    return changes.apply(images, generator)
