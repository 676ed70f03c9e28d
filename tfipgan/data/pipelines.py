"""tf.data pipelines for the GAN, for re-ID training and for inference.

Training pipelines are functions of (seed, step): element k of a pipeline that starts at
step s is element s + k of one that starts at 0. So a resumed run sees what it would
have seen, and every random number of a step belongs to a row of the global batch and
not to the device that gets it.
"""

import os
from collections.abc import Sequence

import tensorflow as tf

from tfipgan.data.augment import (
    color_jitter,
    pad_and_crop,
    random_erasing,
    random_flip,
    random_sized_crop,
)
from tfipgan.data.epoch_order import EpochOrder
from tfipgan.data.filenames import Sample
from tfipgan.data.identity_sampler import IdentityOrder
from tfipgan.data.image_cache import kept_in_memory
from tfipgan.data.images import decode_image, to_signed, to_unit
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.data.local_images import converted
from tfipgan.errors import InputError
from tfipgan.files.worker import ALONE, Worker

# One stream of random numbers for each use, so that none repeats another's. A new one
# comes last: with another number a use would draw other ones than before.
_FLIP, _CROP, _DROPOUT, _TARGETS, _INTERPOLATION, _JITTER, _PAD, _ERASE = range(8)
_SOURCE_ORDER, _TARGET_ORDER, _POOL = range(8, 11)
_CACHED_TOGETHER = 64


def steps_per_epoch(num_images: int, images_per_step: int) -> int:
    """Return the whole steps in a pass over the images; the rest is left out.

    Raises:
        InputError: there are fewer images than one step takes.
    """
    if num_images < images_per_step:
        raise InputError(
            f"{num_images} training images, but one step takes {images_per_step}: "
            "lower the batch size (or n_critic), or add images"
        )
    return num_images // images_per_step


def gan_batches(
    source: Sequence[Sample],
    target: Sequence[Sample],
    labels: LabelMap | None,
    domains: DomainMap,
    *,
    image_size: tuple[int, int],
    batch_size: int,
    n_critic: int,
    seed: int,
    flip: bool = True,
    start_step: int = 0,
    end_step: int | None = None,
    worker: Worker = ALONE,
    cache: bool = False,
) -> tf.data.Dataset:
    """Make the batches of `IPGAN.train_step` from one joint shuffle of both sets.

    Args:
        source, target: training samples; the source's with identities, the target's
            with cameras.
        labels: of the source; None if no semantic loss reads the identities.
        domains: of the target's cameras.
        image_size: (height, width) in pixels.
        batch_size: rows of the global batch.
        n_critic: batches in a step.
        seed: int.
        flip: whether to mirror images at random.
        start_step, end_step: the steps to make; None goes on for ever.
        worker: whose rows of each batch to make: the first has the first ones, and no
            other image is read than its own.
        cache: whether to decode all images now and keep them in memory; the batches
            are the same. See `tfipgan.data.image_cache`.

    Returns:
        Dataset of dicts with batch_size rows, or the worker's share of them, and the
        critic's batches on axis 1; see `IPGAN.train_step`. Target rows have identity
        0. Target domains are a permutation of the global batch's own domains.

    Raises:
        InputError: fewer images than one step takes.
    """
    samples = [*source, *target]
    identities = [labels.index(s.person_id) if labels else 0 for s in source]
    table = {
        "domains": [domains.source_domain] * len(source)
        + [domains.index(s.camera_id) for s in target],
        "identities": identities + [0] * len(target),
        "is_source": [1] * len(source) + [0] * len(target),
    }
    rows_per_step = batch_size * n_critic
    own = _own_rows(batch_size, worker)
    order = _Order(len(samples), rows_per_step, seed)
    image_of = _reader(samples, image_size, cache)
    # Integers only, is_source too: Keras's fit takes means over a first batch.
    table = {name: tf.constant(column, tf.int32) for name, column in table.items()}

    def load(row):
        index = order.sample_of(row)
        image = to_signed(image_of(index))
        if flip:
            image = random_flip(image, _seed(seed, _FLIP, row))
        return {
            "images": image,
            **{name: column[index] for name, column in table.items()},
            "interpolation": tf.random.stateless_uniform(
                (), _seed(seed, _INTERPOLATION, row)
            ),
        }

    def assemble(step, rows):
        # Rows come critic batch by critic batch; the batch axis goes first.
        batch = {
            name: tf.stack(tf.split(column, n_critic), axis=1)
            for name, column in rows.items()
        }
        keys = tf.random.stateless_uniform(
            (batch_size, n_critic), _seed(seed, _TARGETS, step)
        )
        picks = tf.argsort(keys, axis=0)
        # Of all rows: a domain that is wanted here may be of another worker's image.
        everyone = order.sample_of(
            step * rows_per_step + tf.range(rows_per_step, dtype=tf.int64)
        )
        domains = tf.reshape(
            tf.gather(table["domains"], everyone), (n_critic, batch_size)
        )
        wanted = tf.gather(domains, tf.transpose(picks), batch_dims=1)
        batch["target_domains"] = tf.transpose(wanted)[own.start : own.stop]
        return batch

    places = [k * batch_size + row for k in range(n_critic) for row in own]
    rows = _rows(load, rows_per_step, places, start_step, end_step)
    steps = tf.data.Dataset.range(start_step, _end(end_step))
    return _finished(tf.data.Dataset.zip((steps, rows)).map(assemble))


