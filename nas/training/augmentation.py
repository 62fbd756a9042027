"""Random changes to training images, drawn from a given generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def augment(images: Tensor, generator: torch.Generator, *, noise: float, shift: int, flip: bool, cutout: int) -> Tensor:
    """Shift, mirror, cut out and add noise to each image on its own; see `nas.training.recipe.Recipe`.

    Args:
        images: `(n, channels, height, width)`, on the CPU like the generator.
        generator: where the random numbers come from.
        noise: standard deviation of what is added to every pixel.
        shift: most pixels an image is moved in each direction.
        flip: mirror half of the images, left to right.
        cutout: side of the square that is set to 0, cut at the image's edge.

    Returns:
        A tensor of the same shape.
    """
    n, _, height, width = images.shape
    if shift:
        down, right = torch.randint(0, 2 * shift + 1, (2, n), generator=generator)
        rows = down[:, None] + torch.arange(height)
        columns = right[:, None] + torch.arange(width)
        padded = pad(images, (shift,) * 4)
        images = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
    if flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if cutout:
        centre = torch.rand(2, n, generator=generator) * torch.tensor([[height], [width]])
        near = [
            (torch.arange(side) + 0.5 - middle[:, None]).abs() <= cutout / 2
            for side, middle in ((height, centre[0]), (width, centre[1]))
        ]
        images = images.masked_fill((near[0][:, :, None] & near[1][:, None])[:, None], 0.0)
    if noise:
        images = images + noise * torch.randn(images.shape, generator=generator)
    return images
