"""What is read and sent of an image file: its bytes, or what a person sees of it."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tfipgan.data import local_images
from tfipgan.data.local_images import check_images, converted
from tfipgan.errors import InputError

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
    [
        ("PNG", "P"),
        ("GIF", "P"),
        ("BMP", "P"),
        ("BMP", "RGB"),
        ("TIFF", "RGB"),
        ("DIB", "P"),
        ("DIB", "RGB"),
        ("PPM", "RGB"),
    ],  # fmt: skip
)
def test_palettes_and_other_formats_become_colours(checked, picture, format, mode):
    image = picture.quantize(8) if mode == "P" else picture
    expected = np.asarray(image.convert("RGB"))
    sent = checked(encoded(image, format), "named.jpg")
    assert not sent.plain
    np.testing.assert_array_equal(shown(sent), expected)


@pytest.mark.skipif(
    "AVIF" not in local_images.READABLE_TYPES, reason="Pillow has no AVIF"
)
def test_an_avif_becomes_colours(checked, picture):
    sent = checked(encoded(picture, "AVIF", quality=100), "a.avif")
    assert not sent.plain and sent.oddities == ("of format AVIF",)
    assert np.abs(shown(sent).astype(int)[24, 8] - BLUE).max() < 8


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".pjpeg", ".JIF"])
def test_a_jpeg_of_another_ending_is_plain(checked, picture, ending):
    assert checked(encoded(picture, "JPEG"), f"a{ending}").plain


def test_a_grey_map_of_16_bits_keeps_the_upper_8(checked):
    values = np.array([[0, 255, 256, 40000]], ">u2")
    image = checked(b"P5 4 1 65535\n" + values.tobytes(), "a.pgm")
    assert shown(image)[0, :, 0].tolist() == [0, 0, 1, 156]
    assert "of 16 bits a channel, of which the upper 8 are taken" in image.oddities


def test_a_large_ppm_that_is_slow_to_read_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(local_images, "_MAX_SLOW_PIXELS", 3)
    files = {
        "raw.ppm": b"P6 2 2 255\n" + bytes(12),
        "grey.pgm": b"P5 2 2 65535\n" + bytes(8),
        "text.ppm": b"P2 2 2 255\n1 2 3 4\n",
        "ten_bits.pgm": b"P5 2 2 1023\n" + bytes(8),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    _, broken = check_images([tmp_path / name for name in files])
    assert list(broken) == [str(tmp_path / n) for n in ("text.ppm", "ten_bits.pgm")]
    for why in broken.values():
        assert why.startswith("a PPM of 2 x 2 pixels, more than the 3 allowed as text")
    monkeypatch.setattr(local_images, "_MAX_SLOW_PIXELS", 4)
    assert not check_images([tmp_path / name for name in files])[1]


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


def test_colours_of_16_bits_say_so(checked):
    sent = checked(png(1, 1, 16, 2, bytes(7)))
    assert sent.mode == "RGB"
    assert sent.oddities == ("of 16 bits a channel, of which the upper 8 are taken",)


def test_a_tiff_is_turned_too(checked, picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    sent = checked(encoded(picture.quantize(8), "TIFF", exif=exif))
    expected = picture.quantize(8).convert("RGB").rotate(-90, expand=True)
    np.testing.assert_array_equal(shown(sent), np.asarray(expected))


def test_what_comes_with_the_pixels_is_not_sent(checked, picture):
    profile = bytes(range(256)) * 40
    sent = checked(encoded(picture.quantize(8), "PNG", icc_profile=profile))
    with Image.open(io.BytesIO(sent.contents())) as image:
        assert not image.info


def test_what_cannot_be_read_is_named(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(local_images, "MAX_BYTES", 200_000)
    jpeg, whole = encoded(picture, "JPEG"), encoded(picture, "PNG")
    wrong_end = whole[:-1] + bytes([whole[-1] ^ 1])
    bad = {
        "empty.jpg": (b"", "empty"),
        "endless.jpg": (jpeg[:-2], "truncated: its end is missing"),
        "long_segment.jpg": (jpeg[:-9] + b"\xff\xe0\x7f" + jpeg[-6:], "truncated: its"),
        "text.jpg": (b"no image at all", "not an image"),
        "noise.jpg": (bytes(range(256)) * 400, "not an image"),
        "postscript.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "runcated"),
        "cut.png": (whole[: len(whole) // 2], "runcated"),
        "endless.png": (whole[:-12], "truncated: its end is missing"),
        "last_byte.png": (whole[:-1], "truncated: its end is missing"),
        "checksum.png": (wrong_end, "damaged: a checksum is wrong"),
        "float.png": (encoded(Image.new("F", (2, 2)), "TIFF"), "32 bits a pixel"),
        "whole.png": (encoded(Image.new("I", (2, 2)), "TIFF"), "32 bits a pixel"),
        "large.jpg": (bytes(200_001), "200,001 bytes, more than the 200,000 allowed"),
    }
    for name, (data, _) in bad.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    words = {name: why for name, (_, why) in bad.items()} | {
        "folder.jpg": "a folder, not a file",
        "link.jpg": "a link to nothing",
        "loop.jpg": "Too many levels of symbolic links",
        "pipe.jpg": "not a file",
        "gone.jpg": "No such file or directory",
    }
    good = tmp_path / "good.jpg"
    good.write_bytes(jpeg)
    images, broken = check_images([*(tmp_path / name for name in words), good])
    assert images[:-1] == [None] * len(words) and images[-1].path == str(good)
    assert list(broken) == [str(tmp_path / name) for name in words]
    for why, word in zip(broken.values(), words.values(), strict=True):
        assert word in why and "\n" not in why


def test_a_folder_that_nobody_may_read(tmp_path, monkeypatch):
    def forbidden(path, *args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(local_images.os, "stat", forbidden)
    assert check_images([tmp_path / "a.jpg"])[1] == {
        str(tmp_path / "a.jpg"): "Permission denied"
    }


def test_an_error_without_words_has_its_name(tmp_path, monkeypatch):
    def fail(path):
        raise MemoryError

    monkeypatch.setattr(local_images, "look_at", fail)
    assert check_images([tmp_path])[1] == {str(tmp_path): "MemoryError"}


@pytest.mark.parametrize(
    ("width", "height"), [(9000, 9000), (60000, 60000), (65536, 1), (1, 70000)]
)
def test_a_decompression_bomb_is_not_decoded(tmp_path, width, height):
    """A hundred bytes that say they are up to ten gigabytes of pixels."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8, 2, b""))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (image,), broken = check_images([path])
    assert image is None and not warned
    words = "exceeds limit" if width == 60000 else f"{width} x {height} pixels, more"
    assert words in broken[str(path)]


