"""The numbers of a training run: metrics.jsonl and TensorBoard."""

import json
from pathlib import Path

import tensorflow as tf


class MetricsLog:
    """Writes scalars to RUN/metrics.jsonl, a line each time, and to RUN/tensorboard.

    Args:
        folder: the run folder.
        start_step: lines of later steps, written before an interruption, are dropped.
    """

    def __init__(self, folder: Path, start_step: int = 0):
        self._path = folder / "metrics.jsonl"
        kept = [r for r in read_metrics(self._path) if r["step"] <= start_step]
        self._path.write_text("".join(json.dumps(record) + "\n" for record in kept))
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
    """Return the records of a metrics.jsonl, none if it is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
