"""Image files looked at before work, and read as a person sees them.

What can't be decoded is named here, once, for every command. What TensorFlow decodes
otherwise than other programs do is converted here, with Pillow: for the pipelines, and
for a server before it is sent. That keeps both at the same pixels.
"""

import hashlib
import io
import os
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from tfipgan.data.image_endings import image_formats
from tfipgan.data.transparency import alpha_channel, pasted_on_white
from tfipgan.errors import InputError, shorten_name
from tfipgan.files.threads import map_in_threads

# Bounds of what is decoded, here and in the served graph. A whole frame of an 8K camera
# is within; resized, as floats, it takes half a gigabyte. A side is no longer than a
# JPEG's can be.
MAX_PIXELS = 2**25
MAX_SIDE = 2**16 - 1
MAX_BYTES = 2**28
# Each scan of a progressive JPEG goes over all pixels, and takes ten bytes to say so.
_MAX_SCANNED_PIXELS = 100 * MAX_PIXELS
# Pillow reads a PPM in Python, a second for a million numbers, if it is text or its
# maximum is an unusual one.
_MAX_SLOW_PIXELS = 2**22
READABLE_TYPES = image_formats()
# What TensorFlow reads as people see it: 8 bits, grey or colour, no palette, and all of
# it opaque.
_PLAIN_MODES = {"JPEG": ("L", "RGB"), "PNG": ("L", "LA", "RGB", "RGBA")}
_ORIENTATION = 0x0112
# In the data of a scan, 0xff is followed by a zero, or marks a place to start again at.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_MARKERS_ALONE = (0xD8, 0x01)
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_GREY = 0
_THREADS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class LocalImage:
    """A file that can be decoded.

    Attributes:
        path: the file.
        size, mtime_ns: of the file, in bytes and nanoseconds.
        mode: Pillow's word for its kind of pixels, such as RGB or CMYK.
        oddities: words for what TensorFlow reads otherwise than other programs.
        plain: TensorFlow reads it as it is; else it must be converted.
        digest: of the file's bytes.
    """

    path: str
    size: int
    mtime_ns: int
    mode: str
    oddities: tuple[str, ...]
    plain: bool
    digest: bytes

    def contents(self) -> bytes:
        """Return bytes that TensorFlow reads right: the file's, or `converted`."""
        return Path(self.path).read_bytes() if self.plain else converted(self.path)


def check_images(
    paths: Sequence[str | os.PathLike[str]], *, progress: bool = False
) -> tuple[list[LocalImage | None], dict[str, str]]:
    """Decode every image, in parallel; about a millisecond each.

    Args:
        paths: the files.
        progress: whether to show a progress bar on stderr if it takes a while.

    Returns:
        For each path its `LocalImage`, None if it can't be read; and for the paths of
        those, in order, why not.
    """
    images: list[LocalImage | None] = []
    broken: dict[str, str] = {}
    for path, found in zip(paths, each_image(paths, progress=progress), strict=True):
        images.append(found if isinstance(found, LocalImage) else None)
        if isinstance(found, str):
            broken[str(path)] = found
    return images, broken


def each_image(
    paths: Sequence[str | os.PathLike[str]], *, progress: bool = False
) -> Iterator[LocalImage | str]:
    """Yield what `check_images` finds, one by one; for a broken file why it is so."""

    def look(path: str | os.PathLike[str]) -> LocalImage | str:
        try:
            return look_at(path)
        except Exception as error:
            # Pillow's readers let many kinds through for damaged bytes: SyntaxError,
            # ValueError, struct.error, zlib.error, DecompressionBombError.
            return _words(error)

    bar = tqdm(
        total=len(paths),
        desc="check",
        unit="image",
        disable=not progress,
        delay=2,
        dynamic_ncols=True,
    )
    # Not in the threads: the filters are the process's. Pillow warns of large images.
    with bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found in map_in_threads(look, paths, _THREADS):
            yield found
            bar.update()


def look_at(path: str | os.PathLike[str]) -> LocalImage:
    """Decode a file.

    Raises:
        InputError, OSError, and what Pillow raises for damaged bytes: it can't be read.
    """
    data, about = _read(path)
    image = _decoded(data)
    kind, mode = image.format or "", image.mode
    oddities = []
    if kind not in _PLAIN_MODES:
        oddities.append(f"of format {kind}")
    if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
        oddities.append("turned as their EXIF says")
    if _png_16_bit(data) or mode.startswith("I"):
        oddities.append("of 16 bits a channel, of which the upper 8 are taken")
    if getattr(image, "is_animated", False):
        oddities.append("of more than one frame, of which the first is taken")
    alpha = alpha_channel(image, _png_grey_key(data))
    lowest, highest = alpha.getextrema() if alpha else (255, 255)
    if highest == 0:
        oddities.append("transparent all over, read as white")
    elif lowest < 255:
        oddities.append("transparent in parts, pasted on white")
    plain = not oddities and mode in _PLAIN_MODES[kind]
    if not plain:
        _eight_bit_rgb(image, data)
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return LocalImage(
        str(path), len(data), about.st_mtime_ns, mode, tuple(oddities), plain, digest
    )


def converted(path: str | os.PathLike[str]) -> bytes:
    """Return a PNG of 8-bit RGB: what a person sees of a file that is not plain.

    Raises:
        As `reopen_rgb`.
    """
    rgb = reopen_rgb(path)
    rgb.info.clear()  # a colour profile would go into the PNG
    file = io.BytesIO()
    rgb.save(file, "PNG", compress_level=1)
    return file.getvalue()


