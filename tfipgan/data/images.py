"""From a file's bytes to the network's pixels: the one way all of the project takes."""

from dataclasses import dataclass

import tensorflow as tf

from tfipgan.errors import InputError

_ENDINGS = {"jpeg": ".jpg", "png": ".png"}
# To its colour type, a PNG; and one that can't be transparent: grey or RGB, and its
# pixels come right after its header. Patterns are UTF-8: the first byte is any.
_PNG = r"\CPNG\r\n\x1a\n\C{18}\C*"
_OPAQUE_PNG = r"\CPNG\r\n\x1a\n\C{17}[\x00\x02]\C{11}IDAT\C*"
_GREY, _RGB, _PALETTE = b"\0", b"\2", b"\3"


def decode_image(contents, image_size):
    """Decode a JPEG, PNG or BMP and resize it.

    Args:
        contents: string scalar, the file's bytes.
        image_size: (height, width) in pixels.

    Returns:
        float32 (height, width, 3), RGB in [0, 255]; bilinear with antialiasing. What is
        transparent is pasted on white, as `tfipgan.data.transparency` does.
    """
    opaque = tf.strings.regex_full_match(contents, _OPAQUE_PNG)
    image = tf.cond(
        tf.strings.regex_full_match(contents, _PNG) & ~opaque,
        lambda: _decode_png_on_white(contents),
        lambda: tf.io.decode_image(contents, channels=3, expand_animations=False),
    )
    image.set_shape((None, None, 3))
    return resize_image(image, image_size)


def resize_image(image, image_size):
    """Resize pixels in [0, 255], (height, width, 3), to float32 of another size."""
    resized = tf.image.resize(image, image_size, antialias=True)
    return tf.clip_by_value(resized, 0.0, 255.0)


def _decode_png_on_white(contents):
    """Decode a PNG to uint8 (height, width, 3), pasted on white."""
    colour_type = tf.strings.substr(contents, 25, 1)
    # A palette has three or four channels. Asked for four, TensorFlow makes up alpha
    # for an opaque image, and for one bit that is 1, not 255.
    image = tf.cond(
        tf.equal(colour_type, _PALETTE),
        lambda: tf.io.decode_png(contents, channels=0),
        lambda: tf.io.decode_png(contents, channels=4),
    )
    image.set_shape((None, None, None))
    colours, alpha = image[:, :, :3], image[:, :, 3:]
    # Of grey too; there, and in RGB, a colour is transparent or not.
    has_key = tf.equal(colour_type, _GREY) | tf.equal(colour_type, _RGB)
    alpha = tf.where(has_key & (alpha > 0), tf.constant(255, tf.uint8), alpha)
    return tf.cond(
        tf.reduce_all(tf.equal(alpha, 255)),
        lambda: colours,
        lambda: _paste_on_white(colours, alpha),
    )


def _paste_on_white(colours, alpha):
    """Lay colours over white by their alpha, all uint8, rounded."""
    # In 16 bits: an image may be large. 255 * 255 and half of 255, to round.
    darkness = tf.cast(255 - colours, tf.uint16) * tf.cast(alpha, tf.uint16)
    return tf.cast((65025 + 127 - darkness) // 255, tf.uint8)


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


@dataclass(frozen=True)
class ImageEncoding:
    """The kind of file that images are written as.

    Args:
        format: "jpeg" (4:4:4) or "png".
        quality: of the JPEG, 1 to 100.

    Raises:
        InputError: an unknown format.
    """

    format: str = "jpeg"
    quality: int = 95

    def __post_init__(self):
        if self.format not in _ENDINGS:
            raise InputError(
                f"format is {self.format!r}, expected one of {', '.join(_ENDINGS)}"
            )

    @property
    def ending(self) -> str:
        """What the names of such files end in."""
        return _ENDINGS[self.format]


JPEG = ImageEncoding()


def encode_image(image, encoding: ImageEncoding):
    """Encode uint8 (height, width, 3), RGB; a string scalar."""
    if encoding.format == "png":
        return tf.io.encode_png(image)
    return tf.io.encode_jpeg(
        image, quality=encoding.quality, chroma_downsampling=False, optimize_size=True
    )
