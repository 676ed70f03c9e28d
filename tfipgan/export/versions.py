"""The version folders of a served model: MODELS/<name>/<version>."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_folder

# The server reads a folder's name as a signed integer of 64 bits.
LAST_VERSION = 2**63 - 1


def read_versions(folder: str | os.PathLike) -> dict[int, Path]:
    """Return the version folders of a model by their numbers, rising.

    As TensorFlow Serving reads the names: "001" is 1, and other names are passed over.
    Of "1" and "001" the shorter one is taken.

    Raises:
        OSError: the folder can't be read.
    """
    found = {}
    names = [path for path in Path(folder).iterdir() if path.is_dir()]
    for path in sorted(names, key=lambda path: len(path.name), reverse=True):
        number = _number(path.name)
        if number is not None:
            found[number] = path
    return dict(sorted(found.items()))


def require_free_version(folder: str | os.PathLike, version: int | None) -> None:
    """Raise InputError if a model's folder can't get a version; None is the next."""
    folder = Path(folder)
    for path in (folder, folder.parent):
        if path.exists() and not path.is_dir():
            raise InputError(
                f"{path} is a file; expected a folder of models: give another --out"
            )
    versions = _taken(folder)
    if version is None:
        if LAST_VERSION in versions:
            raise InputError(
                f"{versions[LAST_VERSION]} is the last version there can be: remove it"
            )
    elif not 1 <= version <= LAST_VERSION:
        raise InputError(
            f"version is {version}, expected 1 to {LAST_VERSION}: leave it out for the "
            "next free one"
        )
    elif version in versions:
        raise InputError(
            f"{versions[version]} exists; a version is never replaced: give another "
            "--version, or leave it out for the next free one"
        )


def publish_version(
    folder: str | os.PathLike, version: int | None, write: Callable[[Path], None]
) -> Path:
    """Write a new version of a model: it is there whole, or not at all.

    Args:
        folder: of the model; made if it is missing.
        version: its number; None is one more than the highest there is.
        write: fills the folder that it is given.

    Returns:
        The version's folder.

    Raises:
        InputError: the version is taken, or `folder` is a file.
    """
    folder = Path(folder)
    require_free_version(folder, version)
    new = [path for path in (folder, folder.parent) if not path.exists()]
    # No number, so that a server that polls the folder does not take it for a version.
    temporary = folder / f".exporting-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with atomic_folder(temporary) as written:
            write(written)
        while True:
            require_free_version(folder, version)
            number = version or max(_taken(folder), default=0) + 1
            try:
                # Fails if another export has taken the number since: its folder is
                # not empty.
                temporary.rename(folder / str(number))
            except OSError:
                if number not in _taken(folder):
                    raise
            else:
                return folder / str(number)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for path in new:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def _taken(folder: Path) -> dict[int, Path]:
    """Whatever stands under a number in a model's folder, which may be missing."""
    paths = folder.iterdir() if folder.is_dir() else ()
    found = {_number(path.name): path for path in sorted(paths)}
    return {number: path for number, path in found.items() if number is not None}


def _number(name: str) -> int | None:
    if not re.fullmatch("[0-9]+", name) or int(name) > LAST_VERSION:
        return None
    return int(name)
