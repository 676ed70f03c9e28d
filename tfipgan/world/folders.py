"""The folders and the file names of the built-in world, which are Market-1501's."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfipgan.errors import InputError
from tfipgan.world.network import Shot

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
"""Training images, queries and gallery."""


def require_free(folder: Path) -> None:
    """Raise InputError unless there is nothing at a path but an empty folder."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"{folder} already exists and isn't an empty folder: "
            "remove it or choose another folder to write to"
        )


@contextmanager
def atomic_folders(out: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Give a folder in `out`; what has these names in it goes to `out` at the end."""
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".synthesize-", dir=out))
    try:
        yield temporary
        for name in names:
            os.replace(temporary / name, out / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if new and not any(out.iterdir()):
            out.rmdir()


def image_name(identity: int, shot: Shot) -> str:
    """Return the name of a file, as Market-1501 names it: distractors 0, junk -1."""
    number = "-1" if identity < 0 else f"{identity:04d}"
    frame = (shot.number * 100 + shot.image) % 1_000_000
    return f"{number}_c{shot.camera + 1}s1_{frame:06d}_{shot.image:02d}.jpg"