def pair_batches(
    source: Sequence[Sample],
    target: Sequence[Sample],
    *,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    flip: bool = True,
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
        image_size, seed, flip, start_step, end_step, worker, cache: as for
            `gan_batches`.

    Returns:
        Dataset of dicts: source and target float32 (batch_size, height, width, 3) in
        [-1, 1]; pool_seeds int32 (batch_size, 2), the same for all rows of a step.

    Raises:
        InputError: fewer images in a set than a step takes.
    """
    own = _own_rows(batch_size, worker)
    sides = {}
    for stream, (name, samples) in zip(
        (_SOURCE_ORDER, _TARGET_ORDER),
        {"source": source, "target": target}.items(),
        strict=True,
    ):
        order_seed = _seed(seed, stream, 0)[0]
        order = _Order(len(samples), batch_size, order_seed)
        sides[name] = (order, _reader(samples, image_size, cache), stream)

    def load(row):
        loaded = {}
        for name, (order, image_of, stream) in sides.items():
            image = to_signed(image_of(order.sample_of(row)))
            if flip:
                image = random_flip(image, _seed(seed, stream, row + 1))
            loaded[name] = image
        return {**loaded, "pool_seeds": _seed(seed, _POOL, row // batch_size)}

    return _finished(_rows(load, batch_size, own, start_step, end_step))


def reid_batches(
    samples: Sequence[Sample],
    labels: LabelMap,
    *,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    crop: bool = True,
    flip: bool = True,
    pad_crop: int = 0,
    jitter: float = 0.0,
    erasing: float = 0.0,
    fill: Sequence[float] = (0.0, 0.0, 0.0),
    dropout_units: int = 0,
    images_per_identity: int | None = None,
    order: EpochOrder | None = None,
    start_step: int = 0,
    end_step: int | None = None,
    rows: Sequence[int] | None = None,
    order_only: bool = False,
    worker: Worker = ALONE,
    cache: bool = False,
) -> tf.data.Dataset:
    """Make the batches of `ReidTraining.train_step`.

    Args:
        samples: training samples with identities.
        labels: of the identities.
        image_size: (height, width) in pixels.
        batch_size: rows of the global batch.
        seed: int.
        crop, flip: whether to crop at random sizes, to mirror at random.
        pad_crop: pixels of `pad_and_crop`; with 0 there is none.
        jitter: strength of `color_jitter`; with 0 there is none.
        erasing: probability of `random_erasing`, which comes after all else.
        fill: what that paints with, RGB in [0, 1].
        dropout_units: units of the head that noise is drawn for.
        images_per_identity: of each person in a batch, by `IdentityOrder`; None
            shuffles all images.
        order: of the samples, instead of either.
        start_step, end_step: the steps to make; None goes on for ever.
        rows: of the whole run, counted from its start: make these alone, as one batch.
        order_only: whether to give, for each row, only which sample stands there.
        worker, cache: as for `gan_batches`.

    Returns:
        Dataset of dicts: images float32 (batch_size, height, width, 3) in [0, 1],
        identities int32 (batch_size,), dropout_noise float32 (batch_size,
        dropout_units) in [0, 1); of several workers each has its share of the rows. Or
        with `order_only` of int64 (batch_size,).

    Raises:
        InputError: fewer images, or identities, than one step takes.
    """
    rows_order: _Order | IdentityOrder | EpochOrder
    if order is not None:
        rows_order = order
    elif images_per_identity is not None:
        rows_order = IdentityOrder(samples, batch_size, images_per_identity, seed)
    else:
        rows_order = _Order(len(samples), batch_size, seed)
    image_of = _reader(samples, image_size, cache)
    identities = tf.constant([labels.index(s.person_id) for s in samples], tf.int32)

    def load(row):
        index = rows_order.sample_of(row)
        image = image_of(index)
        if crop:
            image = random_sized_crop(image, image_size, _seed(seed, _CROP, row))
        if pad_crop:
            image = pad_and_crop(image, pad_crop, _seed(seed, _PAD, row))
        if jitter:
            image = color_jitter(image, jitter, _seed(seed, _JITTER, row))
        if flip:
            image = random_flip(image, _seed(seed, _FLIP, row))
        image = to_unit(image)
        if erasing:
            image = random_erasing(image, erasing, fill, _seed(seed, _ERASE, row))
        return {
            "images": image,
            "identities": identities[index],
            "dropout_noise": tf.random.stateless_uniform(
                (dropout_units,), _seed(seed, _DROPOUT, row)
            ),
        }

    if rows is not None:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(rows, tf.int64))
        return _finished(chosen.map(load).batch(max(len(rows), 1)))
    own = _own_rows(batch_size, worker)
    made = rows_order.sample_of if order_only else load
    return _finished(_rows(made, batch_size, own, start_step, end_step))


def inference_batches(
    samples: Sequence[Sample | str], image_size: tuple[int, int], batch_size: int
) -> tf.data.Dataset:
    """Decode images in the order given.

    Args:
        samples: images; a path alone is of a file that is not odd.
        image_size: (height, width) in pixels.
        batch_size: rows of a batch; the last one may have fewer.

    Returns:
        Dataset of float32 (batch, height, width, 3), RGB in [0, 255].
    """
    return _finished(
        tf.data.Dataset.range(len(samples))
        .map(
            _reader(samples, image_size),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .batch(batch_size)
    )


def _reader(samples, image_size, cache=False):
    """Return a function of an int64 index: the sample's image, as `decode_image`."""
    if cache:
        batches = inference_batches(samples, image_size, _CACHED_TOGETHER)
        return kept_in_memory(batches, len(samples), image_size)
    samples = [Sample(s, 0, 0) if isinstance(s, str) else s for s in samples]
    # Encoded here: names on a disk need not be UTF-8, which TensorFlow would ask for.
    paths = tf.constant([os.fsencode(s.path) for s in samples], tf.string)
    if not any(s.odd for s in samples):
        return lambda index: decode_image(tf.io.read_file(paths[index]), image_size)
    odd = tf.constant([s.odd for s in samples])

    def image_of(index):
        contents = tf.cond(
            odd[index],
            lambda: tf.numpy_function(converted, [paths[index]], tf.string, False),
            lambda: tf.io.read_file(paths[index]),
        )
        return decode_image(tf.ensure_shape(contents, ()), image_size)

    return image_of


class _Order:
    """Which sample stands at a row, when each epoch is shuffled anew."""

    def __init__(self, num_samples, rows_per_step, seed):
        self.num_samples = num_samples
        self.rows_per_epoch = (
            steps_per_epoch(num_samples, rows_per_step) * rows_per_step
        )
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


def _own_rows(batch_size, worker):
    """Return the range of a worker's rows in a global batch."""
    first, stop = (
        k * batch_size // worker.count for k in (worker.index, worker.index + 1)
    )
    return range(first, stop)


def _rows(load, rows_per_step, places, start_step, end_step):
    """Load rows of the steps in parallel, in order, batched by step.

    places: which of a step's rows, in what order.
    """
    places, count = tf.constant(places, tf.int64), len(places)

    def load_next(number):
        step, place = number // count, number % count
        return load(step * rows_per_step + places[place])

    last = _end(end_step)
    stop = last * count if end_step is not None else last
    return (
        tf.data.Dataset.range(start_step * count, stop)
        .map(load_next, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(count, drop_remainder=True)
    )


def _finished(dataset):
    """Add what all pipelines end with: batches made ahead, and their options."""
    options = tf.data.Options()
    # With it on, an iterator's end waits for the tuner's thread, which sleeps ever
    # longer: half a minute after a few hundred steps. Off, maps use all cores.
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)


def _end(end_step):
    return tf.int64.max if end_step is None else end_step


def _seed(seed, stream, counter):
    """Return an int32 (2,) seed of its own for this stream and row or step."""
    base = tf.stack([tf.constant(seed, tf.int32), tf.constant(stream, tf.int32)])
    return tf.random.experimental.stateless_fold_in(base, counter)
