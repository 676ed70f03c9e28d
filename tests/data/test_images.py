"""From bytes to pixels: formats, modes, sizes and value ranges."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.images import (
    decode_image,
    signed_to_bytes,
    signed_to_unit,
    to_signed,
    to_unit,
)


def picture(height=24, width=12):
    """An RGB image of smooth colours and an edge."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    pixels = np.stack([200 * y + 20, 180 * x + 40, 255 * (x > 0.5)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_lossless_formats_of_the_same_size_are_exact(format):
    image = decode_image(encoded(picture(), format), (24, 12))
    assert image.dtype == tf.float32 and image.shape == (24, 12, 3)
    np.testing.assert_array_equal(image, np.asarray(picture()))


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_is_as_pillow_reads_it(subsampling):
    data = encoded(picture(), "JPEG", quality=90, subsampling=subsampling)
    expected = np.asarray(Image.open(io.BytesIO(data)), np.float32)
    difference = np.abs(decode_image(data, (24, 12)) - expected)
    # TensorFlow takes libjpeg's fast integer transform.
    assert difference.mean() < 1.5
    assert subsampling or difference.max() <= 6


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_grey_is_three_equal_channels(format):
    grey = picture().convert("L")
    image = decode_image(encoded(grey, format, quality=100), (24, 12)).numpy()
    assert image.shape == (24, 12, 3)
    assert (image == image[..., :1]).all()
    np.testing.assert_allclose(image[..., 0], np.asarray(grey), atol=6)


def test_palettes_are_colours():
    palette = picture().quantize(16)
    got = decode_image(encoded(palette, "PNG"), (24, 12))
    np.testing.assert_array_equal(got, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("size", [(8, 4), (12, 12), (48, 24), (7, 31)])
def test_resizing_is_pillows_bilinear(size):
    got = decode_image(encoded(picture(), "PNG"), size)
    expected = picture().resize(size[::-1], Image.Resampling.BILINEAR)
    assert got.shape == (*size, 3)
    # Pillow rounds to whole values after each direction.
    np.testing.assert_allclose(got, np.asarray(expected, np.float32), atol=1.1)


def test_values_stay_in_range():
    checks = Image.fromarray(np.indices((9, 9)).sum(0).astype(np.uint8) % 2 * 255)
    for size in ((5, 5), (30, 30)):
        image = decode_image(encoded(checks, "PNG"), size).numpy()
        assert image.min() >= 0 and image.max() <= 255


@pytest.mark.parametrize("data", [b"", b"nothing", encoded(picture(), "PNG")[:60]])
def test_damaged_bytes_are_an_error(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(data, (4, 4))


def test_ranges():
    values = tf.constant([0.0, 127.5, 255.0])
    np.testing.assert_allclose(to_signed(values), [-1, 0, 1])
    np.testing.assert_allclose(to_unit(values), [0, 0.5, 1])
    np.testing.assert_allclose(signed_to_unit(to_signed(values)), to_unit(values))


def test_bytes_are_rounded_and_clipped():
    signed = tf.constant([-1.5, -1.0, -1.0 + 1.4 / 127.5, -1.0 + 1.6 / 127.5, 1.0, 2.0])
    got = signed_to_bytes(signed)
    assert got.dtype == tf.uint8
    np.testing.assert_array_equal(got, [0, 0, 1, 2, 255, 255])
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(
        signed_to_bytes(to_signed(every.astype(np.float32))), every
    )
