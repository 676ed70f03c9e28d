"""Which worker of how many this process is, as TF_CONFIG says."""

import json
import os
from typing import NamedTuple

from tfipgan.brief import brief
from tfipgan.errors import InputError

VARIABLE = "TF_CONFIG"


class Worker(NamedTuple):
    """One of the processes that share a work.

    Attributes:
        index: from 0; the first is the chief.
        count: of all workers.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"worker {self.index} of {self.count}"

    def share(self, images: int, batch_size: int) -> slice:
        """Return which of the images are this worker's.

        They are whole batches of the same images as one worker would make, in a row;
        none where there are more workers than batches.
        """
        batches = -(-images // batch_size)
        first, last = (
            min(images, k * batches // self.count * batch_size)
            for k in (self.index, self.index + 1)
        )
        return slice(first, last)


ALONE = Worker(0, 1)


def worker_share() -> Worker:
    """Return this process's place among the workers; (0, 1) without TF_CONFIG.

    TF_CONFIG is what TensorFlow's multi-worker training takes:
    {"cluster": {"worker": ["host:port", ..]}, "task": {"type": "worker", "index": 0}}.
    The addresses are not looked at here.

    Raises:
        InputError: it is something else, or has other tasks than workers.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return ALONE
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _unusable(f"is {brief(text)}")
    cluster, task = content.get("cluster"), content.get("task")
    workers = cluster.get("worker") if isinstance(cluster, dict) else None
    if not workers or not isinstance(workers, list) or len(cluster) > 1:
        raise _unusable(f"has the cluster {brief(cluster)}")
    if not isinstance(task, dict) or task.get("type") != "worker":
        raise _unusable(f"has the task {brief(task)}")
    index = task.get("index")
    if type(index) is not int or not 0 <= index < len(workers):
        raise InputError(
            f"{VARIABLE} has the index {brief(index)} in a cluster of {len(workers)}; "
            f"expected a number from 0 to {len(workers) - 1}, another for each worker"
        )
    return Worker(index, len(workers))


def share_done(worker: Worker, out: str | os.PathLike) -> str:
    """Return the last line of a worker that was not the last one to end."""
    return f"{worker} has done its share; the last one to end makes {out}"


def _unusable(found: str) -> InputError:
    return InputError(
        f'{VARIABLE} {found}; expected {{"cluster": {{"worker": ["host:port", ..]}}, '
        '"task": {"type": "worker", "index": 0}}, or no such variable'
    )
