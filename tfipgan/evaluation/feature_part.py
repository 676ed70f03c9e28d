"""Features on disk while they are extracted, so that a killed extraction goes on."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.variables import named_weights

# What a kill, or a machine that loses its power, costs at most.
KEEP_SECONDS = 30
_HEADER_BYTES = 1024

logger = logging.getLogger(__name__)


def fingerprint(network, samples: Sequence[Sample]) -> dict[str, str]:
    """Return digests of the network's weights and of the image files.

    A file is known by its path, size and time of change.

    Raises:
        OSError: a file is gone.
    """
    weights = hashlib.blake2b(digest_size=16)
    # Keras numbers the networks of a process in their names.
    config = {**network.get_config(), "name": None}
    weights.update(json.dumps(config).encode())
    for name, variable in named_weights(network).items():
        weights.update(name.encode())
        weights.update(variable.numpy().tobytes())
    images = hashlib.blake2b(digest_size=16)
    for sample in samples:
        about = os.stat(sample.path)
        line = f"{sample.path}\0{about.st_size}\0{about.st_mtime_ns}\n"
        images.update(os.fsencode(line))
    return {"network": weights.hexdigest(), "images": images.hexdigest()}


class FeaturePart:
    """A file of the feature rows so far, which another process goes on with.

    A header says what the rows are of and how many of them have reached the disk; it is
    written after them, so that what it counts is whole whenever the process ends. Rows
    have their place in the file: two processes that write the same ones don't harm each
    other.

    Args:
        path: of the file. Its folder is made.
        about: what decides the rows, in words or digests by what they are of. If it
            differs from the file's, the file is replaced and a line in the log says so.
        count: rows that it will have at the end.

    Attributes:
        done: rows in it.

    Raises:
        InputError: something else is at the path.
        OSError: the file can't be written.
    """

    def __init__(self, path: Path, about: Mapping[str, str], count: int):
        self.path, self.count = path, count
        self.about = dict(about)
        self.done, self._values = 0, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._reopened()
        if self._file is None:
            # Not emptied but replaced: another process may write to the old one yet.
            path.unlink(missing_ok=True)
            self._file = open(path, "x+b")
            self.keep()
        self._kept = time.monotonic()

    def append(self, rows: np.ndarray) -> None:
        """Add float32 rows (n, D); now and then all so far are made safe."""
        self._values = rows.shape[1]
        self._file.seek(_HEADER_BYTES + 4 * self._values * self.done)
        self._file.write(np.ascontiguousarray(rows, np.float32))
        self.done += len(rows)
        if time.monotonic() - self._kept >= KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Write all rows so far to the disk, then how many they are."""
        self._sync()
        header = {"about": self.about, "values": self._values, "done": self.done}
        self._file.seek(0)
        self._file.write(json.dumps(header).encode().ljust(_HEADER_BYTES))
        self._sync()
        self._kept = time.monotonic()

    def array(self) -> np.ndarray:
        """Return the rows, float32 (count, D), as they lie in the file."""
        self._file.flush()
        shape = (self.count, self._values)
        return np.memmap(self._file, np.float32, "r", _HEADER_BYTES, shape)

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        with self._file:
            self.keep()

    def _reopened(self):
        """Return the file that is there, if it is of the same rows, or None."""
        try:
            file = open(self.path, "r+b")
        except FileNotFoundError:
            return None
        header = file.read(_HEADER_BYTES)
        if not header:
            # Its process ended before it wrote anything.
            file.close()
            return None
        try:
            found = json.loads(header)
            about = dict(found["about"])
            done, values = int(found["done"]), int(found["values"])
            whole = os.path.getsize(self.path) >= _HEADER_BYTES + 4 * values * done
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            file.close()
            raise InputError(
                f"{self.path} is there, but is not what an unfinished extraction "
                "leaves: move it away, or give another --out"
            )
        changed = [key for key, value in self.about.items() if about.get(key) != value]
        if changed:
            file.close()
            logger.info(
                "%s is of other %s: starting anew", self.path, " and ".join(changed)
            )
            return None
        self.done, self._values = done, values
        logger.info("%s: going on after %d of %d", self.path, done, self.count)
        return file

    def _sync(self):
        self._file.flush()
        os.fsync(self._file.fileno())
