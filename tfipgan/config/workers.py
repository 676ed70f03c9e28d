"""Which worker of how many this process is, as TF_CONFIG says."""

import json
import os
from typing import Any

from tfipgan.errors import InputError, shorten
from tfipgan.files.worker import ALONE, Worker

VARIABLE = "TF_CONFIG"


def worker_share() -> Worker:
    """Return this process's place among the workers; `ALONE` without TF_CONFIG.

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
        raise _unusable(f"is {shorten(text)}")
    cluster: Any = content.get("cluster")
    task: Any = content.get("task")
    workers = cluster.get("worker") if isinstance(cluster, dict) else None
    if not workers or not isinstance(workers, list) or len(cluster) > 1:
        raise _unusable(f"has the cluster {shorten(cluster)}")
    if not isinstance(task, dict) or task.get("type") != "worker":
        raise _unusable(f"has the task {shorten(task)}")
    index = task.get("index")
    if type(index) is not int or not 0 <= index < len(workers):
        raise InputError(
            f"{VARIABLE} has the index {shorten(index)} in a cluster of "
            f"{len(workers)}; expected a number from 0 to {len(workers) - 1}, another "
            "for each worker"
        )
    return Worker(index, len(workers))


def _unusable(found: str) -> InputError:
    return InputError(
        f'{VARIABLE} {found}; expected {{"cluster": {{"worker": ["host:port", ..]}}, '
        '"task": {"type": "worker", "index": 0}}, or no such variable'
    )
