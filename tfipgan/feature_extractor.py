"""Features from Python: of image files, or of images that are arrays already."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfipgan.data.filenames import NO_CAMERA, UNLABELLED, Sample
from tfipgan.data.images import resize_image
from tfipgan.data.pipelines import inference_batches
from tfipgan.data.readable import check_readable
from tfipgan.errors import InputError
from tfipgan.evaluation.features import feature_function, graph_of
from tfipgan.runs.run import load_reid_network, open_run

Images = str | os.PathLike | np.ndarray | Sequence[str | os.PathLike | np.ndarray]


class FeatureExtractor:
    """Gives the features that a re-ID run's network makes of images.

    Args:
        run: folder of a run of `tfipgan train-reid` or `import-weights --kind resnet`.
        batch_size: images at a time; None for the run's evaluation.batch_size.
        flip: whether to average the features of each image and its mirror image.

    Call it with files or arrays, as often as you like; the network is loaded once.

    Raises:
        InputError: no such run, a run of a GAN, a damaged one; a batch size below 1.
    """

    def __init__(
        self,
        run: str | os.PathLike,
        *,
        batch_size: int | None = None,
        flip: bool = False,
    ):
        opened = open_run(run, "reid")
        if batch_size is None:
            batch_size = opened.config.evaluation.batch_size
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, expected 1 or more")
        self.batch_size = batch_size
        self.image_size = opened.config.reid.image_size
        network = load_reid_network(opened)
        self._graph = graph_of(feature_function(network, flip), self.image_size)

    def __call__(self, images: Images) -> np.ndarray:
        """Return the features, float32 (images, values), L2-normalised.

        Args:
            images: a path or a list of paths, read as `tfipgan extract` reads them; or
                an RGB array (height, width, 3), a batch (images, height, width, 3), or
                a list of arrays of any sizes: uint8 in [0, 255], or floats in [0, 1].
                They are resized to the run's image size.

        The rows are in the order of the images. Of the same files in the same order,
        and with the same batch size, they are those of `tfipgan extract` to the bit.

        Raises:
            InputError: no image at all, a file that can't be read, an array of another
                shape, type or range, paths and arrays in one list, or features that
                are NaN or infinite.
        """
        images = _as_list(images)
        if all(isinstance(image, np.ndarray) for image in images):
            batches = self._of_arrays(images)
        elif all(isinstance(image, str | os.PathLike) for image in images):
            samples = [Sample(os.fspath(i), UNLABELLED, NO_CAMERA) for i in images]
            samples, _ = check_readable(samples)
            batches = inference_batches(samples, self.image_size, self.batch_size)
        else:
            kinds = sorted({type(image).__name__ for image in images})
            raise InputError(
                f"images are of type {', '.join(kinds)}, expected paths (str or Path) "
                "or arrays (NumPy), all of one kind"
            )
        rows = np.concatenate([self._graph(batch).numpy() for batch in batches])
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            raise InputError(
                f"what the network makes of image {int(bad.argmax())} is NaN or "
                f"infinite ({int(bad.sum())} such images of {len(rows)}); look for a "
                "diverged network"
            )
        return rows

    def _of_arrays(self, images):
        """Yield batches of arrays, float32 in [0, 255]."""
        # All before the first is worked on.
        for number, image in enumerate(images):
            _check(image, number)
        for start in range(0, len(images), self.batch_size):
            some = images[start : start + self.batch_size]
            yield tf.stack([resize_image(_pixels(i), self.image_size) for i in some])


def _as_list(images):
    """Return a list of paths or of arrays (height, width, 3)."""
    if isinstance(images, str | os.PathLike):
        return [images]
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OU":
        if images.ndim not in (3, 4):
            raise InputError(
                f"an array of shape {images.shape}, expected (height, width, 3) or "
                "(images, height, width, 3)"
            )
        images = images if images.ndim == 4 else images[None]
    try:
        images = [*images]
    except TypeError:
        raise InputError(
            f"images are {type(images).__name__}, expected a path, an array, or a list"
        ) from None
    if not images:
        raise InputError("no images, expected one or more")
    return images


def _check(image, number):
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(
            f"image {number} has the shape {image.shape}, expected (height, width, 3), "
            "RGB"
        )
    if image.dtype == np.uint8:
        return
    if image.dtype.kind != "f":
        raise InputError(
            f"image {number} is of type {image.dtype}, expected uint8 in [0, 255] or "
            "floats in [0, 1]"
        )
    lowest, highest = float(image.min()), float(image.max())
    if not (lowest >= 0 and highest <= 1):  # NaN is neither
        raise InputError(
            f"image {number} has values from {lowest:.4g} to {highest:.4g}, expected "
            "floats in [0, 1], or uint8 in [0, 255]"
        )


def _pixels(image):
    """Return an image in [0, 255], uint8 or float32."""
    return image if image.dtype == np.uint8 else image.astype(np.float32) * 255
