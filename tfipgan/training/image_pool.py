"""Translated images of earlier steps, which a discriminator is shown (CycleGAN's pool).

Shrivastava et al. 2017, section 2.3; as Zhu et al. 2017, section 4, use it.
"""

import numpy as np
import tensorflow as tf

from tfipgan.training.replicas import num_replicas, rows_of_all
from tfipgan.weights.local_copies import LocalCopies


def draw_from_pool(pool, filled, images, seed):
    """Return what is shown, and the pool after it.

    A pool that isn't full takes the images, which are shown themselves. From a full
    one half of the rows draw, with equal chances, an image each that the pool had
    before, no two the same, and leave theirs in its place.

    Args:
        pool: float32 (size, height, width, 3).
        filled: int32, how many of its places are taken, from the first on.
        images: float32 (batch, height, width, 3) of the global batch, in its order; at
            most `size` of them.
        seed: int32 (2,), of this step and pool.

    Returns:
        (shown, pool, filled): float32 as images, and as given.
    """
    size, rows = tf.shape(pool)[0], tf.shape(images)[0]
    row = tf.range(rows)
    draws = tf.random.stateless_uniform((size + rows,), seed)
    drawn = tf.argsort(draws[:size])[:rows]
    is_full = filled >= size
    swaps = is_full & (draws[size:] < 0.5)
    # A full pool's rows that don't swap, and those that find no place, leave nothing.
    fills = ~is_full & (filled + row < size)
    places = tf.where(swaps, drawn, filled + row)
    shown = tf.where(
        swaps[:, tf.newaxis, tf.newaxis, tf.newaxis], tf.gather(pool, drawn), images
    )
    kept = tf.where(swaps | fills)[:, 0]
    pool = tf.tensor_scatter_nd_update(
        pool, tf.gather(places, kept)[:, tf.newaxis], tf.gather(images, kept)
    )
    return shown, pool, tf.minimum(filled + rows, size)


class ImagePool:
    """A pool that all replicas keep alike; to be made in the strategy's scope.

    Args:
        size: int, images that it holds; 0 shows each step's own.
        image_size: (height, width) in pixels.
    """

    def __init__(self, size, image_size):
        self.size = size
        self.images = tf.Variable(tf.zeros((size, *image_size, 3)), trainable=False)
        self.filled = tf.Variable(0, trainable=False, dtype=tf.int32)

    def show(self, images, seed):
        """Draw for this replica's rows, and take in those of all; as `draw_from_pool`.

        No gradient passes.
        """
        images = tf.stop_gradient(images)
        if not self.size:
            return images
        shown, pool, filled = draw_from_pool(
            tf.convert_to_tensor(self.images),
            tf.convert_to_tensor(self.filled),
            rows_of_all(images),
            seed,
        )
        self.images.assign(pool)
        self.filled.assign(filled)
        if num_replicas() == 1:
            return shown
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        by_replica = tf.reshape(shown, (num_replicas(), -1, *images.shape[1:]))
        return tf.gather(by_replica, replica)

    def arrays(self):
        """Return {"images": ..., "filled": ...}, for a checkpoint."""
        return {
            "images": LocalCopies(self.images).numpy(),
            "filled": np.asarray(LocalCopies(self.filled).numpy()),
        }

    def set_arrays(self, images, filled):
        """Take what `arrays` gave, on all devices of this process."""
        LocalCopies(self.images).assign(np.asarray(images, np.float32))
        LocalCopies(self.filled).assign(np.asarray(filled, np.int32))
