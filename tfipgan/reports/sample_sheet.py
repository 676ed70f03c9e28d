"""Sheets of translated images: how far a GAN is, to be looked at."""

import numpy as np
import tensorflow as tf

from tfipgan.data.images import signed_to_bytes, to_signed
from tfipgan.data.labels import DomainMap, domain_titles
from tfipgan.data.pipelines import inference_batches
from tfipgan.reports.sheets import image_sheet

ROWS = 8


def sheet_images(source, image_size):
    """Return an image of each of the first few identities, for `write_sample_sheet`."""
    first = {}
    for sample in source:
        first.setdefault(sample.person_id, sample)
    shown = list(first.values())[:ROWS]
    batches = inference_batches(shown, image_size, ROWS)
    return to_signed(np.concatenate(list(batches.as_numpy_iterator())))


def write_sample_sheet(generator, images, domains: DomainMap, path) -> None:
    """Draw a row per source image: the image, then its translation to each camera.

    Args:
        generator: `Generator`.
        images: float32 (n, height, width, 3) in [-1, 1].
        domains: whose cameras are the columns.
        path: the PNG file.
    """
    columns = [images]
    for domain in range(len(domains.cameras)):
        one_hot = tf.one_hot([domain] * len(images), domains.num_domains)
        columns.append(generator((images, one_hot)))
    cells = [signed_to_bytes(column).numpy() for column in columns]
    image_sheet(
        [list(row) for row in zip(*cells, strict=True)],
        ["source", *domain_titles(domains.cameras)],
        [""] * len(images),
        path,
    )
