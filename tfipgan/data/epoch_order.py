"""Which images make the batches of an epoch, drawn for all its steps at once."""

import numpy as np
import tensorflow as tf


class EpochOrder:
    """Which image stands at a row of an epoch's batches.

    Args:
        images: int64 (rows,), indices of images.
        epoch: from 0; the rows of the run before it are those of `epoch` such epochs.
    """

    def __init__(self, images: np.ndarray, epoch: int):
        self.images = images
        self._images = tf.constant(images, tf.int64)
        self._first = epoch * len(images)

    def sample_of(self, row):
        """Return the int64 index of the image at the int64 row of the whole run."""
        return self._images[row - self._first]


def shuffled_passes(
    num_images: int, batch_size: int, steps: int, epoch: int, seed: int
) -> EpochOrder:
    """Return the order of passes over all images, each of them shuffled anew.

    A batch that takes more images than there are has some of them more than once.

    Args:
        num_images: 1 or more.
        batch_size: rows of a batch.
        steps: batches of the epoch.
        epoch: as for `EpochOrder`.
        seed: int.
    """
    draw = np.random.default_rng([seed, epoch])
    rows = batch_size * steps
    passes = [draw.permutation(num_images) for _ in range(-(-rows // num_images))]
    return EpochOrder(np.concatenate(passes)[:rows].astype(np.int64), epoch)


def side_by_side(
    order: EpochOrder, other: EpochOrder, steps: int, epoch: int, num_images: int
) -> EpochOrder:
    """Return the order of batches that have one's rows, and after them the other's.

    Args:
        order, other: of the same epoch.
        steps: batches of the epoch.
        epoch: as for `EpochOrder`.
        num_images: of `order`; those of `other` are numbered from there on.
    """
    both = order.images, other.images + num_images
    batches = [images.reshape(steps, -1) for images in both]
    return EpochOrder(np.concatenate(batches, axis=1).reshape(-1), epoch)
