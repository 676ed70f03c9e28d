"""The loop: which batches a step gets, and what it gives."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.training.loop import StepLoop
from tfipgan.training.replicas import gradient_norm, sum_over_replicas
from tfipgan.training.strategy import make_strategy


class Adding:
    """Its step reports the sum of its batch, over all replicas."""

    def train_step(self, batch):
        rows = tf.cast(tf.shape(batch)[0], tf.float32)
        return sum_over_replicas({"sum": tf.reduce_sum(batch), "rows": rows})


def batches(start, stop):
    """Of four rows; the sum of batch k is 4 k."""
    rows = np.repeat(np.arange(start, stop, dtype=np.float32), 4)
    return tf.data.Dataset.from_tensor_slices(rows).batch(4)


@pytest.fixture(params=[False, True], ids=["graph", "eager"])
def eagerly(request):
    tf.config.run_functions_eagerly(request.param)
    yield
    tf.config.run_functions_eagerly(False)


def run(devices, start, stop, model=None):
    loop = StepLoop((model or Adding()).train_step, make_strategy(devices))
    return read(loop.steps(batches(start, stop), start, stop))


def read(steps):
    return [
        (step, {name: float(x) for name, x in terms.items()}) for step, terms in steps
    ]


def test_each_step_has_its_batch(eagerly):
    assert run(["CPU:0"], 0, 3) == [
        (step, {"sum": 4.0 * (step - 1), "rows": 4.0}) for step in (1, 2, 3)
    ]


def test_devices_share_a_batch(two_devices):
    assert run(["CPU:0", "CPU:1"], 0, 2) == [
        (1, {"sum": 0.0, "rows": 4.0}),
        (2, {"sum": 4.0, "rows": 4.0}),
    ]


def test_a_later_start_goes_on_counting():
    assert [step for step, _ in run(["CPU:0"], 5, 9)] == [6, 7, 8, 9]


def test_nothing_left_to_do():
    assert run(["CPU:0"], 4, 4) == []


@pytest.mark.parametrize("devices", [["CPU:0"], ["CPU:0", "CPU:1"]])
def test_the_step_is_traced_once_for_all_datasets(two_devices, devices):
    loop = StepLoop(Adding().train_step, make_strategy(devices))
    for start, stop in ((0, 2), (2, 3), (3, 5)):
        assert read(loop.steps(batches(start, stop), start, stop)) == [
            (step, {"sum": 4.0 * (step - 1), "rows": 4.0})
            for step in range(start + 1, stop + 1)
        ]
    assert loop.traces == 1


class Norm:
    """Its gradients are its rows times (1, 2), of two variables."""

    def train_step(self, batch):
        total = tf.reduce_sum(batch)
        return {"norm": gradient_norm([total, 2.0 * total])}


@pytest.mark.parametrize("devices", [["CPU:0"], ["CPU:0", "CPU:1"]])
def test_a_gradients_length_is_that_of_the_devices_sum(two_devices, devices):
    """Batch 3 sums to 12, which is 6 and 6 on two devices; not twice |(6, 12)|."""
    ((_, terms),) = run(devices, 3, 4, Norm())
    assert terms["norm"] == pytest.approx(np.hypot(12, 24))
