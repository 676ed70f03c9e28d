"""The numbers of a training run: metrics.jsonl and TensorBoard."""

import errno
import json
import os
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_file, sync


class MetricsLog:
    """Writes scalars to RUN/metrics.jsonl, a line each time, and to RUN/tensorboard.

    Args:
        folder: the run folder.
        start_step: lines of later steps, written before an interruption, are dropped.
            TensorBoard itself leaves out events that later ones go back behind.
    """

    def __init__(self, folder: Path, start_step: int = 0):
        self._path = folder / "metrics.jsonl"
        kept = [r for r in read_metrics(self._path) if r["step"] <= start_step]
        with atomic_file(self._path) as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in kept))
        self._events = folder / "tensorboard"
        with self._writing_events():
            self._writer = tf.summary.create_file_writer(os.fsencode(self._events))

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write scalars by their names, such as "D/loss_gp"; OSError if they can't be.

        A line that is cut short so is left out by who reads the file.
        """
        with self._path.open("a") as lines:
            lines.write(json.dumps({"step": step, **values}) + "\n")
        with self._writing_events(), self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def flush(self) -> None:
        """Return when all that was written is on the disk."""
        sync(self._path)
        with self._writing_events():
            self._writer.flush()

    def close(self) -> None:
        """Flush what TensorBoard has not written yet."""
        with self._writing_events():
            self._writer.close()

    @contextmanager
    def _writing_events(self):
        """Give TensorFlow's errors as the system's, which is where they come from."""
        try:
            yield
        except tf.errors.OpError as error:
            full = isinstance(error, tf.errors.ResourceExhaustedError)
            code = errno.ENOSPC if full else errno.EIO
            raise OSError(code, error.message.splitlines()[0], self._events) from error


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the records of a metrics.jsonl, none if it is not there.

    A last line that an interruption cut off is left out.

    Raises:
        InputError: any other line is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().decode(errors="replace").splitlines()
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or type(record.get("step")) is not int:
                raise ValueError("no object with a step")
            records.append(record)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise InputError(
                    f"{path}: line {number} is damaged ({error}); expected a JSON "
                    "object with a step: remove that line"
                ) from error
    return records
