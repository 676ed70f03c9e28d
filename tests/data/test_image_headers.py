"""The bound on an image in a request: told by its header, before it is decoded."""

import io
import struct

import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.image_headers import require_small_image


def image_file(format, size=(7, 5), mode="RGB", **options):
    file = io.BytesIO()
    Image.new(mode, size, 70).save(file, format, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def require():
    """`require_small_image` as a graph; images of 35 pixels are still small."""
    return tf.function(
        lambda contents: require_small_image(contents, 35),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )


def refused(require, contents):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        require(contents)
    return caught.value.message


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": b"c" * 60_000}),  # the size comes after it
    ],
)
def test_what_is_small_goes_through(require, format, options, mode):
    contents = image_file(format, mode=mode, **options)
    assert require(contents) == contents


@pytest.mark.parametrize(
    ("format", "progressive"), [("PNG", False), ("JPEG", False), ("JPEG", True)]
)
@pytest.mark.parametrize("size", [(7, 6), (36, 1), (1, 36), (60_000, 60_000)])
def test_what_is_large_does_not(require, format, progressive, size):
    if size[0] == 60_000:
        contents = bytearray(image_file(format, progressive=progressive))
        small, large = struct.pack(">HH", 5, 7), struct.pack(">HH", *size)
        if format == "PNG":
            small, large = struct.pack(">II", 7, 5), struct.pack(">II", *size)
        assert contents.count(small) == 1
        contents = bytes(contents.replace(small, large))
    else:
        contents = image_file(format, size, progressive=progressive)
    message = refused(require, contents)
    words = f"[an image of] [{size[0]}] [x] [{size[1]}] [pixels, more than] [35]"
    assert words in message.replace('"', "").replace("'", "")


def test_sides_whose_product_no_number_holds(require):
    contents = image_file("PNG").replace(
        struct.pack(">II", 7, 5), struct.pack(">II", 2**32 - 1, 2**32 - 1)
    )
    assert "more than" in refused(require, contents)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF"])
def test_other_formats(require, format):
    text = "Unknown image file format. One of JPEG, PNG, BMP required."
    assert text in refused(require, image_file(format))
    assert text in refused(require, b"x")


def test_damage_before_the_size(require):
    assert refused(require, image_file("JPEG")[:20])
    assert refused(require, b"\xff\xd8\xff")
    # Of a PNG it is left to the decoder, as is what is empty.
    for contents in (image_file("PNG")[:15], b""):
        assert require(contents) == contents
