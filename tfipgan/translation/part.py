"""Translated images on disk while they grow in number, with their manifest's lines."""

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from tfipgan.errors import InputError
from tfipgan.files.output_file import sync
from tfipgan.files.partial_output import PartialOutput
from tfipgan.translation.manifest import (
    NAME,
    TranslatedImage,
    file_digest,
    format_line,
    parse_line,
    write_manifest,
)

# What a machine that loses its power costs at most; a kill costs a batch or two.
KEEP_SECONDS, KEEP_IMAGES = 30, 4096
THREADS = 4
_IMAGES, _NOTES = "images", "images.jsonl"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Translations:
    """A source image and what was made of it.

    Attributes:
        path: of the source image.
        source: its path relative to the source's folder.
        images: (relative path, camera, the file's bytes) of each.
    """

    path: str
    source: str
    images: Sequence[tuple[str, int, bytes]]


def join_translations(
    part: PartialOutput, header: Mapping, left_out: Mapping[str, str]
) -> None:
    """Write the manifest of all shares; give the images' folder the output's name.

    Args:
        part: with the images of all workers in it, and on the disk.
        header, left_out: see `write_manifest`.

    Raises:
        OSError: the manifest can't be written.
    """
    images = part.folder / _IMAGES
    manifest = images / NAME
    notes = [share / _NOTES for share in part.shares()]
    write_manifest(manifest, header, left_out, notes)
    sync(manifest)
    for folder, _, _ in os.walk(images):
        sync(folder)
    part.publish(images)


class TranslationPart:
    """The images of a worker's share in a part's folder, by whole batches; a context.

    A batch is noted with its checksums when its images are written. What is found noted
    is believed only if the images are so: from the first batch on that is not whole,
    all are made again. Images are brought to the disk many at a time, most of which the
    system has written by then; at the end of the context all are there.

    Args:
        part: entered.
        total: images that the share will have at the end.
        batch_images: images of a batch; the last may have fewer.

    Attributes:
        num_done: images in whole batches that an earlier process has left.

    Raises:
        OSError: the folder can't be written.
    """

    def __init__(self, part: PartialOutput, total: int, batch_images: int):
        self._total = total
        self._images = part.folder / _IMAGES
        self._images.mkdir(exist_ok=True)
        self._notes = part.share_folder / _NOTES
        self._notes.touch()
        self._pool = ThreadPoolExecutor(THREADS)
        self.num_done = self._cut_to_whole_batches(batch_images)
        if self.num_done:
            logger.info(
                "%s: going on after %d of %d images",
                part.share_folder,
                self.num_done,
                total,
            )
        self._file = open(self._notes, "ab")
        self._pending: Iterable[list[TranslatedImage]] = ()
        self._unsafe: list[str] = []
        self._kept = time.monotonic()

    def make_folders(self, names: Iterable[str]) -> None:
        """Make the folders that images with these relative paths lie in."""
        for below in {os.path.dirname(name) for name in names}:
            (self._images / below).mkdir(parents=True, exist_ok=True)

    def add(self, batch: Sequence[Translations]) -> None:
        """Write a batch, while the next one is made.

        Raises:
            OSError: a file of this batch or the one before could not be written.
        """
        self._note_pending()
        self._pending = self._pool.map(self._write, batch)
        waited = time.monotonic() - self._kept
        if waited >= KEEP_SECONDS or len(self._unsafe) >= KEEP_IMAGES:
            self._keep()

    def __enter__(self):
        return self

    def __exit__(self, kind, *failure):
        with self._pool:
            if kind is None:
                with self._file:
                    self._note_pending()
                    self._keep()
                return
            # The disk may be full; the error that ended the work says so.
            with suppress(OSError):
                self._note_pending()
                self._keep()
        with suppress(OSError):
            self._file.close()

    def _write(self, made):
        """Write the translations of an image; return their lines."""
        source_sha256 = file_digest(made.path)
        lines = []
        for name, camera, contents in made.images:
            path = self._images / name
            try:
                path.write_bytes(contents)
            except OSError as error:
                # Of a full disk the system names no file.
                error.filename = error.filename or str(path)
                raise
            digest = hashlib.sha256(contents).hexdigest()
            lines.append(
                TranslatedImage(
                    *(name, made.source, source_sha256, camera, digest, len(contents))
                )
            )
        return lines

    def _note_pending(self):
        """Wait until the last batch is written, and note it."""
        pending, self._pending = self._pending, ()
        lines = [line for lines in pending for line in lines]
        self._file.write("".join(map(format_line, lines)).encode())
        self._file.flush()
        self._unsafe += [os.path.join(self._images, line.image) for line in lines]

    def _keep(self):
        """Bring to the disk what is noted, the images before the notes."""
        folders = {os.path.dirname(path) for path in self._unsafe}
        for _ in self._pool.map(sync, [*self._unsafe, *folders]):
            pass
        os.fsync(self._file.fileno())
        self._unsafe = []
        self._kept = time.monotonic()

    def _cut_to_whole_batches(self, batch_images):
        """Shorten the notes to the batches whose images are there; count those."""
        images = size = 0
        with open(self._notes, "r+b") as file:
            while batch := list(islice(file, batch_images)):
                whole = len(batch) == batch_images or images + len(batch) == self._total
                if not (whole and all(self._pool.map(self._is_there, batch))):
                    break
                images += len(batch)
                size += sum(map(len, batch))
            file.truncate(size)
        return images

    def _is_there(self, line):
        """Whether a line is one, and its image is as it says."""
        try:
            image = parse_line(line)
            return file_digest(self._images / image.image) == image.sha256
        except (InputError, OSError):
            return False
