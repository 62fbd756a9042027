from __future__ import annotations

import torch

from nas.training.augmentation import augment

NOTHING = {"noise": 0.0, "shift": 0, "flip": False, "cutout": 0}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_nothing_asked_nothing_changed() -> None:
    images = torch.rand(5, 2, 6, 4)
    assert torch.equal(augment(images, generator(), **NOTHING), images)


def test_shift_moves_every_image_as_a_whole_and_everywhere_allowed() -> None:
    images = torch.rand(200, 2, 6, 4) + 1
    moved = augment(images, generator(), **{**NOTHING, "shift": 1})
    assert moved.shape == images.shape
    seen = set()
    for before, after in zip(images, moved, strict=True):
        padded = torch.nn.functional.pad(before, (1, 1, 1, 1))
        places = [(y, x) for y in range(3) for x in range(3) if torch.equal(padded[:, y : y + 6, x : x + 4], after)]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 9


def test_flip_mirrors_about_half() -> None:
    images = torch.rand(200, 1, 3, 4)
    flipped = augment(images, generator(), **{**NOTHING, "flip": True})
    mirrored = [torch.equal(after, before.flip(2)) for before, after in zip(images, flipped, strict=True)]
    kept = [torch.equal(after, before) for before, after in zip(images, flipped, strict=True)]
    assert sum(mirrored) + sum(kept) == 200
    assert 60 < sum(mirrored) < 140


def test_cutout_clears_a_square_in_all_channels() -> None:
    images = torch.ones(300, 2, 8, 8)
    cut = augment(images, generator(), **{**NOTHING, "cutout": 3})
    assert torch.equal(cut[:, 0], cut[:, 1])
    cleared = (cut[:, 0] == 0).sum(dim=(1, 2))
    assert cleared.min() >= 1
    assert cleared.max() == 9


def test_noise_has_the_stated_deviation_and_the_generator_decides() -> None:
    images = torch.zeros(200, 1, 8, 8)
    noisy = augment(images, generator(), **{**NOTHING, "noise": 0.5})
    assert 0.48 < noisy.std() < 0.52
    assert torch.equal(noisy, augment(images, generator(), **{**NOTHING, "noise": 0.5}))
