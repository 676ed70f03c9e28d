"""tf.data pipelines for the GAN, for re-ID training and for inference.

Training pipelines are functions of (seed, step): element k of a pipeline that starts at
step s is element s + k of one that starts at 0. So a resumed run sees what it would
have seen, and every random number of a step belongs to a row of the global batch and
not to the device that gets it.
"""

from collections.abc import Sequence

import tensorflow as tf

from tfipgan.data.augment import (
    color_jitter,
    pad_and_crop,
    random_erasing,
    random_flip,
    random_sized_crop,
)
from tfipgan.data.batching import (
    CROP,
    DROPOUT,
    ERASE,
    FLIP,
    INTERPOLATION,
    JITTER,
    PAD,
    TARGETS,
    ShuffledOrder,
    decoded_in_order,
    end_of,
    finished,
    image_reader,
    own_rows,
    rows_of_steps,
    stream_seed,
)
from tfipgan.data.epoch_order import EpochOrder
from tfipgan.data.filenames import Sample
from tfipgan.data.identity_sampler import IdentityOrder
from tfipgan.data.images import to_signed, to_unit
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import InputError
from tfipgan.files.worker import ALONE, Worker


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
    own = own_rows(batch_size, worker)
    order = ShuffledOrder(
        len(samples), steps_per_epoch(len(samples), rows_per_step) * rows_per_step, seed
    )
    image_of = image_reader(samples, image_size, cache)
    # Integers only, is_source too: Keras's fit takes means over a first batch.
    table = {name: tf.constant(column, tf.int32) for name, column in table.items()}

    def load(row):
        index = order.sample_of(row)
        image = to_signed(image_of(index))
        if flip:
            image = random_flip(image, stream_seed(seed, FLIP, row))
        return {
            "images": image,
            **{name: column[index] for name, column in table.items()},
            "interpolation": tf.random.stateless_uniform(
                (), stream_seed(seed, INTERPOLATION, row)
            ),
        }

    def assemble(step, rows):
        # Rows come critic batch by critic batch; the batch axis goes first.
        batch = {
            name: tf.stack(tf.split(column, n_critic), axis=1)
            for name, column in rows.items()
        }
        keys = tf.random.stateless_uniform(
            (batch_size, n_critic), stream_seed(seed, TARGETS, step)
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
    rows = rows_of_steps(load, rows_per_step, places, start_step, end_step)
    steps = tf.data.Dataset.range(start_step, end_of(end_step))
    return finished(tf.data.Dataset.zip((steps, rows)).map(assemble))


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
    rows_order: ShuffledOrder | IdentityOrder | EpochOrder
    if order is not None:
        rows_order = order
    elif images_per_identity is not None:
        rows_order = IdentityOrder(samples, batch_size, images_per_identity, seed)
    else:
        rows_order = ShuffledOrder(
            len(samples), steps_per_epoch(len(samples), batch_size) * batch_size, seed
        )
    image_of = image_reader(samples, image_size, cache)
    identities = tf.constant([labels.index(s.person_id) for s in samples], tf.int32)

    def load(row):
        index = rows_order.sample_of(row)
        image = image_of(index)
        if crop:
            image = random_sized_crop(image, image_size, stream_seed(seed, CROP, row))
        if pad_crop:
            image = pad_and_crop(image, pad_crop, stream_seed(seed, PAD, row))
        if jitter:
            image = color_jitter(image, jitter, stream_seed(seed, JITTER, row))
        if flip:
            image = random_flip(image, stream_seed(seed, FLIP, row))
        image = to_unit(image)
        if erasing:
            image = random_erasing(image, erasing, fill, stream_seed(seed, ERASE, row))
        return {
            "images": image,
            "identities": identities[index],
            "dropout_noise": tf.random.stateless_uniform(
                (dropout_units,), stream_seed(seed, DROPOUT, row)
            ),
        }

    if rows is not None:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(rows, tf.int64))
        return finished(chosen.map(load).batch(max(len(rows), 1)))
    own = own_rows(batch_size, worker)
    made = rows_order.sample_of if order_only else load
    return finished(rows_of_steps(made, batch_size, own, start_step, end_step))


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
    return decoded_in_order(samples, image_size, batch_size)
