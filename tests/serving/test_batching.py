"""The queue: what runs together, what does not, and who gets which answer."""

import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfipgan.serving.batching import RequestQueue
from tfipgan.serving.prediction import Call
from tfipgan.serving.serving_metrics import Metrics
from tfipgan.serving.status import RequestError


class Fake:
    """A servable that adds 1 and fails on negative values; the first run can wait."""

    def __init__(self):
        self.signatures = {}
        for name, sizes in {"open": [-1], "other": [-1], "fixed": [4]}.items():
            signature = self.signatures[name] = meta_graph_pb2.SignatureDef()
            for side in (signature.inputs, signature.outputs):
                for size in [*sizes, -1]:
                    side["x"].tensor_shape.dim.add().size = size
        self.runs = []
        self.timeouts = []
        self.gate = threading.Event()
        self.gate.set()
        self.outputs = lambda x: x + 1

    def run(self, signature_name, inputs, outputs, timeout):
        x = inputs["x"]
        self.runs.append((signature_name, len(x)))
        self.timeouts.append(timeout)
        self.gate.wait(10)
        if timeout is not None and timeout < 0.01:
            raise tf.errors.DeadlineExceededError(None, None, "Timed out")
        if (x < 0).any():
            bad = x[x < 0][0]
            raise tf.errors.InvalidArgumentError(None, None, f"negative: {bad:g}")
        return {"x": self.outputs(x)}


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def make_queue():
    made = []

    def make(**options):
        defaults = dict(capacity=100, merge_rows=8, largest_rows=50, workers=1)
        made.append(RequestQueue(Metrics(), **{**defaults, **options}))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


def call_of(fake, values, signature="open"):
    x = np.array(values, np.float32)
    x = x[:, None] if x.ndim == 1 else x
    return Call(fake, signature, {"x": x}, ("x",), len(x))


class Caller(threading.Thread):
    """Runs a call in a thread and keeps what comes of it."""

    def __init__(self, queue, call, **options):
        super().__init__()
        self.run_call = lambda: queue.run(call, **options)
        self.start()

    def run(self):
        try:
            self.result = self.run_call()["x"].tolist()
        except RequestError as error:
            self.result = (error.code.name, error.text)

    def get(self):
        self.join(10)
        return self.result


def start(fake, queue, calls, **options):
    """Callers in order, all behind a first call that is being run."""
    fake.gate.clear()
    first = Caller(queue, call_of(fake, [0]))
    while not fake.runs:
        time.sleep(0.001)
    callers = []
    for call in calls:
        callers.append(Caller(queue, call, **options))
        while len(queue) < len(callers):
            time.sleep(0.001)
    return first, callers


def finish(fake, first, callers):
    fake.gate.set()
    assert first.get() == [[1]]
    return [caller.get() for caller in callers]


def test_what_waits_runs_together(fake, make_queue):
    calls = [call_of(fake, values) for values in ([1], [2, 3], [4, 5, 6], [7, 8, 9])]
    results = finish(fake, *start(fake, make_queue(), calls))
    assert results == [[[2]], [[3], [4]], [[5], [6], [7]], [[8], [9], [10]]]
    # Nine rows are one too many: the last call is left for the next run.
    assert [rows for _, rows in fake.runs] == [1, 6, 3]


def test_what_is_not_alike_runs_apart(fake, make_queue):
    other = Fake()
    calls = [
        call_of(fake, [1]),
        call_of(fake, [1], "other"),
        call_of(fake, [[1, 2]]),
        call_of(other, [1]),
        call_of(fake, [1, 2, 3, 4], "fixed"),
        call_of(fake, [1, 2, 3, 4], "fixed"),
        call_of(fake, [5]),
    ]
    finish(fake, *start(fake, make_queue(), calls))
    names = [("open", 1), ("open", 2), ("other", 1), ("open", 1)]
    assert fake.runs == [*names, ("fixed", 4), ("fixed", 4)]
    assert other.runs == [("open", 1)]


def test_merging_can_be_turned_off(fake, make_queue):
    calls = [call_of(fake, [n]) for n in range(3)]
    finish(fake, *start(fake, make_queue(merge_rows=1), calls))
    assert [rows for _, rows in fake.runs] == [1, 1, 1, 1]


def test_one_bad_call_fails_alone(fake, make_queue):
    calls = [call_of(fake, values) for values in ([1], [2, -3], [4], [-5])]
    results = finish(fake, *start(fake, make_queue(), calls))
    assert results == [
        [[2]],
        ("INVALID_ARGUMENT", "negative: -3"),
        [[5]],
        ("INVALID_ARGUMENT", "negative: -5"),
    ]
    assert [rows for _, rows in fake.runs] == [1, 5, 1, 2, 1, 1]


@pytest.mark.parametrize(
    "outputs", [lambda x: x[:1], lambda x: np.float32(3)], ids=["one row", "scalar"]
)
def test_rows_that_are_not_the_inputs(fake, make_queue, outputs):
    """A signature that gives other rows than it takes is run call by call."""
    calls = [call_of(fake, [1]), call_of(fake, [2])]
    first, callers = start(fake, make_queue(), calls)
    fake.outputs = outputs
    fake.gate.set()
    expected = [outputs(call.inputs["x"]).tolist() for call in calls]
    assert [caller.get() for caller in callers] == expected
    assert [rows for _, rows in fake.runs] == [1, 2, 1, 1]


