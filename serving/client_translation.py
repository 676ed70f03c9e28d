"""Image files to a server, and its translations to files."""

import os
from collections.abc import Sequence
from pathlib import Path

from tfipgan.data.filenames import Sample, require_own_stems, translated_name
from tfipgan.errors import InputError
from tfipgan.files.output_file import (
    atomic_file,
    require_new_folder,
    require_short_name,
)
from tfipgan.serving.client import Client
from tfipgan.serving.client_errors import ServerError
from tfipgan.serving.client_files import query_files

# Before the first answer tells how many cameras the target has.
_CAMERAS_GUESSED = 8


def translate_files(
    client: Client,
    samples: Sequence[Sample],
    root: str | os.PathLike,
    out: str | os.PathLike,
    camera: int | None,
    *,
    resume: bool = False,
    batch_size: int = 32,
    in_flight: int = 4,
    skip_unreadable: bool = False,
    progress: bool = False,
) -> tuple[int, int]:
    """Write what a server makes of image files in the style of one or all cameras.

    Names and relative folders are the images' own, with `_to_c<camera>` before the
    ending, which is the server's format. Each file is whole or not there.

    Args:
        client: of a server with the model `translator`.
        samples: at least one, below `root`.
        root: the folder that relative folders start from.
        out: a new folder.
        camera: the target's own number of a camera; None for all.
        resume: `out` may have files in it; images whose files are there are left out.
        batch_size: images of a request; of all cameras together, if it is for all.
        in_flight, skip_unreadable, progress: as for `extract_files`.

    Returns:
        Number of files written, and of images that were there already.

    Raises:
        InputError: an image that can't be decoded, images whose names differ in their
            ending only or are too long, `out` is not empty, and what
            `Client.translate` raises.
        ServerError: as `Client.translate`.
        OSError: a file can't be written.
    """
    if not resume:
        require_new_folder(out, "add --resume")
    names = {s.path: os.path.relpath(s.path, root) for s in samples}
    require_own_stems(names.values())
    for name in names.values():
        require_short_name(translated_name(name, camera or 0))
    writer = _Writer(Path(out), camera)

    def ask(contents):
        if camera is not None:
            return [(file,) for file in client.translate(contents, camera)]
        rows, writer.cameras = client.translate_all(contents)
        return rows

    def at_once():
        if camera is not None:
            return batch_size
        return max(1, batch_size // len(writer.cameras or range(_CAMERAS_GUESSED)))

    try:
        num_existing = query_files(
            samples,
            ask,
            lambda sample, row: writer.write(names[sample.path], row),
            at_once,
            wanted=lambda s: not writer.has(names[s.path]),
            in_flight=in_flight,
            skip_unreadable=skip_unreadable,
            progress=progress,
        )
    except ServerError as error:
        if not writer.written:
            raise
        raise ServerError(
            f"{error}; {writer.written} files are written and whole: --resume leaves "
            "them out"
        ) from error
    return writer.written, num_existing


class _Writer:
    """Writes the translations of an image beside each other.

    Attributes:
        cameras: their numbers; empty until the server has told.
        written: files.
    """

    def __init__(self, out, camera):
        self.cameras = () if camera is None else (camera,)
        self.written = 0
        self._out, self._ending = out, None

    def has(self, name):
        """Whether all translations of an image are there.

        False before the first answer, which tells how many and of what ending.
        """
        return self._ending is not None and all(
            (self._out / translated_name(name, camera, self._ending)).exists()
            for camera in self.cameras
        )

    def write(self, name, files):
        for camera, contents in zip(self.cameras, files, strict=True):
            self._ending = _ending(contents)
            path = self._out / translated_name(name, camera, self._ending)
            with atomic_file(path) as temporary:
                temporary.write_bytes(contents)
            self.written += 1


def _ending(contents: bytes) -> str:
    if contents.startswith(b"\x89PNG"):
        return ".png"
    if contents.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    raise InputError(
        f"the server's translation begins with {contents[:8]!r}, expected a JPEG or "
        "PNG as `tfipgan export translator` makes"
    )
