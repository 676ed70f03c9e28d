"""A translator's arguments for every camera, and the files of what it gives."""

import numpy as np
import tensorflow as tf

from tfipgan.data.images import ImageEncoding
from tfipgan.models.translator import Translator
from tfipgan.translation.graph import (
    encode_images,
    for_each_camera,
    translation_graph,
)


def brightened(inputs):
    """Stands in for the generator: a third brighter for each domain."""
    images, domains = inputs
    step = tf.cast(tf.argmax(domains, axis=-1), tf.float32)
    return images + step[:, None, None, None] / 3


def test_each_image_for_each_camera():
    images = tf.reshape(tf.range(2.0), (2, 1, 1, 1)) * tf.ones((2, 2, 1, 3))
    repeated, camera = for_each_camera(images, 3)
    assert repeated.shape == (6, 2, 1, 3)
    np.testing.assert_array_equal(repeated[:, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(camera, [0, 1, 2, 0, 1, 2])
    assert camera.dtype == tf.int32


def test_files_in_rows():
    translator = Translator(brightened, (2, 3, 7), (2, 4))
    translate = translation_graph(translator, ImageEncoding("png"))
    images = np.full((2, 2, 4, 3), 0, np.float32)
    images[1] = 51
    tf.config.run_functions_eagerly(True)
    try:
        eager = translate(images, [1, 1]).numpy()
    finally:
        tf.config.run_functions_eagerly(False)
    graph = translate(images, [1, 1]).numpy()
    assert (graph == eager).all()
    colours = [[tf.io.decode_png(file)[0, 0, 0] for file in row] for row in graph]
    np.testing.assert_allclose(colours, [[0, 42, 85], [51, 93, 136]], atol=1)


def test_the_formats():
    images = tf.zeros((1, 2, 4, 3))
    (jpeg,) = encode_images(images, ImageEncoding("jpeg")).numpy()
    (png,) = encode_images(images, ImageEncoding("png")).numpy()
    assert jpeg.startswith(b"\xff\xd8\xff") and png.startswith(b"\x89PNG")
