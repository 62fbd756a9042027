from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.datasets import ImageFolder
from nas.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, n in (("train", 3), ("valid", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for number in range(n):
                Image.fromarray(rng.integers(0, 256, (6, 4, 3)).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path


def test_folders_are_classes_in_alphabetical_order(root: Path) -> None:
    (root / "train" / ".hidden").touch()
    (root / "train" / "cat" / ".DS_Store").touch()
    images = ImageFolder(str(root)).load()
    assert images.x_train.shape == (6, 3, 6, 4)
    assert images.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.x_test.shape == (0, 3, 6, 4)


def test_pixels_are_those_of_the_file_standardised(root: Path) -> None:
    pixels = np.asarray(Image.open(root / "train" / "cat" / "0.png")).transpose(2, 0, 1)
    image = ImageFolder(str(root)).load().x_train[0]
    for channel in range(3):
        assert np.corrcoef(pixels[channel].ravel(), image[channel].ravel())[0, 1] > 0.999


def test_images_are_scaled_and_turned_grey_where_asked(root: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(root / "valid" / "dog" / "0.png")
    assert ImageFolder(str(root), size=5, channels=1).load().x_valid.shape == (4, 1, 5, 5)
    with pytest.raises(UserError, match=r"dog/0\.png is 9x9, others are 4x6: scale them all with dataset\.size"):
        ImageFolder(str(root)).load()


def test_what_is_no_image_is_named(root: Path) -> None:
    broken = root / "train" / "dog" / "1.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"dog/1\.png cannot be read as an image"):
        ImageFolder(str(root)).load()
    broken.rename(root / "train" / "dog" / "notes.txt")
    with pytest.raises(UserError, match=r"notes\.txt is no image file, allowed: \.bmp"):
        ImageFolder(str(root)).load()


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_of_16_bits_are_refused_instead_of_clipped(root: Path, channels: int) -> None:
    Image.fromarray(np.full((6, 4), 40_000, dtype=np.uint16)).save(root / "train" / "dog" / "1.png")
    with pytest.raises(UserError, match=r"dog/1\.png cannot be read .*: its grey values have more than 8 bits"):
        ImageFolder(str(root), channels=channels).load()


def test_missing_empty_and_unknown_folders_are_named(root: Path) -> None:
    with pytest.raises(UserError, match="no folder .*absent"):
        ImageFolder(str(root / "absent")).load()
    (root / "valid" / "bird").mkdir()
    with pytest.raises(UserError, match="bird is a class that train/ has not: cat, dog"):
        ImageFolder(str(root)).load()
    (root / "empty" / "train").mkdir(parents=True)
    (root / "empty" / "valid").mkdir()
    with pytest.raises(UserError, match="has no image files in folders"):
        ImageFolder(str(root / "empty")).load()


def test_the_same_picture_in_two_parts_is_refused(root: Path) -> None:
    (root / "valid" / "cat" / "9.png").write_bytes((root / "train" / "cat" / "1.png").read_bytes())
    with pytest.raises(UserError, match=r"x_valid\[2\] is the same image as x_train\[1\]"):
        ImageFolder(str(root)).load()


@pytest.mark.parametrize("options", [{"channels": 2}, {"size": 0}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"^(channels|size) is"):
        ImageFolder("x", **options)
