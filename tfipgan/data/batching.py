"""What all pipelines are made of: who stands at a row, its image, and its seeds."""

import os

import tensorflow as tf

from tfipgan.data.filenames import Sample
from tfipgan.data.image_cache import kept_in_memory
from tfipgan.data.images import decode_image
from tfipgan.data.local_images import converted

# One stream of random numbers for each use, so that none repeats another's. A new one
# comes last: with another number a use would draw other ones than before.
FLIP, CROP, DROPOUT, TARGETS, INTERPOLATION, JITTER, PAD, ERASE = range(8)
SOURCE_ORDER, TARGET_ORDER, POOL, SIAMESE = range(8, 12)
_CACHED_TOGETHER = 64


def image_reader(samples, image_size, cache=False):
    """Return a function of an int64 index: the sample's image, as `decode_image`."""
    if cache:
        batches = decoded_in_order(samples, image_size, _CACHED_TOGETHER)
        return kept_in_memory(batches, len(samples), image_size)
    samples = [Sample(s, 0, 0) if isinstance(s, str) else s for s in samples]
    # Encoded here: names on a disk need not be UTF-8, which TensorFlow would ask for.
    paths = tf.constant([os.fsencode(s.path) for s in samples], tf.string)
    if not any(s.needs_conversion for s in samples):
        return lambda index: decode_image(tf.io.read_file(paths[index]), image_size)
    odd = tf.constant([s.needs_conversion for s in samples])

    def image_of(index):
        contents = tf.cond(
            odd[index],
            lambda: tf.numpy_function(converted, [paths[index]], tf.string, False),
            lambda: tf.io.read_file(paths[index]),
        )
        return decode_image(tf.ensure_shape(contents, ()), image_size)

    return image_of


def decoded_in_order(samples, image_size, batch_size):
    """Return what `tfipgan.data.pipelines.inference_batches` gives."""
    return finished(
        tf.data.Dataset.range(len(samples))
        .map(
            image_reader(samples, image_size),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .batch(batch_size)
    )


class ShuffledOrder:
    """Which sample stands at a row, when each epoch is shuffled anew."""

    def __init__(self, num_samples, rows_per_epoch, seed):
        self.num_samples = num_samples
        self.rows_per_epoch = rows_per_epoch
        self.seed = seed

    def sample_of(self, row):
        """Return the int64 index of the sample at the int64 row of the whole run.

        Or those of several rows of one epoch.
        """
        epoch = tf.reshape(row, (-1,))[0] // self.rows_per_epoch
        place = row % self.rows_per_epoch
        # A permutation computed one place at a time: no buffer, any start.
        key = tf.stack([self.seed, tf.cast(epoch, tf.int32)])
        return tf.random.experimental.index_shuffle(
            place, tf.cast(key, tf.uint32), self.num_samples - 1
        )


def own_rows(batch_size, worker):
    """Return the range of a worker's rows in a global batch."""
    first, stop = (
        k * batch_size // worker.count for k in (worker.index, worker.index + 1)
    )
    return range(first, stop)


def rows_of_steps(load, rows_per_step, places, start_step, end_step):
    """Load rows of the steps in parallel, in order, batched by step.

    places: which of a step's rows, in what order.
    """
    places, count = tf.constant(places, tf.int64), len(places)

    def load_next(number):
        step, place = number // count, number % count
        return load(step * rows_per_step + places[place])

    last = end_of(end_step)
    stop = last * count if end_step is not None else last
    return (
        tf.data.Dataset.range(start_step * count, stop)
        .map(load_next, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(count, drop_remainder=True)
    )


def finished(dataset):
    """Add what all pipelines end with: batches made ahead, and their options."""
    options = tf.data.Options()
    # With it on, an iterator's end waits for the tuner's thread, which sleeps ever
    # longer: half a minute after a few hundred steps. Off, maps use all cores.
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)


def end_of(end_step):
    """Return the step that a pipeline ends before; None is never."""
    return tf.int64.max if end_step is None else end_step


def stream_seed(seed, stream, counter):
    """Return an int32 (2,) seed of its own for this stream and row or step."""
    base = tf.stack([tf.constant(seed, tf.int32), tf.constant(stream, tf.int32)])
    return tf.random.experimental.stateless_fold_in(base, counter)
