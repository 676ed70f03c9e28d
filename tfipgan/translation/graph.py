"""Images in the style of every target camera: what the files and a server share."""

import tensorflow as tf

from tfipgan.data.images import ImageEncoding, encode_image, signed_to_bytes, to_signed
from tfipgan.models.translator import Translator


def translation_graph(translator: Translator, encoding: ImageEncoding):
    """Return a function from images to encoded files, in a graph.

    Its arguments are float32 (batch, height, width, 3), RGB in [0, 255], and int64
    (batch), the number of the camera that took each; its result is string (batch, L), a
    row for each image and a column for each camera. It raises TensorFlow's
    InvalidArgumentError for a translation that is not finite.

    Args:
        translator: `Translator` or `ColourMap`, to L cameras.
        encoding: of the files.
    """
    count = len(translator.cameras)

    # One graph for all batches: the last may be smaller.
    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *translator.image_size, 3), tf.float32),
            tf.TensorSpec((None,), tf.int64),
        ],
        autograph=False,
    )
    def translate(images, source_camera):
        source_camera = tf.repeat(source_camera, count)
        translated = tf.debugging.check_numerics(
            translator(*for_each_camera(to_signed(images), count), source_camera),
            "the translated images are not finite",
        )
        files = encode_images(translated, encoding)
        return tf.reshape(files, (tf.shape(images)[0], count))

    return translate


def for_each_camera(images, count: int):
    """Return a translator's arguments that translate each image to each camera.

    Args:
        images: float32 (batch, height, width, 3) in [-1, 1].
        count: L, the number of cameras.

    Returns:
        images (batch * L, height, width, 3), each L times in a row, and the places of
        their cameras int32 (batch * L,).
    """
    camera = tf.tile(tf.range(count), [tf.shape(images)[0]])
    return tf.repeat(images, count, axis=0), camera


def encode_images(images, encoding: ImageEncoding):
    """Encode float32 (batch, height, width, 3) in [-1, 1]; strings (batch,)."""
    return tf.map_fn(
        lambda image: encode_image(image, encoding),
        signed_to_bytes(images),
        fn_output_signature=tf.TensorSpec((), tf.string),
    )
