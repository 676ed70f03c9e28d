"""What a GAN run offers to others: images in the styles of the target's cameras."""

import tensorflow as tf


class Translator:
    """Translates each image to a camera of the target, by one generator for all.

    Args:
        generator: `Generator` of a domain for each camera and a last one, the source's
            own style, which is never asked for; or of one style, for one camera.
        cameras: the target's L camera numbers, in the order of the domains.
        image_size: (height, width) of the images in pixels.

    Attributes:
        cameras, image_size: as given.
        networks: tuple of all networks that it translates with, for their digests.

    Call: `translator(images, camera)` with images float32 (n, height, width, 3) in
    [-1, 1] and camera int32 (n,), the place in `cameras` of each image's camera. The
    number of the camera that took an image, a third argument, makes no difference.
    Returns float32 images of the same shape in [-1, 1]. It raises TensorFlow's
    InvalidArgumentError for a place that is not in 0..L-1.
    """

    def __init__(
        self, generator, cameras: tuple[int, ...], image_size: tuple[int, int]
    ):
        self.cameras = cameras
        self.image_size = image_size
        self.networks = (generator,)

    def __call__(self, images, camera, source_camera=None):
        (generator,) = self.networks
        count = len(self.cameras)
        # Of an unknown place the one-hot would be all zeros, which no domain has.
        with tf.control_dependencies([_known(camera, count)]):
            return generator((images, tf.one_hot(camera, count + 1)))


class CameraTranslators:
    """Translates each image to a camera of the target, by that camera's own networks.

    Args:
        translators: a `Translator` for each camera, each with one style.
        cameras, image_size: as for `Translator`.

    Attributes, call: as of `Translator`.
    """

    def __init__(self, translators, cameras, image_size):
        self.translators = tuple(translators)
        self.cameras = tuple(cameras)
        self.image_size = image_size
        self.networks = tuple(
            network for translator in translators for network in translator.networks
        )

    def __call__(self, images, camera, source_camera=None):
        images = tf.convert_to_tensor(images)
        with tf.control_dependencies([_known(camera, len(self.cameras))]):
            rows = [
                tf.where(tf.equal(camera, place))[:, 0]
                for place in range(len(self.cameras))
            ]
        made = [
            _translated(translator, tf.gather(images, own))
            for translator, own in zip(self.translators, rows, strict=True)
        ]
        return tf.gather(tf.concat(made, 0), tf.argsort(tf.concat(rows, 0)))


def _translated(translator, images):
    """Translate any number of images by a translator of one style."""
    count = tf.shape(images)[0]
    # TensorFlow's convolutions on CPUs give nonsense for no rows.
    return tf.cond(
        count > 0,
        lambda: translator(images, tf.zeros((count,), tf.int32)),
        lambda: images,
    )


def _known(camera, count):
    """Return the check that all places are of cameras."""
    known = tf.reduce_all((camera >= 0) & (camera < count))
    told = f"camera must be a place among {count} cameras, found"
    return tf.debugging.Assert(known, [told, camera])
