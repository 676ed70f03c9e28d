"""The loop: which batches a step gets, and when what is reported."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.training.loop import run_steps
from tfipgan.training.replicas import sum_over_replicas
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


def run(devices, start, stop, **options):
    steps, metrics = [], {}
    run_steps(
        Adding(),
        batches(start, stop),
        make_strategy(devices),
        start_step=start,
        num_steps=stop,
        on_metrics=lambda step, values: metrics.update({step: values}),
        on_step=steps.append,
        progress=False,
        **options,
    )
    return steps, metrics


def test_means_every_few_steps_and_at_the_end(eagerly):
    steps, metrics = run(["CPU:0"], 0, 7, metrics_every=3)
    assert steps == [1, 2, 3, 4, 5, 6, 7]
    assert metrics == {
        3: {"sum": 4.0, "rows": 4.0},
        6: {"sum": 16.0, "rows": 4.0},
        7: {"sum": 24.0, "rows": 4.0},
    }


def test_devices_share_a_batch(two_devices):
    _, metrics = run(["CPU:0", "CPU:1"], 0, 2, metrics_every=1)
    assert metrics == {1: {"sum": 0.0, "rows": 4.0}, 2: {"sum": 4.0, "rows": 4.0}}


def test_a_later_start_goes_on_counting():
    steps, metrics = run(["CPU:0"], 5, 9, metrics_every=6)
    assert steps == [6, 7, 8, 9]
    # Only what was seen since the start is in the mean.
    assert metrics == {
        6: {"sum": 20.0, "rows": 4.0},
        9: {"sum": 28.0, "rows": 4.0},
    }


def test_nothing_left_to_do():
    assert run(["CPU:0"], 4, 4) == ([], {})


def test_progress_is_shown_on_stderr_only(capsys):
    run_steps(
        Adding(), batches(0, 2), make_strategy(["CPU:0"]), start_step=0, num_steps=2,
        on_metrics=lambda step, values: None, title="train-x",
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert out == ""
    assert "train-x: 100%" in err and "2/2" in err
