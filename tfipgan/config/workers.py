"""Which worker of how many this process is, as TF_CONFIG says."""

import json
import os
import re
from typing import Any

from tfipgan.errors import InputError, shorten
from tfipgan.files.worker import ALONE, Worker

VARIABLE = "TF_CONFIG"
# In the order in which TensorFlow counts them: a chief goes before the workers.
_JOBS = ("chief", "worker")


def worker_share() -> Worker:
    """Return this process's place among the workers; `ALONE` without TF_CONFIG.

    TF_CONFIG is what TensorFlow's multi-worker training takes:
    {"cluster": {"worker": ["host:port", ..]}, "task": {"type": "worker", "index": 0}}.
    A "chief" of one address may stand beside the workers, and is the first of them.
    Without a cluster, or with one process in it, there is one process. The addresses
    are not looked at here.

    Raises:
        InputError: it is something else, or has other jobs than these (a parameter
            server, an evaluator).
    """
    return _read()[0]


def worker_addresses() -> tuple[str, ...]:
    """Return the addresses of all workers in order, as TF_CONFIG has them.

    Of no use where `worker_share` is `ALONE`; raises as that does.
    """
    return _read()[1]


def _read() -> tuple[Worker, tuple[str, ...]]:
    text = os.environ.get(VARIABLE)
    if not text:
        return ALONE, ()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _unusable(f"is {shorten(text)}")
    cluster: Any = content.get("cluster", {})
    jobs = _jobs(cluster)
    if jobs is None:
        raise _unusable(f"has the cluster {shorten(cluster)}")
    addresses = tuple(a for job in _JOBS for a in jobs.get(job, ()))
    task: Any = content.get("task")
    if not task and len(addresses) <= 1:
        return ALONE, addresses
    job: Any = task.get("type") if isinstance(task, dict) else None
    if job not in (jobs or _JOBS):
        raise _unusable(f"has the task {shorten(task)}")
    if not jobs:
        return ALONE, ()
    index, count = task.get("index"), len(jobs[job])
    place = _whole(index)
    if place is None or place >= count:
        raise InputError(
            f"{VARIABLE} has the index {shorten(index)} of a {job} in a cluster with "
            f"{count}; expected a number from 0 to {count - 1}, another for each "
            "process"
        )
    before = len(jobs.get("chief", ())) if job == "worker" else 0
    return Worker(before + place, len(addresses)), addresses


def _jobs(cluster: Any) -> dict[str, list] | None:
    """Return the addresses of each job; None of a cluster that can't be used."""
    if not isinstance(cluster, dict) or cluster.keys() - set(_JOBS):
        return None
    jobs = {}
    for name, tasks in cluster.items():
        # TensorFlow takes them by number too.
        if isinstance(tasks, dict):
            places = {_whole(key): address for key, address in tasks.items()}
            if places.keys() != set(range(len(tasks))):
                return None
            tasks = [places[k] for k in range(len(tasks))]
        if not isinstance(tasks, list) or not tasks:
            return None
        jobs[name] = tasks
    return None if len(jobs.get("chief", ())) > 1 else jobs


def _whole(value: Any) -> int | None:
    """Return a number from 0, which TensorFlow takes as text too; else None."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def _unusable(found: str) -> InputError:
    return InputError(
        f'{VARIABLE} {found}; expected {{"cluster": {{"worker": ["host:port", ..]}}, '
        '"task": {"type": "worker", "index": 0}}, a chief beside the workers if you '
        "like, or no such variable"
    )
