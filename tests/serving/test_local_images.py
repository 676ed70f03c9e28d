"""What is sent of an image file: the file itself, or what a person sees of it."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.serving.local_images import check_images

RED, GREEN, BLUE = (250, 10, 20), (30, 200, 40), (15, 25, 230)


@pytest.fixture
def picture():
    """16 x 32: red above, of which the left quarter is green."""
    image = Image.new("RGB", (16, 32), BLUE)
    image.paste(RED, (0, 0, 16, 16))
    image.paste(GREEN, (0, 0, 4, 16))
    return image


@pytest.fixture
def checked(tmp_path):
    """Function of (bytes, name): the `LocalImage` of a file of them."""

    def check(data, name="image.jpg"):
        path = tmp_path / name
        path.write_bytes(data)
        (image,), broken = check_images([path])
        assert not broken
        assert image.path == str(path) and image.size == len(data)
        return image

    return check


def encoded(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def shown(image):
    """Pixels of what is sent."""
    contents = image.contents()
    with Image.open(io.BytesIO(contents)) as sent:
        assert sent.format == "PNG" and sent.mode == "RGB"
        return np.asarray(sent)


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "L", {}),
    ],
)
def test_a_plain_file_is_sent_as_it_is(checked, picture, format, mode, options):
    data = encoded(picture.convert(mode), format, **options)
    image = checked(data)
    assert image.plain and image.contents() == data


def test_a_turned_photo_is_sent_upright(checked, picture):
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = checked(encoded(picture, "PNG", exif=exif))
        expected = {
            2: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            3: picture.rotate(180),
            4: picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
            5: picture.transpose(Image.Transpose.TRANSPOSE),
            6: picture.rotate(-90, expand=True),
            7: picture.transpose(Image.Transpose.TRANSVERSE),
            8: picture.rotate(90, expand=True),
        }[orientation]
        np.testing.assert_array_equal(shown(turned), np.asarray(expected))


def test_an_orientation_that_changes_nothing(checked, picture):
    exif = Image.Exif()
    exif[0x0112] = 1
    assert checked(encoded(picture, "JPEG", exif=exif)).plain


@pytest.mark.parametrize(
    ("format", "mode"),
    [("PNG", "P"), ("GIF", "P"), ("BMP", "P"), ("BMP", "RGB"), ("TIFF", "RGB")],
)
def test_palettes_and_other_formats_become_colours(checked, picture, format, mode):
    image = picture.quantize(8) if mode == "P" else picture
    expected = np.asarray(image.convert("RGB"))
    sent = checked(encoded(image, format), "named.jpg")
    assert not sent.plain
    np.testing.assert_array_equal(shown(sent), expected)


def test_one_bit_becomes_black_and_white(checked):
    image = Image.new("1", (4, 2))
    image.putpixel((1, 0), 1)
    pixels = shown(checked(encoded(image, "PNG")))
    assert pixels[0, 1].tolist() == [255] * 3 and pixels.sum() == 3 * 255


def test_cmyk_becomes_colours(checked, picture):
    data = encoded(picture.convert("CMYK"), "JPEG", quality=100)
    pixels = shown(checked(data)).astype(int)
    assert np.abs(pixels[24, 8] - BLUE).max() < 12
    assert np.abs(pixels[8, 12] - RED).max() < 12


@pytest.mark.parametrize("turned", [False, True])
def test_grey_of_16_bits_keeps_the_upper_8(checked, turned):
    values = np.array([[0, 255, 256, 40000], [65535, 1, 2, 3]], np.uint16)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 3
    pixels = shown(checked(encoded(Image.fromarray(values), "PNG", exif=exif)))
    upper = values >> 8
    expected = upper[::-1, ::-1] if turned else upper
    for channel in range(3):
        np.testing.assert_array_equal(pixels[:, :, channel], expected)


def png(width, height, bits, colour, rows):
    """A PNG written by hand: Pillow writes no 16-bit colours and no false sizes."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_colours_of_16_bits_keep_the_upper_8(checked):
    row = b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0xFFFF, 0x00FF, 0x0100)
    sent = checked(png(2, 1, 16, 2, row))
    assert not sent.plain
    assert shown(sent).tolist() == [[[0x12, 0x56, 0x9A], [0xFF, 0, 1]]]


def test_an_animation_shows_its_first_frame(checked, picture):
    for format in ("GIF", "PNG"):
        frames = [Image.new("RGB", (16, 32), GREEN)]
        sent = checked(encoded(picture, format, save_all=True, append_images=frames))
        assert not sent.plain
        assert np.abs(shown(sent).astype(int)[24, 8] - BLUE).max() < 8


def test_what_cannot_be_sent_is_named(tmp_path, picture):
    jpeg, whole = encoded(picture, "JPEG"), encoded(picture, "PNG")
    bad = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"no image at all", "not an image"),
        "noise.jpg": (bytes(range(256)) * 400, "not an image"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "runcated"),
        "cut.png": (whole[: len(whole) // 2], ""),
        "float.png": (encoded(Image.new("F", (2, 2)), "TIFF"), "32 bits a pixel"),
    }
    paths = [tmp_path / name for name in bad]
    for path, (data, _) in zip(paths, bad.values(), strict=True):
        path.write_bytes(data)
    good = tmp_path / "good.jpg"
    good.write_bytes(jpeg)
    images, lines = check_images([*paths, tmp_path / "gone.jpg", good])
    assert images[:-1] == [None] * 7 and images[-1].path == str(good)
    for path, line, (_, words) in zip(paths, lines, bad.values(), strict=False):
        assert line.startswith(f"{path} (") and words in line and "\n" not in line
    assert lines[-1] == f"{tmp_path / 'gone.jpg'} (No such file or directory)"


@pytest.mark.parametrize("side", [9000, 11000, 60000])
def test_a_decompression_bomb_is_not_decoded(tmp_path, side):
    """A hundred bytes that say they are up to ten gigabytes of pixels."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, b""))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (image,), (line,) = check_images([path])
    assert image is None and not warned
    words = "pixels, more than the 67,108,864" if side < 20000 else "exceeds limit"
    assert words in line


def test_a_file_that_changed_in_between(checked, picture):
    image = checked(encoded(picture, "BMP"))
    with open(image.path, "wb") as file:
        file.write(b"other")
    with pytest.raises(InputError, match="image.jpg has changed: not an image"):
        image.contents()
