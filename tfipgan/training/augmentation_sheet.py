"""A sheet of what a re-ID training is fed: images, and how they are augmented."""

import os
from collections.abc import Sequence

import numpy as np

from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_unit
from tfipgan.data.pipelines import inference_batches
from tfipgan.reports.sheets import image_sheet
from tfipgan.training.reid import ReidMethod

ROWS, DRAWS = 8, 7
# About as high as on the sheet of the field's 256x128.
_HEIGHT = 256


def write_augmentation_sheet(
    config: Config, samples: Sequence[Sample], path: str | os.PathLike
) -> None:
    """Draws images of the training set, and what `train_reid` is fed of each, as PNG.

    A row is an image, as it is and then as the run gets it the first times; with fewer
    epochs than columns the last cells are empty. They are rows of the run's own
    pipeline, of its seed.

    Args:
        config, samples: as for `train_reid`.
        path: the PNG file.

    Raises:
        InputError, ConfigError: what `train_reid` raises before it begins.
    """
    method = ReidMethod(config, samples)
    method.check_config()
    method.prepare()
    training, reid = method.training, config.reid
    count = min(ROWS, len(training))
    # Not always a person's first image: those are all of the first camera.
    part = len(training) // count
    shown = [k * len(training) // count + k * part // count for k in range(count)]
    drawn = _rows_of(shown, method)
    (plain,) = inference_batches([training[k] for k in shown], reid.image_size, ROWS)
    fed = method.pipeline(rows=[row for rows in drawn for row in rows])
    cells = (image for batch in fed for image in _pixels(batch["images"]))
    image_sheet(
        [
            [image, *(next(cells) for _ in rows), *[None] * (DRAWS - len(rows))]
            for image, rows in zip(_pixels(to_unit(plain)), drawn, strict=True)
        ],
        ["image", *(f"draw {k + 1}" for k in range(DRAWS))],
        [
            f"person {s.person_id}\ncamera {s.camera_id}"
            for s in (training[k] for k in shown)
        ],
        path,
        scale=max(1, _HEIGHT // reid.image_size[0]),
    )


def _rows_of(shown, method):
    """Return the first rows of the run with each of these samples, DRAWS at most."""
    found = {place: [] for place in shown}
    order = method.pipeline(order_only=True, end_step=method.num_steps).unbatch()
    for row, place in enumerate(order.as_numpy_iterator()):
        if len(found.get(place, range(DRAWS))) < DRAWS:
            found[place].append(row)
            if all(len(rows) == DRAWS for rows in found.values()):
                break
    return list(found.values())


def _pixels(images):
    """uint8 of images in [0, 1]; what lies outside, as a strange mean may, is cut."""
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