def test_a_jpeg_of_very_many_scans_is_not_decoded(tmp_path, monkeypatch, picture):
    data = encoded(picture, "JPEG", progressive=True)
    path = tmp_path / "scans.jpg"
    # The last scan again and again: each goes over all pixels.
    last = data[data.rindex(b"\xff\xda") : -2]
    path.write_bytes(data[:-2] + 20 * last + data[-2:])
    scans = data.count(b"\xff\xda") + 20
    monkeypatch.setattr(local_images, "_MAX_SCANNED_PIXELS", scans * 16 * 32)
    assert not check_images([path])[1]
    monkeypatch.setattr(local_images, "_MAX_SCANNED_PIXELS", scans * 16 * 32 - 1)
    assert check_images([path])[1] == {str(path): f"{scans} scans of 16 x 32 pixels"}


def test_progress_is_shown_if_it_takes_a_while(tmp_path, monkeypatch, picture, capsys):
    path = tmp_path / "a.png"
    picture.save(path)
    check_images([path], progress=True)
    assert capsys.readouterr().err == ""
    bar = local_images.tqdm
    monkeypatch.setattr(
        local_images, "tqdm", lambda **options: bar(**{**options, "delay": 0})
    )
    check_images([path], progress=True)
    assert "check: 100%" in capsys.readouterr().err
    check_images([path])
    assert capsys.readouterr().err == ""


def test_a_file_that_changed_in_between(checked, picture):
    image = checked(encoded(picture, "BMP"))
    with open(image.path, "wb") as file:
        file.write(b"other")
    with pytest.raises(InputError, match="image.jpg has changed: not an image"):
        image.contents()
    with open(image.path, "wb"):
        pass
    with pytest.raises(InputError, match="image.jpg has changed: empty"):
        image.contents()
    path = os.fsencode(image.path)  # as TensorFlow gives it
    with pytest.raises(InputError, match="image.jpg has changed: empty"):
        converted(path)
    os.remove(path)
    with pytest.raises(FileNotFoundError):
        image.contents()
