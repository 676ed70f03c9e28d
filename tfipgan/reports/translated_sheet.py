"""What a translated set looks like: people of the source in each camera's style."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import domain_titles
from tfipgan.data.local_images import open_rgb
from tfipgan.errors import InputError
from tfipgan.reports.sheets import image_sheet

CAPTION = (
    "First row: real images of the target's cameras. Below: a person of the source, "
    "and the same image in the style of each camera."
)


def translated_sheet(
    source: Sequence[Sample],
    target: Sequence[Sample],
    translated: Sequence[Sample],
    path: str | os.PathLike,
    *,
    method: str,
    people: int = 6,
) -> None:
    """Draw real target images above source images and their translations, as PNG.

    Args:
        source, target: the two training sets.
        translated: images of the source that `translate_dataset` named; its cameras are
            the columns. A missing translation or real image is an empty cell.
        method: title of the rows of translations.
        people: the most rows of translations; every set of one source shows the same.

    Raises:
        InputError: no translated image, or one whose source image is not in `source`;
            also as `open_rgb` for one that can't be read.
    """
    if not translated:
        raise InputError("no translated images to draw, expected one or more")
    cameras = sorted({sample.camera_id for sample in translated})
    originals = {(s.person_id, Path(s.path).stem): s.path for s in source}
    height, width = _pixels(translated[0].path).shape[:2]
    rows = [[None, *_real_images(target, cameras)]]
    for image, by_camera in _chosen(translated, people):
        if image not in originals:
            raise InputError(
                f"{next(iter(by_camera.values()))}: no image {image[1]} of person "
                f"{image[0]} among the {len(source)} of the source; give the dataset "
                "that was translated"
            )
        rows.append([originals[image], *(by_camera.get(c) for c in cameras)])
    image_sheet(
        [
            [None if cell is None else _pixels(cell, (height, width)) for cell in row]
            for row in rows
        ],
        ["source", *domain_titles(cameras)],
        ["real", *([method] * (len(rows) - 1))],
        path,
        scale=3 if height < 100 else 2,
    )


def _real_images(target, cameras) -> list[str | None]:
    """Choose an image of each camera, of different people, to show its look."""
    paths: list[str | None] = []
    shown = set()
    for camera in cameras:
        own = [sample for sample in target if sample.camera_id == camera]
        new = (sample for sample in own if sample.person_id not in shown)
        sample = next(new, own[0] if own else None)
        paths.append(None if sample is None else sample.path)
        if sample is not None:
            shown.add(sample.person_id)
    return paths


def _chosen(translated, count) -> list[tuple[tuple[int, str], dict[int, str]]]:
    """(person, stem) of images of different people, and their paths by camera."""
    people: dict[int, dict[str, dict[int, str]]] = {}
    for sample in translated:
        stem = Path(sample.path).stem.rsplit("_to_c", 1)[0]
        images = people.setdefault(sample.person_id, {})
        images.setdefault(stem, {})[sample.camera_id] = sample.path
    persons = sorted(people)
    persons = persons[:: max(1, len(persons) // count)][:count]
    chosen = []
    for place, person in enumerate(persons):
        stems = sorted(people[person])
        # Not always a person's first image: those are all of the first camera.
        stem = stems[place * len(stems) // len(persons)]
        chosen.append(((person, stem), people[person][stem]))
    return chosen


def _pixels(path, size: tuple[int, int] | None = None) -> np.ndarray:
    image = open_rgb(path)
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)
