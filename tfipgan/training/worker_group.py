"""The workers of one training, as one of them sees the others.

The chief, worker 0, alone writes. Only `any_worker` is called at every step.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfipgan.config.workers import worker_addresses, worker_share
from tfipgan.errors import InputError, TrainingError
from tfipgan.files.worker import ALONE
from tfipgan.training.rendezvous import named, unreachable_workers
from tfipgan.training.replicas import sum_over_replicas
from tfipgan.weights.checkpoints import latest_checkpoint
from tfipgan.weights.local_copies import LocalCopies

# What TensorFlow raises when another process has gone away.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class WorkerGroup:
    """This process and the other workers of its strategy; a group may be one process.

    All of them call the same methods in the same order, or they wait for each other.

    Args:
        strategy: what `make_strategy` returned.
    """

    def __init__(self, strategy):
        self.strategy = strategy
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        self.worker = worker_share() if several else ALONE
        self._addresses = worker_addresses() if several else ()
        self._asked = None

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.worker.index == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other worker."""
        return self.worker.count == 1

    def require_same(self, decided_by: Mapping[str, str]) -> None:
        """Raise InputError, on all workers, unless it is the same on all of them.

        Args:
            decided_by: what the training depends on, {name, such as "config": value}.
        """
        if self.is_alone:
            return
        digests = [
            hashlib.sha256(text.encode()).digest() for text in decided_by.values()
        ]
        all_digests = np.zeros((self.worker.count, len(digests), 32), np.float32)
        all_digests[self.worker.index] = [list(digest) for digest in digests]
        (everyone,) = self._sum([all_digests])
        for place, what in enumerate(decided_by):
            other = (everyone[:, place] != everyone[0, place]).any(axis=1)
            if other.any():
                names = named(np.flatnonzero(other), self._addresses)
                raise InputError(
                    f"{names} was started with another {what} than worker 0; expected "
                    "the same on all: start all with the same command and data"
                )

    def broadcast_from_chief(self, step: int, variables: Sequence) -> int:
        """Give all workers the chief's values and step; return the step."""
        if self.is_alone:
            return step
        copies = [LocalCopies(variable) for variable in variables]
        values = [np.asarray(step, np.int64), *(copy.numpy() for copy in copies)]
        if not self.is_chief:
            values = [np.zeros_like(value) for value in values]
        step, *values = self._sum(values)
        for copy, value in zip(copies, values, strict=True):
            copy.assign(value)
        return int(step)

    def broadcast_arrays(
        self, arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return the chief's arrays, of whatever names and shapes, on all workers.

        Args:
            arrays: what the chief has; those of the others are ignored. Numbers only:
                integers come as int64, others as float32 or float64.
        """
        if self.is_alone:
            return dict(arrays)
        own_arrays = {}
        if self.is_chief:
            for name, array in arrays.items():
                whole = np.asarray(array).dtype.kind in "biu"
                own_arrays[name] = np.asarray(array, np.int64 if whole else None)
        # Names and shapes first, as bytes: the others know none of them.
        layout = [[name, a.dtype.str, a.shape] for name, a in own_arrays.items()]
        text = np.frombuffer(json.dumps(layout).encode(), np.uint8).astype(np.int64)
        (length,) = self._sum([np.int64(len(text) if self.is_chief else 0)])
        if not self.is_chief:
            text = np.zeros(length, np.int64)
        (text,) = self._sum([text])
        layout = json.loads(text.astype(np.uint8).tobytes())
        if not layout:
            return {}
        found = {
            name: own_arrays.get(name, np.zeros(shape, kind))
            for name, kind, shape in layout
        }
        # The sum of nothing over workers ends TensorFlow's process.
        names = [name for name, array in found.items() if array.size]
        sums = self._sum([found[name] for name in names]) if names else []
        return {**found, **dict(zip(names, sums, strict=True))}

    def any_worker(self, flags: Sequence[bool]) -> list[bool]:
        """Return which flags any worker had set at the step before.

        To be called after each step. This step's flags are not waited for, because a
        GPU is still computing. A worker that is alone gets its own of this step.
        """
        if self.is_alone:
            return list(flags)
        known, self._asked = self._asked, self._summed([np.float32(flags)])[0]
        return (
            (known.numpy() > 0).tolist() if known is not None else [False] * len(flags)
        )

    def barrier(self) -> None:
        """Return when all workers have come to here."""
        if not self.is_alone:
            self._sum([np.float32(0)])

    @contextmanager
    def lost_worker_as_training_error(self, out: str | os.PathLike) -> Iterator[None]:
        """Turn the loss of a worker into a TrainingError that says what to do.

        Args:
            out: the chief's run folder.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self.is_alone or not isinstance(error, _GONE):
                raise
            gone = named(
                unreachable_workers(self.worker, self._addresses), self._addresses
            )
            raise TrainingError(
                f"{gone or 'another worker'} has ended or can't be reached, so "
                f"{self.worker} stops too; {self._kept(Path(out))}; see what that one "
                "said, then start all workers again with --resume"
            ) from error

    def _kept(self, out):
        if not self.is_chief:
            return "the checkpoints are the chief's, worker 0"
        last = latest_checkpoint(out / "checkpoints")
        return f"the last checkpoint is {last}" if last else "there is no checkpoint"

    def _sum(self, values):
        """Return the sums over all workers, as arrays."""
        return [value.numpy() for value in self._summed(values)]

    def _summed(self, values):
        """Return the sums over all workers, which need not be known yet."""
        sums = self._sum_over_workers([tf.constant(value) for value in values])
        return [self.strategy.experimental_local_results(one)[0] for one in sums]

    @tf.function
    def _sum_over_workers(self, values):
        return self.strategy.run(self._add_up, args=(values,))

    def _add_up(self, values):
        """Add up the values of each worker's first replica."""
        replica = tf.distribute.get_replica_context()
        here = self.strategy.num_replicas_in_sync // self.worker.count
        first = tf.equal(replica.replica_id_in_sync_group % here, 0)
        shares = [tf.where(first, value, tf.zeros_like(value)) for value in values]
        sums = dict.fromkeys(range(len(values)))
        # Tensors of several types are not added up in one go.
        for dtype in sorted({share.dtype.name for share in shares}):
            places = [k for k in sums if shares[k].dtype.name == dtype]
            of_type = sum_over_replicas([shares[k] for k in places])
            sums.update(zip(places, of_type, strict=True))
        return list(sums.values())
