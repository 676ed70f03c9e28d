"""Features on disk while they are extracted, so that a killed extraction goes on."""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from tfipgan.files.partial_output import PartialOutput

# What a kill, or a machine that loses its power, costs at most.
KEEP_SECONDS = 30
_ROWS = "rows.f32"

logger = logging.getLogger(__name__)


def row_files(part: PartialOutput) -> list[Path]:
    """Return the files of all workers' rows, float32, in order."""
    return [share / _ROWS for share in part.shares()]


class FeaturePart:
    """The feature rows of a worker's share, in a file in a part; a context.

    The part notes how many have reached the disk after they have, so that what it
    counts is whole whenever the process ends.

    Args:
        part: entered.
        count: rows that the share will have at the end.

    Attributes:
        num_done: rows in it.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(self, part: PartialOutput, count: int):
        self.count = count
        self.num_done, self._values = (
            part.state.get("done", 0),
            part.state.get("values", 0),
        )
        self._part = part
        path = part.share_folder / _ROWS
        path.touch()
        self._file = open(path, "r+b")
        if path.stat().st_size < 4 * self._values * self.num_done:
            logger.warning("%s was cut off: starting anew", path)
            self.num_done = 0
        elif self.num_done:
            logger.info(
                "%s: going on after %d of %d", part.share_folder, self.num_done, count
            )
        self._kept = time.monotonic()

    def append(self, rows: np.ndarray) -> None:
        """Add float32 rows (n, D); now and then all so far are made safe."""
        self._values = rows.shape[1]
        self._file.seek(4 * self._values * self.num_done)
        self._file.write(np.ascontiguousarray(rows, np.float32))
        self.num_done += len(rows)
        if time.monotonic() - self._kept >= KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Write all rows so far to the disk, then how many they are."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.save_progress(done=self.num_done, values=self._values)
        self._kept = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, kind, *failure):
        if kind is None:
            with self._file:
                # A kill may have left more than there is, of a batch that was not kept.
                self._file.truncate(4 * self._values * self.num_done)
                self.keep()
            return
        # The disk may be full; the error that ended the work says so.
        with suppress(OSError):
            self.keep()
        with suppress(OSError):
            self._file.close()
