"""What clusters look like: a row of images of each, for a person to judge."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.local_images import open_rgb
from tfipgan.reports.sheets import image_sheet

ROWS, COLUMNS = 12, 10
# About as high as the field's 256x128.
_HEIGHT = 128


def cluster_sheet(
    samples: Sequence[Sample],
    labels: np.ndarray,
    path: str | os.PathLike,
    *,
    image_size: tuple[int, int],
    cameras: bool = True,
) -> None:
    """Draws some clusters, and images that are in none, as a PNG file.

    A row is a cluster: the largest comes first, and of the others every so many. Its
    images are in the order of their cameras, and evenly picked where they are many; the
    camera stands under each. The last row has images of no cluster, if there are any.

    Args:
        samples: the images; who is on them is not looked at.
        labels: int (images,), clusters from 0, at least one; -1 is none.
        path: the PNG file.
        image_size: (height, width) to draw them at.
        cameras: whether to say them.

    Raises:
        InputError, OSError: what `open_rgb` raises for a file that can't be read.
    """
    sizes = np.bincount(labels[labels >= 0])
    by_size = np.argsort(-sizes, kind="stable")
    rows, titles = [], []
    for cluster in _evenly(by_size, ROWS):
        members = np.flatnonzero(labels == cluster)
        seen = {samples[k].camera_id for k in members}
        rows.append(members)
        cameras_line = (
            f"\n{len(seen)} camera{'s' if len(seen) > 1 else ''}" if cameras else ""
        )
        titles.append(f"cluster {cluster}\n{len(members)} images{cameras_line}")
    outliers = np.flatnonzero(labels < 0)
    if len(outliers):
        rows.append(outliers)
        titles.append(f"in none\n{len(outliers)} images")
    shown = [
        [samples[k] for k in _evenly(_by_camera(row, samples), COLUMNS)] for row in rows
    ]
    columns = max(map(len, shown))
    image_sheet(
        [
            [
                *(_pixels(s.path, image_size) for s in row),
                *[None] * (columns - len(row)),
            ]
            for row in shown
        ],
        [""] * columns,
        titles,
        path,
        scale=max(1, _HEIGHT // image_size[0]),
        captions=[
            [
                *(f"camera {s.camera_id}" if cameras else "" for s in row),
                *[""] * (columns - len(row)),
            ]
            for row in shown
        ],
    )


def _evenly(items, count):
    """Return at most `count` of the items, from the first on, evenly spaced."""
    count = min(count, len(items))
    return [items[k * len(items) // count] for k in range(count)]


def _by_camera(members, samples):
    return sorted(members, key=lambda k: samples[k].camera_id)


def _pixels(path, image_size) -> np.ndarray:
    height, width = image_size
    image = open_rgb(path).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)
