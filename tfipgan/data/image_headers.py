"""An image file's size by its header, read in the graph before memory is taken."""

import tensorflow as tf

_PNG, _JPEG, _BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
_LENGTH = 24  # to the end of a PNG's height
_BIG_ENDIAN = [2**24, 2**16, 2**8, 1]


def require_small_image(contents, max_pixels: int):
    """Return a file's bytes, refused if decoding them could take much memory.

    JPEG and PNG say their size at the start; a BMP is as large as its file. Other
    formats that TensorFlow may know (GIF, WebP, JPEG XL) are refused: which ones it
    knows depends on its version, and a GIF's frames may be larger than its header says.

    Args:
        contents: string scalar.
        max_pixels: height x width that is still decoded.

    Returns:
        string scalar, the same. Run, it raises InvalidArgumentError for a larger image,
        a JPEG whose header is damaged, or another format.
    """
    padded = tf.strings.join([contents, bytes(_LENGTH)])
    header = tf.io.decode_raw(tf.strings.substr(padded, 0, _LENGTH), tf.uint8)
    header = tf.ensure_shape(tf.cast(header, tf.int64), (_LENGTH,))
    is_jpeg = _starts_with(header, _JPEG)
    is_png = _starts_with(header, _PNG)
    known = is_jpeg | is_png | _starts_with(header, _BMP)
    # Nothing at all is left to the decoder, which says so.
    known |= tf.equal(tf.strings.length(contents), 0)
    checks = [
        tf.debugging.Assert(
            known, ["Unknown image file format. One of JPEG, PNG, BMP required."]
        )
    ]
    with tf.control_dependencies(checks):
        height, width = tf.cond(
            is_jpeg,
            lambda: tuple(tf.unstack(tf.io.extract_jpeg_shape(contents, tf.int64)[:2])),
            lambda: (_number(header[20:]), _number(header[16:20])),
        )
    # Each side too: the product of two may be more than an int64 holds.
    fits = (height <= max_pixels) & (width <= max_pixels)
    fits = ~(is_jpeg | is_png) | (fits & (height * width <= max_pixels))
    message = ["an image of", width, "x", height, "pixels, more than", max_pixels]
    checks.append(tf.debugging.Assert(fits, message))
    with tf.control_dependencies(checks):
        return tf.identity(contents)


def _starts_with(header, magic):
    return tf.reduce_all(tf.equal(header[: len(magic)], list(magic)))


def _number(four_bytes):
    return tf.reduce_sum(four_bytes * _BIG_ENDIAN)
