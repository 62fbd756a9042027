"""One picture, stored in many ways: a person sees no difference, so a network must not see one."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from nas.datasets.pictures import Reader, UnreadableError
from nas.errors import UserError


@pytest.fixture
def picture() -> Image.Image:
    """Ten colours in blocks, so that a palette holds them, on white."""
    rng = np.random.default_rng(0)
    pixels = np.full((12, 9, 3), 255, dtype=np.uint8)
    for row in range(3):
        for column in range(2):
            pixels[1 + 3 * row : 3 + 3 * row, 1 + 4 * column : 4 + 4 * column] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


def transparent(picture: Image.Image) -> Image.Image:
    """With transparent black where the picture is white."""
    pixels = np.asarray(picture)
    white = (pixels == 255).all(axis=2)
    return Image.fromarray(np.dstack([np.where(white[..., None], 0, pixels), np.where(white, 0, 255).astype(np.uint8)]))


def palette(picture: Image.Image) -> Image.Image:
    return picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)


def transparent_palette(picture: Image.Image) -> Image.Image:
    stored = palette(picture)
    white = stored.getpixel((0, 0))
    colours = list(stored.getpalette() or [])
    colours[3 * white : 3 * white + 3] = [0, 0, 0]
    stored.putpalette(colours)
    stored.info["transparency"] = white
    return stored


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def turned(picture: Image.Image, orientation: int, turn: Image.Transpose) -> tuple[Image.Image, dict]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture.transpose(turn), {"exif": exif.tobytes()}


WAYS: dict[str, Callable[[Image.Image], tuple[Image.Image, dict]]] = {
    "a.bmp": lambda picture: (picture, {}),
    "b.webp": lambda picture: (picture, {"lossless": True}),
    "c.png": lambda picture: (transparent(picture), {}),
    "d.png": lambda picture: (palette(picture), {}),
    "e.png": lambda picture: (transparent_palette(picture), {}),
    "f.gif": lambda picture: (palette(picture), {}),
    "g.PNG": lambda picture: turned(picture, 6, Image.Transpose.ROTATE_90),
    "h.png": lambda picture: turned(picture, 3, Image.Transpose.ROTATE_180),
    "i.webp": lambda picture: (transparent(picture), {"lossless": True}),
    "j.png": lambda picture: (
        picture,
        {"icc_profile": srgb()},
    ),
    "k.png": lambda picture: (picture, {"icc_profile": b"no profile"}),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_same_picture_is_read_however_it_is_stored(tmp_path: Path, picture: Image.Image, name: str) -> None:
    stored, options = WAYS[name](picture)
    stored.save(tmp_path / name, **options)
    wanted = np.asarray(picture).transpose(2, 0, 1)
    np.testing.assert_array_equal(Reader().read(tmp_path / name), wanted)
    np.testing.assert_array_equal(Reader(1).read(tmp_path / name)[0], np.asarray(picture.convert("L")))


def test_what_is_half_transparent_is_mixed_with_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 128)).save(tmp_path / "a.png")
    assert (Reader(background="white").read(tmp_path / "a.png") == 127).all()
    assert (Reader(background="black").read(tmp_path / "a.png") == 0).all()
    assert Reader(background="#ff0000").read(tmp_path / "a.png")[:, 0, 0].tolist() == [127, 0, 0]
    Image.new("LA", (2, 2), (10, 0)).save(tmp_path / "b.png")
    assert (Reader(1, background="white").read(tmp_path / "b.png") == 255).all()


def test_colours_of_another_profile_are_converted(tmp_path: Path) -> None:
    """A wide-gamut green is not sRGB's: the numbers change, the colour does not."""
    lab = ImageCms.createProfile("LAB")
    with pytest.raises(ImageCms.PyCMSError):
        ImageCms.profileToProfile(Image.new("RGB", (1, 1)), lab, lab, outputMode="RGB")
    wide = swapped_primaries()
    Image.new("RGB", (2, 2), (200, 30, 10)).save(tmp_path / "a.png", icc_profile=wide)
    red, green, blue = Reader().read(tmp_path / "a.png")[:, 0, 0].tolist()
    assert abs(red - 10) <= 2
    assert abs(green - 30) <= 2
    assert abs(blue - 200) <= 2


def swapped_primaries() -> bytes:
    """The profile of sRGB with its red and blue primaries exchanged, and a name of its own."""
    content = bytearray(srgb())
    count = int.from_bytes(content[128:132], "big")
    tags = {bytes(content[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    made = content.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be")).replace(b"sRGB", b"mine")
    assert ImageCms.ImageCmsProfile(BytesIO(bytes(made))).profile.profile_description
    return bytes(made)


def test_size_is_height_and_width(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "a.png")
    assert Reader(3, (4, 6)).read(tmp_path / "a.png").shape == (3, 4, 6)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 4), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnreadableError, match=r"deep\.png cannot be read .*: its grey values have more than 8 bits"):
        Reader().read(tmp_path / "deep.png")
    with pytest.raises(UnreadableError, match=r"absent\.png cannot be read"):
        Reader().read(tmp_path / "absent.png")
    with pytest.raises(UserError, match="background is 'nosuch', must be a colour"):
        Reader(background="nosuch")
