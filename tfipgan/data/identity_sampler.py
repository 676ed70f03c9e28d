"""Which images make a batch of P identities with K images of each."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError

# Streams of random numbers, far from those of the pipelines.
_IDENTITIES, _CAMERAS, _IMAGES = range(1000, 1003)


def check_identities(
    samples: Sequence[Sample], batch_size: int, images_per_identity: int
) -> None:
    """Raise InputError where a batch takes more identities than the samples have."""
    num_identities = len({s.person_id for s in samples})
    wanted = batch_size // images_per_identity
    if wanted > num_identities:
        raise InputError(
            f"{num_identities} training identities, but a batch of {batch_size} images "
            f"takes {wanted} with {images_per_identity} of each: set reid.batch_size "
            "lower, or reid.images_per_identity higher"
        )


class IdentityOrder:
    """Which sample stands at a row of batches of P identities with K images of each.

    The identities are shuffled; batch after batch takes the next P, and where fewer
    than P are left, all are shuffled anew: so none is twice in a batch, and all come
    equally often. Of its K images: the cameras that saw the person, in an order drawn
    anew, take turns, and each gives an image that it has not given, drawn at random.
    When all are given (there are fewer than K) they come again in the same order.

    Args:
        samples: with identities and cameras.
        batch_size: rows of a batch, P x K; a multiple of K.
        images_per_identity: K.
        seed: int.

    Raises:
        InputError: fewer than P identities.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        batch_size: int,
        images_per_identity: int,
        seed: int,
    ):
        check_identities(samples, batch_size, images_per_identity)
        self._per_batch = batch_size // images_per_identity
        self._per_identity = images_per_identity
        self._seed = seed
        # Sorted so that a camera's images of a person are a range of places, and a
        # person's cameras are a range of these ranges.
        people = np.array([s.person_id for s in samples])
        cameras = np.array([s.camera_id for s in samples])
        samples_at = np.lexsort((np.arange(len(samples)), cameras, people))
        pairs = np.stack([people, cameras], axis=1)[samples_at]
        groups, starts, sizes = np.unique(
            pairs, axis=0, return_index=True, return_counts=True
        )
        _, firsts, counts = np.unique(
            groups[:, 0], return_index=True, return_counts=True
        )
        self._sample_at = tf.constant(samples_at, tf.int64)
        self._group_start, self._group_size = tf.constant(starts), tf.constant(sizes)
        self._first_group, self._num_groups = tf.constant(firsts), tf.constant(counts)
        self._num_identities = len(counts)

    def sample_of(self, row):
        """Return the int64 index of the sample at the int64 row of the whole run."""
        place, turn = row // self._per_identity, row % self._per_identity
        batches = self._num_identities // self._per_batch
        shuffle, place = (
            place // (batches * self._per_batch),
            place % (batches * self._per_batch),
        )
        identity = self._shuffled(self._num_identities, _IDENTITIES, shuffle)[place]
        first, count = self._first_group[identity], self._num_groups[identity]
        groups = first + self._shuffled(count, _CAMERAS, shuffle, identity)
        sizes = tf.gather(self._group_size, groups)
        # Round after round, a camera that still has an image gives one; K rounds do.
        rounds = tf.range(self._per_identity, dtype=tf.int64)
        gives = tf.where(rounds[:, tf.newaxis] < sizes)
        number = turn % tf.reduce_sum(tf.minimum(sizes, self._per_identity))
        which, camera = gives[number, 0], gives[number, 1]
        group = groups[camera]
        image = self._shuffled(sizes[camera], _IMAGES, shuffle, group)[which]
        return self._sample_at[self._group_start[group] + image]

    def _shuffled(self, count, stream, *counters):
        """Return the numbers below `count`, int64, in an order of these counters."""
        seed = tf.stack([self._seed, stream])
        for counter in counters:
            seed = tf.random.experimental.stateless_fold_in(seed, counter)
        # Not index_shuffle, which is far from even where there are few to shuffle.
        return tf.cast(tf.argsort(tf.random.stateless_uniform([count], seed)), tf.int64)
