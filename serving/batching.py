"""The queue in front of the models: bounded, and requests that wait run together."""

import collections
import logging
import threading
import time

import grpc
import numpy as np
import tensorflow as tf

from tfipgan.serving.status import RequestError, from_tensorflow

log = logging.getLogger(__name__)


class RequestQueue:
    """Runs calls in order of arrival, those that fit together as one batch.

    Nothing waits for a batch to fill: while one runs, what arrives gathers, and is the
    next. If a batch of several calls fails, each of them is run by itself, so that only
    the one at fault gets the error.

    On CPU cores a batch saves little: ResNet-50 at 256x128 takes 61 ms of a core for an
    image, 58 in batches of 8, 55 in batches of 16; the generator at 128x64 takes 109 ms
    and 106. So the batches are small by default; a GPU wants larger ones.
    """

    def __init__(self, metrics, *, capacity, merge_rows, largest_rows, workers):
        """Start the workers.

        Args:
            metrics: `Metrics`.
            capacity: how many calls may wait.
            merge_rows: most rows of a batch of several calls; 1 runs each by itself.
            largest_rows: most rows of one call.
            workers: batches that run at the same time.
        """
        self._metrics = metrics
        self._capacity = capacity
        self._merge_rows = merge_rows
        self._largest_rows = largest_rows
        self._tasks = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"run-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self):
        return len(self._tasks)

    def run(self, call, deadline=None, is_wanted=lambda: True):
        """Wait for a call's turn and run it.

        Args:
            call: `Call`.
            deadline: by time.monotonic(), or None.
            is_wanted: function that says whether the client still waits.

        Returns:
            {alias: array} of the call's outputs.

        Raises:
            RequestError: the queue is full or closed, the call is too large or too
                late, or an operation failed.
        """
        if (call.rows or 0) > self._largest_rows:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {call.rows} is larger than maximum input batch size "
                f"{self._largest_rows}",
            )
        task = _Task(call, deadline, is_wanted)
        with self._changed:
            if self._closed:
                raise RequestError(grpc.StatusCode.UNAVAILABLE, "The server stops")
            if len(self._tasks) >= self._capacity:
                self._drop_late()
            if len(self._tasks) >= self._capacity:
                raise RequestError(
                    grpc.StatusCode.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is "
                    "full",
                )
            self._tasks.append(task)
            self._changed.notify()
        return task.wait()

    def close(self):
        """Run what waits, then stop the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while tasks := self._take():
            try:
                self._run(tasks)
            except Exception as error:
                # A worker that ended here would leave the others waiting for ever.
                log.exception("a batch of %d calls failed", len(tasks))
                for task in tasks:
                    task.fail(RequestError(grpc.StatusCode.INTERNAL, repr(error)))

    def _take(self):
        """Return the tasks of the next batch; none if the queue is closed and empty."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._tasks or self._closed)
                if not self._tasks:
                    return []
                first = self._tasks.popleft()
                if not first.drop_if_late():
                    break
            taken = [first]
            if first.kind is not None and self._merge_rows > 1:
                self._take_alike(taken)
        now = time.monotonic()
        for task in taken:
            self._metrics.queue_seconds.observe(now - task.arrival)
        return taken

    def _take_alike(self, taken):
        rows = taken[0].call.rows
        left = collections.deque()
        for task in self._tasks:
            fits = (
                task.kind == taken[0].kind and rows + task.call.rows <= self._merge_rows
            )
            if not fits:
                left.append(task)
            elif not task.drop_if_late():
                taken.append(task)
                rows += task.call.rows
        self._tasks = left

    def _drop_late(self):
        self._tasks = collections.deque(
            task for task in self._tasks if not task.drop_if_late()
        )

    def _run(self, tasks):
        if len(tasks) > 1 and self._run_together(tasks):
            return
        for task in tasks:
            if task.drop_if_late():
                continue
            try:
                task.finish(self._compute(task.call, task.call.inputs, task.deadline))
            except tf.errors.OpError as error:
                task.fail(from_tensorflow(error))

    def _run_together(self, tasks):
        """Whether one run answered all tasks."""
        call = tasks[0].call
        inputs = {
            alias: np.concatenate([task.call.inputs[alias] for task in tasks])
            for alias in call.inputs
        }
        deadlines = [task.deadline for task in tasks]
        deadline = None if None in deadlines else max(deadlines)
        try:
            arrays = self._compute(call, inputs, deadline)
        except tf.errors.OpError:
            return False
        ends = np.cumsum([task.call.rows for task in tasks])
        if any(np.ndim(a) == 0 or len(a) != ends[-1] for a in arrays.values()):
            return False
        for task, end in zip(tasks, ends, strict=True):
            rows = slice(end - task.call.rows, end)
            task.finish({alias: array[rows] for alias, array in arrays.items()})
        return True

    def _compute(self, call, inputs, deadline):
        start = time.monotonic()
        timeout = None if deadline is None else max(0.001, deadline - start)
        arrays = call.servable.run(call.signature_name, inputs, call.outputs, timeout)
        self._metrics.run_seconds.observe(time.monotonic() - start)
        rows = len(next(iter(inputs.values()))) if call.rows is not None else 1
        self._metrics.run_rows.observe(rows)
        return arrays


class _Task:
    def __init__(self, call, deadline, is_wanted):
        self.call = call
        self.deadline = deadline
        self.kind = _kind(call)
        self.arrival = time.monotonic()
        self._is_wanted = is_wanted
        self._done = threading.Event()
        self._arrays = None
        self._error = None

    def wait(self):
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._arrays

    def finish(self, arrays):
        self._arrays = arrays
        self._done.set()

    def fail(self, error):
        if not self._done.is_set():
            self._error = error
            self._done.set()

    def drop_if_late(self):
        """Whether nobody waits for the answer any more; the task has failed then."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            text = "The deadline passed before the request was run"
            self.fail(RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, text))
        elif not self._is_wanted():
            text = "The client cancelled the request"
            self.fail(RequestError(grpc.StatusCode.CANCELLED, text))
        return self._done.is_set()


def _kind(call):
    """Return what calls that run as one must have in common; None if it runs alone.

    The signature must leave the size of dimension 0 open in all inputs and outputs:
    only then may rows be independent of each other.
    """
    signature = call.servable.signatures[call.signature_name]
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    if not call.rows or not all(_has_open_rows(info.tensor_shape) for info in infos):
        return None
    shapes = tuple((alias, call.inputs[alias].shape[1:]) for alias in call.inputs)
    return (id(call.servable), call.signature_name, call.outputs, shapes)


def _has_open_rows(shape):
    return not shape.unknown_rank and bool(shape.dim) and shape.dim[0].size == -1
