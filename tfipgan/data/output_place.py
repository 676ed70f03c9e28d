"""Where images may be written: nowhere that a later command would read them again."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfipgan.data.layouts import image_folders, looks_like_dataset
from tfipgan.errors import ConfigError, InputError, shorten_name

Name = str | os.PathLike[str]


def require_outside(
    out: Name,
    datasets: Iterable[Name] = (),
    folders: Iterable[Name] = (),
    *,
    may_hold: bool = False,
) -> None:
    """Raise InputError if images at `out` would be taken for a dataset's own.

    That is in a folder which images are read from: of what the command reads, or of a
    dataset around `out` that is known by its dataset.yaml, its list files or two of
    its split folders. Links are followed. Beside the split folders a place is free.

    Args:
        out: the folder to be written, which need not be there.
        datasets: what the command reads as `read_dataset` does.
        folders: what it reads as `read_images` does, with all subfolders.
        may_hold: whether `out` may be, or be above, one of these.
    """
    datasets, folders = [*map(Path, datasets)], [*map(Path, folders)]
    read = [*folders, *(found for root in datasets for found in image_folders(root))]
    for folder in (*read, *_folders_around(out)):
        if _is_inside(out, folder):
            raise InputError(
                f"{shorten_name(str(out))} lies in {shorten_name(str(folder))}, where "
                "images are read from: what is written there would be read as its "
                "images; give a place outside of it"
            )
    for folder in () if may_hold else (*datasets, *folders):
        if _is_inside(folder, out):
            raise InputError(
                f"{shorten_name(str(out))} holds {shorten_name(str(folder))}, which is "
                "read; expected a folder of its own for the output: give another place"
            )


def common_folder(paths: Iterable[str]) -> Path | None:
    """Return the nearest folder that all these images are below.

    None if it doesn't exist (the images were extracted on another machine), or contains
    the working directory (they have no folder in common).
    """
    try:
        folder = os.path.commonpath({os.path.dirname(path) for path in paths})
    except ValueError:  # none at all, or some absolute and some not
        return None
    if not os.path.isdir(folder) or _is_inside(os.getcwd(), folder):
        return None
    return Path(folder)


def _folders_around(out: Name) -> Iterator[Path]:
    """Yield the image folders of datasets that the place, or a link to it, is in."""
    for place in sorted(_places(out)):
        for root in (place, *place.parents):
            try:
                if looks_like_dataset(root):
                    yield from image_folders(root)
            except (InputError, ConfigError, OSError):
                continue  # a dataset.yaml of other software, or nobody may look


def _is_inside(path: Name, folder: Name) -> bool:
    """Whether a path is a folder or below it, by its own name or where links lead."""
    return any(
        place.is_relative_to(above)
        for place in _places(path)
        for above in _places(folder)
    )


def _places(path: Name) -> set[Path]:
    """Return what a path may be: with all, no, or only the first links followed.

    A link in a folder is read as a folder in it, wherever it leads.
    """
    absolute = Path(os.path.abspath(path))
    return {Path(os.path.realpath(path)), absolute} | {
        Path(os.path.realpath(above), absolute.relative_to(above))
        for above in absolute.parents
    }
