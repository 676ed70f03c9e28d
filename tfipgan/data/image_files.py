"""The image files of a folder, and those that a reader of it passes over."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tfipgan.data.image_endings import (
    BEGINNING,
    begins_like_image,
    is_image_name,
    is_unread_image_name,
)
from tfipgan.errors import InputError, shorten_name

# Where archives and disks keep small copies.
_COPIES = ("__MACOSX", "@eaDir")


@dataclass
class ImageFiles:
    """Paths relative to a folder, with `/`, in order.

    Attributes:
        names: the images.
        unread: files that look like images, by ending or by how they begin, and are of
            a kind that is not read or have no ending.
        below: what looks like an image in folders below, if those are not read.
        closed: folders below that this user may not read.
    """

    names: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def image_files(folder: Path, recursive: bool) -> ImageFiles:
    """Find the images of a folder, as `image_paths` does, and what may be images.

    Raises:
        InputError: the folder can't be read, or a disk fails.
    """
    found = ImageFiles()
    kinds = {True: found.names, False: found.unread, None: found.closed}
    for name, is_image in _walk(str(folder), recursive):
        kinds[is_image].append(name)
    if not recursive:
        everything = _walk(str(folder), True, forgiving=True)
        found.below = [name for name, _ in everything if "/" in name]
    return found


def image_paths(folder: Path, recursive: bool) -> Iterator[str]:
    """Paths of images relative to the folder, with `/`; links are followed.

    A link to nothing or a folder with an image's name is an image too: leaving it out
    in silence would hide a loss.

    Raises:
        InputError: the folder can't be read, or a disk fails.
    """
    return (name for name, is_image in _walk(str(folder), recursive) if is_image)


def _walk(
    path: str,
    recursive: bool,
    prefix: str = "",
    above: frozenset[str] = frozenset(),
    forgiving: bool = False,
) -> Iterator[tuple[str, bool | None]]:
    """Yield what looks like an image, and whether it is one that is read.

    None with a folder below that this user may not read, such as a disk's lost+found.
    """
    real = os.path.realpath(path)
    if real in above:  # a link back up would never end
        return
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        if forgiving:
            return
        if prefix and isinstance(error, PermissionError):
            yield prefix.rstrip("/"), None
            return
        raise InputError(
            f"{shorten_name(path)} can't be read: {error.strerror or error}; "
            "expected a folder of images: allow reading it, or remove it"
        ) from None
    for entry in entries:
        name = entry.name
        if is_image_name(name):
            yield prefix + name, True
        elif name.startswith(".") or (forgiving and name in _COPIES):
            continue
        elif _is_folder(entry):
            if recursive:
                inside = f"{prefix}{name}/"
                yield from _walk(entry.path, True, inside, above | {real}, forgiving)
        elif is_unread_image_name(name) or _is_unnamed_image(entry):
            yield prefix + name, False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to where nobody may look
        return os.path.isdir(entry.path)


def _is_unnamed_image(entry: os.DirEntry[str]) -> bool:
    """Whether a file without any ending begins like an image."""
    if os.path.splitext(entry.name)[1] not in ("", "."):
        return False
    try:
        if not entry.is_file():  # a pipe would never end
            return False
        with open(entry.path, "rb") as file:
            return begins_like_image(file.read(BEGINNING))
    except OSError:
        return False
