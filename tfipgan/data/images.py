"""From a file's bytes to the network's pixels: the one way all of the project takes."""

import tensorflow as tf


def decode_image(contents, image_size):
    """Decode a JPEG, PNG or BMP and resize it.

    Args:
        contents: string scalar, the file's bytes.
        image_size: (height, width) in pixels.

    Returns:
        float32 (height, width, 3), RGB in [0, 255]; bilinear with antialiasing.
    """
    image = tf.io.decode_image(contents, channels=3, expand_animations=False)
    image.set_shape((None, None, 3))
    resized = tf.image.resize(image, image_size, antialias=True)
    return tf.clip_by_value(resized, 0.0, 255.0)


def to_signed(images):
    """Map [0, 255] to the generator's [-1, 1]."""
    return images / 127.5 - 1.0


def to_unit(images):
    """Map [0, 255] to the re-ID network's [0, 1]."""
    return images / 255.0


def signed_to_unit(images):
    """Map the generator's [-1, 1] to the re-ID network's [0, 1]; differentiable."""
    return (images + 1.0) / 2.0


def signed_to_bytes(images):
    """Map [-1, 1] to uint8 in [0, 255], rounded."""
    return tf.cast(tf.round(tf.clip_by_value((images + 1.0) * 127.5, 0, 255)), tf.uint8)


def encode_image(image, format: str, quality: int):
    """Encode uint8 (height, width, 3) as a JPEG (4:4:4) or a PNG; a string scalar.

    Args:
        image: uint8 (height, width, 3), RGB.
        format: "jpeg" or "png".
        quality: of the JPEG, 1 to 100.
    """
    if format == "png":
        return tf.io.encode_png(image)
    return tf.io.encode_jpeg(
        image, quality=quality, chroma_downsampling=False, optimize_size=True
    )
