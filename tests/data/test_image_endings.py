import pytest
from PIL import Image, features

from tfipgan.data import image_endings
from tfipgan.data.image_endings import (
    begins_like_image,
    endings,
    image_formats,
    is_image_name,
    is_unread_image_name,
)

AVIF = "AVIF" in image_formats()


@pytest.fixture
def without_avif(monkeypatch):
    """A Pillow before 11.2, which warns of features that it doesn't know."""
    known = {name: f for name, f in features.modules.items() if name != "avif"}
    monkeypatch.setattr(features, "modules", known)
    cached = (image_endings.image_formats, image_endings._endings_read)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_images_are_known_by_their_ending():
    for name in (
        "a.jpg", "a.JPEG", "a.Png", "a.bmp", "a.gif", "a.TIFF", "a.JFIF", "a.jpe",
        "a.jif", "a.pjpeg", "a.pjp", "a.mpo", "a.apng", "a.dib", "a.ppm", "a.PGM",
        "a.pbm", "a.pnm", "a.webp",
    ):  # fmt: skip
        assert is_image_name(name) and not is_unread_image_name(name)
    for name in (".a.jpg", "._a.jpg", "Thumbs.db", "a.svg", "a.txt", "jpg"):
        assert not is_image_name(name)
    assert is_image_name("a.avif") == AVIF


def test_images_of_other_kinds_are_known_too():
    for name in ("a.heic", "a.HEIF", "a.jxl", "a.svg", "a.Psd", "a.cr2", "a.NEF",
                 "a.dng", "a.jp2", "a.tga"):  # fmt: skip
        assert is_unread_image_name(name) and not is_image_name(name)
    for name in (
        "Thumbs.db", "a.txt", "a.yaml", "a.json", "manifest.jsonl", "a.csv", "a.mat",
        ".a.heic", "heic", "a.heic.txt", "a.mp4", "a.xml", "a.npz",
    ):  # fmt: skip
        assert not is_unread_image_name(name)


def test_avif_is_read_where_pillow_can(without_avif):
    assert "AVIF" not in image_formats() and "WEBP" in image_formats()
    assert not is_image_name("a.avif") and is_unread_image_name("a.AVIF")
    assert ".avif" not in endings()


def test_every_ending_is_one_that_pillow_gives_that_format():
    Image.init()
    for ending, format in Image.registered_extensions().items():
        own = {"MPO": "JPEG"}.get(format, format)
        if own in image_formats() and ending != ".pfm":  # whose numbers are floats
            assert ending in image_endings._READ[own]
        else:
            assert not is_image_name(f"a{ending}") or ending == ".mpo"
    assert set(image_formats()) <= set(Image.OPEN)


@pytest.mark.parametrize(
    ("data", "is_image"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1", True),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", True),
        (b"GIF89a", True),
        (b"II*\0", True),
        (b"RIFF\x10\0\0\0WEBP", True),
        (b"\0\0\0\x18ftypheic", True),
        (b"RIFF\x10\0\0\0WAVE", False),
        (b"BM is how some texts begin", False),
        (b"", False),
    ],
)
def test_a_file_without_an_ending_is_known_by_how_it_begins(data, is_image):
    assert begins_like_image(data[: image_endings.BEGINNING]) == is_image
