"""What the SavedModels compute: the signatures of the translator and the extractor.

TensorFlow Serving hands a request to the graph whatever its shapes are, so the graph
itself refuses what it can't answer. The checks stand on the way to the outputs and are
not optimised away; as errors they are INVALID_ARGUMENT.
"""

import tensorflow as tf

from tfipgan.data.image_headers import require_small_image
from tfipgan.data.images import JPEG, ImageEncoding, decode_image, to_signed, to_unit
from tfipgan.data.local_images import MAX_PIXELS
from tfipgan.models.translator import Translator
from tfipgan.translation.graph import encode_images, for_each_camera


def translator_signatures(
    translator: Translator, encoding: ImageEncoding = JPEG
) -> dict:
    """Return the translator's functions by the names of their signatures.

    serving_default: image_bytes string (N,), camera int32 (N,) -> image_bytes (N,).
    tensor: images float32 (N, height, width, 3) in [-1, 1], camera -> images.
    all_cameras: image_bytes (N,) -> image_bytes (N, L), cameras int32 (N, L), whose
    rows are all the target's L cameras.

    Args:
        translator: a camera is one of its numbers; files of any size are resized to its
            image size.
        encoding: of the files that come out.
    """
    cameras, image_size = translator.cameras, translator.image_size
    count = len(cameras)

    def translate(images, places):
        return tf.debugging.check_numerics(
            _of_any_batch(translator, images, places),
            "the translated images are not finite",
        )

    def encoded(images):
        return encode_images(images, encoding)

    def serving_default(image_bytes, camera):
        image_bytes = _checked(image_bytes, (None,), "image_bytes")
        camera = _checked(camera, (None,), "camera")
        image_bytes = _as_many(image_bytes, camera, "image_bytes")
        places = _places(camera, cameras)
        images = to_signed(_decoded(image_bytes, image_size))
        return {"image_bytes": encoded(translate(images, places))}

    def tensor(images, camera):
        images = _pixels(images, image_size, "[-1, 1]")
        camera = _checked(camera, (None,), "camera")
        images = _as_many(images, camera, "images")
        return {"images": translate(images, _places(camera, cameras))}

    def all_cameras(image_bytes):
        image_bytes = _checked(image_bytes, (None,), "image_bytes")
        batch = tf.shape(image_bytes)[0]
        images = to_signed(_decoded(image_bytes, image_size))
        files = encoded(translate(*for_each_camera(images, count)))
        return {
            "image_bytes": tf.reshape(files, (batch, count)),
            "cameras": tf.tile(tf.constant([cameras], tf.int32), [batch, 1]),
        }

    files = tf.TensorSpec((None,), tf.string, "image_bytes")
    images = tf.TensorSpec((None, *image_size, 3), tf.float32, "images")
    camera = tf.TensorSpec((None,), tf.int32, "camera")
    return {
        "serving_default": _function(serving_default, files, camera),
        "tensor": _function(tensor, images, camera),
        "all_cameras": _function(all_cameras, files),
    }


def extractor_signatures(network, image_size: tuple[int, int]) -> dict:
    """Return the extractor's functions by the names of their signatures.

    serving_default: image_bytes string (N,) -> embedding float32 (N, feature_size),
    L2-normalised. tensor: images float32 (N, height, width, 3), RGB in [0, 255] -> the
    same.

    Args:
        network: `InferenceNetwork`.
        image_size: (height, width) in pixels; files of any size are resized to it.
    """

    def embed(images):
        embedding = tf.debugging.check_numerics(
            _of_any_batch(network, to_unit(images)),
            "the embedding is not finite",
        )
        return {"embedding": embedding}

    def serving_default(image_bytes):
        image_bytes = _checked(image_bytes, (None,), "image_bytes")
        return embed(_decoded(image_bytes, image_size))

    def tensor(images):
        return embed(_pixels(images, image_size, "[0, 255]"))

    files = tf.TensorSpec((None,), tf.string, "image_bytes")
    images = tf.TensorSpec((None, *image_size, 3), tf.float32, "images")
    return {
        "serving_default": _function(serving_default, files),
        "tensor": _function(tensor, images),
    }


def _function(function, *specs):
    return tf.function(function, input_signature=specs, autograph=False)


def _of_any_batch(network, *tensors):
    """Call a network on tensors of N rows; N may be 0."""
    # TensorFlow's convolutions on CPUs give nonsense for no rows: there is always one.
    rows = tf.shape(tensors[0])[0]
    extra = tf.cast(tf.equal(rows, 0), tf.int32)
    filled = [
        tf.concat([x, tf.zeros((extra, *x.shape[1:]), x.dtype)], axis=0)
        for x in tensors
    ]
    return network(*filled)[:rows]


def _decoded(image_bytes, image_size):
    """Decode files to float32 (N, height, width, 3) in [0, 255]; N may be 0."""

    def decoded(contents):
        return decode_image(require_small_image(contents, MAX_PIXELS), image_size)

    return tf.map_fn(
        decoded,
        image_bytes,
        fn_output_signature=tf.TensorSpec((*image_size, 3), tf.float32),
    )


def _checked(tensor, shape, name):
    """Return the tensor, and refuse one of another shape when the graph is run."""
    # The server does not enforce the shapes that a signature declares. To TensorFlow
    # they are facts, of which it would make the check a constant: it must forget them.
    anything = tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=None)
    found = tf.shape(anything)
    lengths_fit = tf.raw_ops.Equal(
        x=found[1:],
        y=tf.constant(shape[1:], tf.int32),
        incompatible_shape_error=False,
    )
    fits = tf.equal(tf.size(found), len(shape)) & tf.reduce_all(lengths_fit)
    expected = " ".join(["N", *map(str, shape[1:])])
    check = _require(fits, f"{name} must have shape [{expected}], found", found)
    with tf.control_dependencies([check]):
        return tf.ensure_shape(anything, shape)


def _pixels(images, image_size, range):
    """Return images of pixels, refused if they have another shape or no number."""
    images = _checked(images, (None, *image_size, 3), "images")
    # Not left to the check of the output: a ReLU makes 0 of what is not a number.
    return tf.debugging.check_numerics(images, f"images must be finite, in {range}")


def _as_many(tensor, camera, name):
    """Return the tensor, if it has as many rows as there are cameras."""
    rows, cameras = tf.shape(tensor)[0], tf.shape(camera)[0]
    check = _require(
        tf.equal(rows, cameras),
        f"{name} and camera must have as many rows, found",
        rows,
        "and",
        cameras,
    )
    with tf.control_dependencies([check]):
        return tf.identity(tensor)


def _places(camera, cameras):
    """Return the places of camera numbers among the cameras, int32 (N,)."""
    matches = tf.equal(camera[:, None], tf.constant([cameras], tf.int32))
    known = tf.reduce_any(matches, axis=1)
    check = _require(
        tf.reduce_all(known),
        f"camera must be one of {', '.join(map(str, cameras))}, found",
        tf.boolean_mask(camera, ~known),
    )
    with tf.control_dependencies([check]):
        return tf.argmax(matches, axis=1, output_type=tf.int32)


def _require(condition, *message):
    return tf.debugging.Assert(condition, message, summarize=8)
