"""Decoded images kept in memory, for a training that reads each of them many times.

They are kept as float32, resized: so a batch is the same to the bit with and without.
Bytes as decoded would take a fraction of the memory, but the resize after the decoding
is most of an image's time. Nor are they kept on a disk: a decoded image takes up to a
hundred times its JPEG there, and longer to read than that to decode.
"""

import logging
import os
from collections.abc import Callable

import tensorflow as tf

from tfipgan.errors import InputError

BYTES_OF_PIXEL = 3 * 4
GIB = 2**30

logger = logging.getLogger(__name__)


def check_cache(
    num_images: int, image_size: tuple[int, int], gib: float | None
) -> None:
    """Raise InputError unless the decoded images fit into memory.

    Args:
        num_images: to keep.
        image_size: (height, width) in pixels.
        gib: GiB that they may take; None if none are kept.
    """
    if gib is None:
        return
    height, width = image_size
    needed = num_images * height * width * BYTES_OF_PIXEL / GIB
    machine_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    message = f"{num_images} decoded images of {height}x{width} take {needed:.3g} GiB"
    if needed > gib:
        raise InputError(
            f"{message}, --cache-images allows {gib:g}: allow more, or leave it out"
        )
    if needed > machine_gib:
        raise InputError(
            f"{message}, this machine has {machine_gib:.3g}: leave --cache-images out"
        )
    logger.info("%s, kept in memory", message)


def kept_in_memory(
    batches: tf.data.Dataset, num_images: int, image_size: tuple[int, int]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Read all images once; return a function of an index that gives one.

    Args:
        batches: float32 (batch, *image_size, 3), all images in order.
        num_images: of all batches.
        image_size: (height, width) in pixels.
    """
    # On the CPU, where pipelines run, and filled in place: there is no second copy.
    with tf.device("CPU:0"):
        images = tf.Variable(tf.zeros((num_images, *image_size, 3)), trainable=False)
        start = 0
        for batch in batches:
            places = tf.range(start, start + len(batch), dtype=tf.int64)
            images.scatter_update(tf.IndexedSlices(batch, places))
            start += len(batch)
    return lambda index: tf.gather(images, index)
