"""One image file, read as a person sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import OptionError, UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"})


class UnreadableError(UserError):
    """A file is no image that can be read as a person sees it."""


@dataclass(frozen=True)
class Reader:
    """How image files become arrays; the same for training and for prediction.

    What a viewer shows counts: an image is turned as its EXIF orientation says, what is transparent is laid on the
    background, colours are converted to sRGB from the profile in the file, and of several frames the first is read.

    Args:
        channels: 1 (grey) or 3 (RGB).
        size: height and width to which every image is scaled; None: as it is.
        background: a colour by name or as #rrggbb.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    background: str = "white"

    def __post_init__(self) -> None:
        from PIL import ImageColor

        try:
            ImageColor.getrgb(self.background)
        except ValueError:
            text = f"is {self.background!r}, must be a colour by name, such as white or black, or as #rrggbb"
            raise OptionError("background", text) from None

    def read(self, file: Path) -> NDArray[np.uint8]:
        """The image `(channels, height, width)`.

        Raises:
            UnreadableError: the file is missing, damaged, no image, or has more than 8 bits of grey.
        """
        from PIL import Image

        if file.suffix.lower() not in SUFFIXES:
            raise UnreadableError(f"{file} is no image file, allowed: {', '.join(sorted(SUFFIXES))}")
        try:
            with Image.open(file) as opened:
                opened.verify()  # of the checksums, where the format has some; the image must then be opened anew
            with Image.open(file) as opened:
                opened.load()
                image = self._seen(opened)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableError(f"{file} cannot be read as an image: {error}") from error
        if self.size is not None and image.size != self.size[::-1]:
            image = image.resize(self.size[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(image, dtype=np.uint8)
        return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]

    def _seen(self, opened: Picture) -> Picture:
        from PIL import Image, ImageOps

        if opened.mode[0] in "IF":  # to convert it would turn all above 255 into white
            raise ValueError(f"its grey values have more than 8 bits (mode {opened.mode}): see dataset=npz")
        image: Any = ImageOps.exif_transpose(opened)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, self.background)
            ground.info = {**image.info}
            ground.alpha_composite(image)
            image = ground.convert("RGB")
            image.info = ground.info
        image = _in_srgb(image)
        seen: Picture = image.convert("RGB" if self.channels == 3 else "L")
        return seen


def _in_srgb(image: Any) -> Any:
    """Convert the colours from the profile that the file holds."""
    from io import BytesIO

    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if not profile:
        return image
    if image.mode not in ("RGB", "CMYK", "L"):  # a palette, or two tones
        image = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        fits = source.profile.xcolor_space.strip() == {"RGB": "RGB", "CMYK": "CMYK", "L": "GRAY"}[image.mode]
        if not fits or "sRGB" in (source.profile.profile_description or ""):
            return image
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):  # viewers pass over a profile that is damaged, or of another kind of image
        return image
