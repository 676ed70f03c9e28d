"""Output that is either whole or not there, and never on top of another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfipgan.errors import InputError


@contextmanager
def written_aside(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `path`, which takes its place at the end.

    Missing parent folders are made. If the body fails, `path` is left as it was and the
    temporary file is removed. Raises OSError where the folder can't be written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_new_folder(path: str | os.PathLike, remedy: str = "remove it") -> None:
    """Raises InputError unless nothing, or an empty folder, is at the path.

    remedy: what to do instead of giving another folder.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(
            f"{path} exists and is not empty; expected a new folder for the output: "
            f"give another --out, or {remedy}"
        )
