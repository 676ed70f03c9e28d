"""Sheets of translated images: how far a GAN is, to be looked at."""

import numpy as np
import tensorflow as tf

from tfipgan.data.images import signed_to_bytes, to_signed
from tfipgan.data.labels import domain_titles
from tfipgan.data.pipelines import inference_batches
from tfipgan.models.translator import Translator
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


def write_sample_sheet(translator: Translator, images, path) -> None:
    """Draw a row per source image: the image, then its translation to each camera.

    Args:
        translator: its cameras are the columns.
        images: float32 (n, height, width, 3) in [-1, 1].
        path: the PNG file.
    """
    columns = [images]
    for camera in range(len(translator.cameras)):
        columns.append(translator(images, tf.fill([len(images)], camera)))
    cells = [signed_to_bytes(column).numpy() for column in columns]
    image_sheet(
        [list(row) for row in zip(*cells, strict=True)],
        ["source", *domain_titles(translator.cameras)],
        [""] * len(images),
        path,
    )
