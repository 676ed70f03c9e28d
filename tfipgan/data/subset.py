"""A dataset of some of another's cameras."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

import yaml

from tfipgan.data.datasets import read_split
from tfipgan.data.layouts import SETTINGS_FILE, SPLITS, Layout
from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_folder


def write_subset(
    layout: Layout,
    cameras: Collection[int],
    out: str | os.PathLike[str],
    misnamed: dict[str, str] | None = None,
) -> dict[str, int]:
    """Copy the images of some cameras into a dataset of their own.

    Names and folders below the splits stay; a dataset.yaml says how they are read. A
    split that has no image of these cameras is left out.

    Args:
        layout: of the whole dataset.
        cameras: the numbers to keep.
        out: the folder to make.
        misnamed: as for `read_split`.

    Returns:
        The number of images by split.

    Raises:
        InputError: a camera that the dataset has no image of; or as `read_split`.
    """
    splits = {split: read_split(layout, split, misnamed) for split in layout.folders}
    known = {sample.camera_id for samples in splits.values() for sample in samples}
    unknown = sorted(set(cameras) - known)
    if unknown:
        raise InputError(
            f"{layout.root} has no image of camera {unknown[0]}; expected some of its "
            f"cameras {', '.join(map(str, sorted(known)))}"
        )
    kept = {
        split: [sample.path for sample in samples if sample.camera_id in cameras]
        for split, samples in splits.items()
    }
    kept = {split: paths for split, paths in kept.items() if paths}
    settings = {"format": layout.format}
    if layout.pattern is not None:
        settings = {"pattern": layout.pattern.pattern}
    settings |= {split: split for split in SPLITS if split in kept}
    with atomic_folder(out) as temporary:
        for split, paths in kept.items():
            for path in paths:
                copy = Path(
                    temporary, split, os.path.relpath(path, layout.folders[split])
                )
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        Path(temporary, SETTINGS_FILE).write_text(text, encoding="utf-8")
    return {split: len(paths) for split, paths in kept.items()}
