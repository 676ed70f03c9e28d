"""Batches of images of two sets, for the GANs that translate there and back."""

from collections.abc import Sequence

import tensorflow as tf

from tfipgan.data.augment import random_flip
from tfipgan.data.batching import (
    POOL,
    SIAMESE,
    SOURCE_ORDER,
    TARGET_ORDER,
    ShuffledOrder,
    finished,
    image_reader,
    own_rows,
    rows_of_steps,
    stream_seed,
)
from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_signed
from tfipgan.data.pipelines import steps_per_epoch
from tfipgan.files.worker import ALONE, Worker


def pair_batches(
    source: Sequence[Sample],
    target: Sequence[Sample],
    *,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    flip: bool = True,
    noise_shape: tuple[int, ...] = (),
    start_step: int = 0,
    end_step: int | None = None,
    worker: Worker = ALONE,
    cache: bool = False,
) -> tf.data.Dataset:
    """Make the batches of `CycleGAN.train_step` from a shuffle of each set.

    Args:
        source, target: training samples, of which nothing but the images is read. The
            larger set makes an epoch of its own length; the smaller one begins anew.
        batch_size: rows of the global batch, so many images of each set.
        noise_shape: of each row's numbers for the dropout of a SiaNet; () makes none.
        image_size, seed, flip, start_step, end_step, worker, cache: as for
            `gan_batches`.

    Returns:
        Dataset of dicts: source and target float32 (batch_size, height, width, 3) in
        [-1, 1]; pool_seeds int32 (batch_size, 2), the same for all rows of a step;
        dropout_noise float32 (batch_size, *noise_shape) in [0, 1), if there is any.

    Raises:
        InputError: fewer images in a set than a step takes.
    """
    own = own_rows(batch_size, worker)
    sides = {}
    for stream, (name, samples) in zip(
        (SOURCE_ORDER, TARGET_ORDER),
        {"source": source, "target": target}.items(),
        strict=True,
    ):
        order_seed = stream_seed(seed, stream, 0)[0]
        rows_per_epoch = steps_per_epoch(len(samples), batch_size) * batch_size
        order = ShuffledOrder(len(samples), rows_per_epoch, order_seed)
        sides[name] = (order, image_reader(samples, image_size, cache), stream)

    def load(row):
        loaded = {}
        for name, (order, image_of, stream) in sides.items():
            image = to_signed(image_of(order.sample_of(row)))
            if flip:
                image = random_flip(image, stream_seed(seed, stream, row + 1))
            loaded[name] = image
        if noise_shape:
            loaded["dropout_noise"] = tf.random.stateless_uniform(
                noise_shape, stream_seed(seed, SIAMESE, row)
            )
        return {**loaded, "pool_seeds": stream_seed(seed, POOL, row // batch_size)}

    return finished(rows_of_steps(load, batch_size, own, start_step, end_step))
