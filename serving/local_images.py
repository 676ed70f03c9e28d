"""Images of this machine, looked at before they are sent to a server.

A server that can't decode one image refuses the whole request, with whatever other
clients' images it has joined to it; and what TensorFlow decodes otherwise than other
programs it decodes in silence. Both are settled here, with Pillow.
"""

import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tfipgan.errors import InputError

# 8192 x 8192; decoded, a third of a gigabyte with what converting takes.
MAX_PIXELS = 2**26
_ORIENTATION = 0x0112
# What the server reads as people see it: 8 bits, grey or colour, no palette. It drops
# transparency, as converting would.
_PLAIN_MODES = {"JPEG": ("L", "RGB"), "PNG": ("L", "LA", "RGB", "RGBA")}


@dataclass(frozen=True)
class LocalImage:
    """A file that can be decoded.

    Attributes:
      path: the file.
      size: of the file, in bytes.
      plain: it can be sent as it is; else `contents` makes a PNG of it.
    """

    path: str
    size: int
    plain: bool

    def contents(self) -> bytes:
        """Return the bytes to send: a plain file's own, else a PNG of 8-bit RGB.

        What a person sees is what is sent: turned as EXIF says, the first frame only,
        CMYK and palettes as RGB, of 16 bits the upper 8.

        Raises:
          InputError: the file is no longer what it was.
          OSError: it can't be read.
        """
        data = Path(self.path).read_bytes()
        if self.plain:
            return data
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                rgb = _eight_bit_rgb(image)
        except Exception as error:
            raise InputError(f"{self.path} has changed: {_words(error)}") from None
        file = io.BytesIO()
        rgb.save(file, "PNG", compress_level=1)
        return file.getvalue()


def check_images(
    paths: Sequence[str | os.PathLike], max_pixels: int = MAX_PIXELS
) -> tuple[list[LocalImage | None], list[str]]:
    """Decode every image, in parallel.

    Args:
      paths: the files.
      max_pixels: a larger image is refused before it is decoded: a few kilobytes can
        say that they are gigabytes of pixels.

    Returns:
      For each path its `LocalImage`, None if it can't be sent; and a line for each of
      those, which names the file and says why.
    """

    def check(path):
        try:
            return _check(str(path), max_pixels)
        except Exception as error:
            # Pillow's readers let many kinds through for damaged bytes: SyntaxError,
            # ValueError, struct.error, zlib.error, DecompressionBombError.
            return f"{path} ({_words(error)})"

    # Not in the threads: the filters are the process's. Pillow warns of large images.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            found = list(pool.map(check, paths))
    images = [image if isinstance(image, LocalImage) else None for image in found]
    return images, [line for line in found if isinstance(line, str)]


def _check(path: str, max_pixels: int) -> LocalImage:
    data = Path(path).read_bytes()
    if not data:
        raise InputError("empty")
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise InputError(
                f"{width} x {height} pixels, more than the {max_pixels:,} allowed"
            )
        kind, mode = image.format or "", image.mode
        image.load()
        plain = (
            mode in _PLAIN_MODES.get(kind, ())
            and image.getexif().get(_ORIENTATION, 1) not in range(2, 9)
            and getattr(image, "n_frames", 1) == 1
            and not _png_16_bit(data)
        )
        if not plain:
            _eight_bit_rgb(image)
    return LocalImage(path, len(data), plain)


def _png_16_bit(data: bytes) -> bool:
    """Whether it is a PNG of 16 bits a channel, which Pillow's mode may not say."""
    return data.startswith(b"\x89PNG") and data[24] == 16


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    """Return a PNG's or another image's first frame as RGB, turned as EXIF says."""
    # Pillow before 11 reads a 16-bit grey PNG as 32 bits.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # Pillow would cut off at 255; the upper byte is what TensorFlow takes.
        exif = image.getexif()
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image.info["exif"] = exif.tobytes()
    if image.mode in ("I", "F"):
        raise InputError("32 bits a pixel, expected 8 or 16: convert it")
    return ImageOps.exif_transpose(image).convert("RGB")


def _words(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__
