"""Each camera's colours for each other's: what a GAN has to beat, without a network."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfipgan.data.filenames import Sample
from tfipgan.data.pipelines import inference_batches
from tfipgan.errors import InputError, shorten_name

# The variance of rounding to 8 bits, which keeps that of a grey camera above 0.
_ROUNDING = (1 / 255) ** 2 / 12
_BATCH = 64


class ColourMap:
    """Translates each image by the affine map of colours between two cameras.

    A `Translator` that also has to know which camera took an image. Make one with
    `fit_colour_map`.

    Args:
        kernels: float (S, L, 3, 3), for each source camera and each camera of the
            target, that act on rows of RGB from 0 to 1.
        biases: float (S, L, 3).
        source_cameras: the source's S camera numbers.
        cameras: the target's L camera numbers.
        image_size: (height, width) of the images in pixels.

    Attributes:
        source_cameras, cameras, image_size: as given.
        networks: tuple of the one layer that holds the maps, for its digest.

    Call: as `Translator`, with source_camera int64 (n,), the number of the camera that
    took each image.
    """

    def __init__(self, kernels, biases, source_cameras, cameras, image_size):
        self.source_cameras, self.cameras = tuple(source_cameras), tuple(cameras)
        self.image_size = tuple(image_size)
        self.networks = (_Maps(np.shape(kernels), name="colour_map"),)
        self.networks[0].kernel.assign(np.asarray(kernels, np.float32))
        self.networks[0].bias.assign(np.asarray(biases, np.float32))

    def __call__(self, images, camera, source_camera):
        (maps,) = self.networks
        known = tf.constant(self.source_cameras, tf.int64)
        is_it = tf.equal(source_camera[:, None], known)
        pair = tf.stack([tf.argmax(is_it, axis=1, output_type=tf.int32), camera], 1)
        unit = (images + 1) / 2
        mapped = tf.einsum("nhwc,ncd->nhwd", unit, tf.gather_nd(maps.kernel, pair))
        mapped += tf.gather_nd(maps.bias, pair)[:, None, None]
        return 2 * tf.clip_by_value(mapped, 0.0, 1.0) - 1


class _Maps(keras.layers.Layer):
    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer="zeros", trainable=False
        )
        self.bias = self.add_weight(
            name="bias", shape=shape[:-1], initializer="zeros", trainable=False
        )
        self.built = True


def fit_colour_map(
    source: Sequence[Sample], target: Sequence[Sample], image_size: tuple[int, int]
) -> ColourMap:
    """Return the map that gives each source camera each target camera's colours.

    Between two cameras the mean and the covariance of all pixels become the other's, by
    the affine map that moves colours least: the optimal transport of one normal
    distribution to another (Pitie and Kokaram 2007). No identity is read.

    Args:
        source, target: training images with camera numbers.
        image_size: (height, width) in pixels, of the images that are compared and made.

    Raises:
        InputError: no image, or one without a camera number.
    """
    given, wanted = (
        _moments(samples, name, image_size)
        for samples, name in ((source, "source"), (target, "target"))
    )
    maps = [[_transport(*a, *b) for b in wanted.values()] for a in given.values()]
    kernels, biases = (
        np.array([[pair[k] for pair in row] for row in maps]) for k in range(2)
    )
    return ColourMap(kernels, biases, given, wanted, image_size)


def _moments(samples, name, image_size) -> dict[int, tuple]:
    """Return each camera's mean (3,) and covariance (3, 3) of RGB from 0 to 1."""
    if not samples:
        raise InputError(f"the {name} has no training images, expected at least one")
    cameras: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.camera_id < 0:
            raise InputError(
                f"{shorten_name(sample.path)} of the {name} has no camera number, "
                "expected one: a colour map is from camera to camera"
            )
        cameras.setdefault(sample.camera_id, []).append(sample)
    return {
        camera: _of_camera(cameras[camera], image_size) for camera in sorted(cameras)
    }


def _of_camera(samples, image_size):
    count, total, products = 0, np.zeros(3), np.zeros((3, 3))
    for images in inference_batches(samples, image_size, _BATCH).as_numpy_iterator():
        pixels = images.reshape(-1, 3).astype(np.float64) / 255
        count += len(pixels)
        total += pixels.sum(axis=0)
        products += pixels.T @ pixels
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    return mean, covariance + _ROUNDING * np.eye(3)


def _transport(mean, covariance, wanted_mean, wanted_covariance):
    root, back = _power(covariance, 0.5), _power(covariance, -0.5)
    kernel = back @ _power(root @ wanted_covariance @ root, 0.5) @ back
    return kernel, wanted_mean - mean @ kernel


def _power(symmetric, exponent):
    values, vectors = np.linalg.eigh(symmetric)
    return vectors * np.maximum(values, 1e-12) ** exponent @ vectors.T
