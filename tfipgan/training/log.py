"""The numbers of a training run: metrics.jsonl and TensorBoard."""

import json
from pathlib import Path

import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.output_file import written_aside


class MetricsLog:
    """Writes scalars to RUN/metrics.jsonl, a line each time, and to RUN/tensorboard.

    Args:
        folder: the run folder.
        start_step: lines of later steps, written before an interruption, are dropped.
    """

    def __init__(self, folder: Path, start_step: int = 0):
        self._path = folder / "metrics.jsonl"
        kept = [r for r in read_metrics(self._path) if r["step"] <= start_step]
        with written_aside(self._path) as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in kept))
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write scalars by their names, such as "D/loss_gp"."""
        with self._path.open("a") as lines:
            lines.write(json.dumps({"step": step, **values}) + "\n")
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def close(self) -> None:
        """Flush what TensorBoard has not written yet."""
        self._writer.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the records of a metrics.jsonl, none if it is not there.

    A last line that an interruption cut off is left out.

    Raises:
        InputError: any other line is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise InputError(
                    f"{path}: line {number} is not JSON ({error}); expected a record a "
                    "line: remove that line"
                ) from error
    return records