def test_late_and_unwanted_calls_are_dropped(fake, make_queue):
    queue = make_queue()
    first, (late,) = start(
        fake, queue, [call_of(fake, [1])], deadline=time.monotonic() + 0.05
    )
    also = Caller(queue, call_of(fake, [0]))
    behind = Caller(queue, call_of(fake, [1]), deadline=time.monotonic() + 0.05)
    unwanted = Caller(queue, call_of(fake, [2]), is_wanted=lambda: False)
    fine = Caller(queue, call_of(fake, [3]), deadline=time.monotonic() + 60)
    time.sleep(0.1)
    fake.gate.set()
    code, text = late.get()
    assert (code, text) == (
        "DEADLINE_EXCEEDED",
        "The deadline passed before the request was run",
    )
    assert behind.get()[0] == "DEADLINE_EXCEEDED"
    assert unwanted.get()[0] == "CANCELLED"
    assert (also.get(), fine.get()) == ([[1]], [[4]])
    assert [rows for _, rows in fake.runs] == [1, 2]


@pytest.mark.parametrize(("second", "seconds"), [(90, 90), (20, 60), (None, None)])
def test_time_of_a_batch_is_its_longest(fake, make_queue, second, seconds):
    queue = make_queue()
    now = time.monotonic()
    first, (one,) = start(fake, queue, [call_of(fake, [1])], deadline=now + 60)
    other = Caller(
        queue, call_of(fake, [2]), deadline=None if second is None else now + second
    )
    while len(queue) < 2:
        time.sleep(0.001)
    finish(fake, first, [one, other])
    assert fake.timeouts[0] is None
    if seconds is None:
        assert fake.timeouts[1] is None
    else:
        assert seconds - 5 < fake.timeouts[1] <= seconds


def test_late_calls_of_a_failed_batch_are_dropped(fake, make_queue):
    queue = make_queue()
    first, (bad,) = start(fake, queue, [call_of(fake, [-1])])
    late = Caller(queue, call_of(fake, [2]), deadline=time.monotonic() + 1)
    fine = Caller(queue, call_of(fake, [3]))
    while len(queue) < 3:
        time.sleep(0.001)

    # The next run finds a gate of its own, which stays shut for a while.
    old, fake.gate = fake.gate, threading.Event()
    old.set()
    while len(fake.runs) < 2:
        time.sleep(0.001)
    time.sleep(1.1)
    fake.gate.set()
    assert first.get() == [[1]] and fine.get() == [[4]]
    assert bad.get()[1] == "negative: -1"
    assert late.get()[0] == "DEADLINE_EXCEEDED"
    assert [rows for _, rows in fake.runs] == [1, 3, 1, 1]


def test_bounds(fake, make_queue):
    queue = make_queue(capacity=2)
    code, text = Caller(queue, call_of(fake, range(51))).get()
    assert code == "INVALID_ARGUMENT"
    assert text == "Task size 51 is larger than maximum input batch size 50"
    first, callers = start(fake, queue, [call_of(fake, [1]), call_of(fake, [2])])
    code, text = Caller(queue, call_of(fake, [3])).get()
    assert code == "UNAVAILABLE"
    assert text.endswith("to which this task was submitted is full")
    assert finish(fake, first, callers) == [[[2]], [[3]]]


def test_a_full_queue_lets_go_of_the_dead(fake, make_queue):
    queue = make_queue(capacity=1)
    dead = {"deadline": time.monotonic() + 0.05}
    first, (late,) = start(fake, queue, [call_of(fake, [1])], **dead)
    time.sleep(0.1)
    fine = Caller(queue, call_of(fake, [2]))
    assert late.get()[0] == "DEADLINE_EXCEEDED"
    assert finish(fake, first, [fine]) == [[[3]]]


def test_a_larger_call_than_a_merge(fake, make_queue):
    result = Caller(make_queue(), call_of(fake, range(20))).get()
    assert result == [[n + 1] for n in range(20)]
    assert fake.runs == [("open", 20)]


def test_a_worker_survives_what_it_does_not_know(fake, make_queue, caplog):
    queue = make_queue()
    fake.outputs = lambda x: 1 / 0
    code, text = Caller(queue, call_of(fake, [1])).get()
    assert code == "INTERNAL" and "ZeroDivisionError" in text
    fake.outputs = lambda x: x
    assert Caller(queue, call_of(fake, [1])).get() == [[1]]


def test_close_runs_what_waits(fake, make_queue):
    queue = make_queue()
    first, callers = start(fake, queue, [call_of(fake, [1])])
    closing = threading.Thread(target=queue.close)
    closing.start()
    while not queue._closed:
        time.sleep(0.001)
    with pytest.raises(RequestError) as caught:
        queue.run(call_of(fake, [2]))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert finish(fake, first, callers) == [[[2]]]
    closing.join(10)
    assert not closing.is_alive()