def reopen_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """Return `open_rgb` of a file that could be read when it was looked at.

    Raises:
        InputError: the file is no longer what it was.
        FileNotFoundError: it is gone.
    """
    try:
        return open_rgb(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise InputError(
            f"{shorten_name(os.fsdecode(path))} has changed: {_words(error)}"
        ) from None


def open_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """Return what a person sees of a file, as 8-bit RGB.

    It is turned as EXIF says, the first frame only, CMYK and palettes as RGB, of 16
    bits the upper 8, and on white where it is transparent.

    Raises:
        As `look_at`.
    """
    data, _ = _read(path)
    return _eight_bit_rgb(_decoded(data), data)


def _read(path: str | os.PathLike[str]) -> tuple[bytes, os.stat_result]:
    try:
        about = os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise InputError("a link to nothing") from None
        raise
    if stat.S_ISDIR(about.st_mode):
        raise InputError("a folder, not a file")
    if not stat.S_ISREG(about.st_mode):  # a pipe would never end
        raise InputError("not a file")
    if not about.st_size:
        raise InputError("empty")
    if about.st_size > MAX_BYTES:
        raise InputError(
            f"{about.st_size:,} bytes, more than the {MAX_BYTES:,} allowed"
        )
    with open(path, "rb") as file:
        return file.read(), about


def _decoded(data: bytes) -> Image.Image:
    """Return the image, its first frame decoded, if that is within the bounds."""
    image = Image.open(io.BytesIO(data), formats=READABLE_TYPES)
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"{width} x {height} pixels, more than the {MAX_PIXELS:,} or the "
            f"{MAX_SIDE:,} a side allowed"
        )
    # Pillow overlooks some damage that TensorFlow does not.
    if image.format in ("JPEG", "MPO"):
        scans = _whole_jpeg_scans(data)
        if scans * width * height > _MAX_SCANNED_PIXELS:
            raise InputError(f"{scans:,} scans of {width} x {height} pixels")
    slow = image.format == "PPM" and image.tile[0][0] != "raw"
    if slow and width * height > _MAX_SLOW_PIXELS:
        raise InputError(
            f"a PPM of {width} x {height} pixels, more than the {_MAX_SLOW_PIXELS:,} "
            "allowed as text or with a maximum other than 255: convert it"
        )
    image.load()
    if image.format == "PNG":
        _require_whole_png(data)
    return image


def _whole_jpeg_scans(data: bytes) -> int:
    """Return the number of a JPEG's scans; InputError if it has no end."""
    place, scans = 0, 0
    while match := _JPEG_MARKER.search(data, place):
        marker, place = match[0][1], match.end()
        if marker == _JPEG_END:
            return scans
        if marker not in _JPEG_MARKERS_ALONE:
            place += int.from_bytes(data[place : place + 2], "big")
        scans += marker == _JPEG_SCAN
    raise InputError("truncated: its end is missing")


def _require_whole_png(data: bytes) -> None:
    """Raise InputError if a checksum of a PNG is wrong, or its end is missing."""
    # Image.verify() leaves out the checksum of the last chunk, which TensorFlow reads.
    for kind, body, checksum in _png_chunks(data):
        if zlib.crc32(body, zlib.crc32(kind)) != checksum:
            raise InputError("damaged: a checksum is wrong")
        if kind == b"IEND":
            return
    raise InputError("truncated: its end is missing")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    place = len(_PNG_START)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        place += length + 12
        if place > len(data):
            return
        yield kind, body, struct.unpack_from(">I", data, place - 4)[0]


def _png_16_bit(data: bytes) -> bool:
    """Whether it is a PNG of 16 bits a channel, which Pillow's mode may not say."""
    return data.startswith(_PNG_START) and data[24] == 16


def _png_grey_key(data: bytes) -> int | None:
    """Return which value of a grey PNG's pixels is transparent, if one is."""
    bits, colour = data[24:26] if data.startswith(_PNG_START) else (0, None)
    if colour == _PNG_GREY and (key := _png_transparency(data)) is not None:
        # Pillow scales 2 and 4 bits to 8, and has one bit as false and true.
        return int.from_bytes(key, "big") % 2**bits * {2: 85, 4: 17}.get(bits, 1)
    return None


def _png_transparency(data: bytes) -> bytes | None:
    for kind, body, _ in _png_chunks(data):
        if kind == b"tRNS":
            return body
        if kind == b"IDAT":
            break
    return None


def _eight_bit_rgb(image: Image.Image, data: bytes) -> Image.Image:
    """Return a file's first frame as RGB, turned as EXIF says, pasted on white."""
    grey_key = _png_grey_key(data)
    if _png_16_bit(data) and image.mode == "RGB" and _png_transparency(data):
        # Of the 16 bits that are to be compared, Pillow has read 8.
        raise InputError("16 bits a channel with a transparent colour: convert it")
    # As 32 bits Pillow reads a PGM of 16 bits, and before 11 a grey PNG.
    wide = image.mode == "I" and image.format in ("PNG", "PPM")
    if wide or image.mode.startswith("I;16"):
        # Pillow would cut off at 255; the upper byte is what TensorFlow takes.
        exif, alpha = image.getexif(), alpha_channel(image, grey_key)
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image.info["exif"] = exif.tobytes()
        if alpha:
            image.putalpha(alpha)
        grey_key = None
    if image.mode in ("I", "F"):
        raise InputError("32 bits a pixel, expected 8 or 16: convert it")
    image = ImageOps.exif_transpose(image)
    alpha = alpha_channel(image, grey_key)
    return pasted_on_white(image, alpha) if alpha else image.convert("RGB")


def _words(error: Exception) -> str:
    """Why a file can't be read, in a line."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return shorten_name(str(error)) or type(error).__name__
