import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.training.schedules import (
    ConstantThenLinearDecay,
    CosineDecay,
    StepDecay,
    Warmup,
)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.8), (3, 0.8), (4, 0.8), (5, 0.6), (6, 0.4), (7, 0.2), (8, 0.0), (99, 0.0)],
)
def test_linear_decay(step, rate):
    schedule = ConstantThenLinearDecay(0.8, constant_steps=4, decay_steps=4)
    for kind in (tf.int32, tf.int64):
        value = schedule(tf.constant(step, kind))
        assert value.dtype == tf.float32
        assert float(value) == pytest.approx(rate, abs=1e-7)


def test_no_constant_part():
    schedule = ConstantThenLinearDecay(1.0, constant_steps=0, decay_steps=2)
    assert [float(schedule(step)) for step in range(4)] == [1, 0.5, 0, 0]


def test_no_decay_keeps_the_rate_for_all_of_the_run():
    schedule = ConstantThenLinearDecay(1.0, constant_steps=3, decay_steps=0)
    assert [float(schedule(step)) for step in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("updates", [1, 2, 5])
def test_both_optimisers_fall_together(updates):
    generator = ConstantThenLinearDecay(0.8, constant_steps=2, decay_steps=3)
    critic = ConstantThenLinearDecay(0.8, 2, 3, updates_per_step=updates)
    for step in range(7):
        for update in range(updates):
            assert critic(step * updates + update) == generator(step)


def test_optimiser_follows_its_own_count():
    optimizer = keras.optimizers.SGD(
        ConstantThenLinearDecay(1.0, 1, 2, updates_per_step=2)
    )
    variable = tf.Variable(0.0)
    optimizer.build([variable])
    moves = []
    for _ in range(7):
        before = variable.numpy()
        optimizer.apply_gradients([(tf.constant(-1.0), variable)])
        moves.append(float(variable.numpy() - before))
    np.testing.assert_allclose(moves, [1, 1, 1, 1, 0.5, 0.5, 0], atol=1e-6)


def test_step_decay():
    schedule = StepDecay(0.5, decay_step=3, factor=0.1)
    rates = [float(schedule(step)) for step in (0, 2, 3, 4, 1000)]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.05, 0.05, 0.05], rtol=1e-6)
    assert schedule(tf.constant(3)).dtype == tf.float32
    assert float(tf.function(schedule)(tf.constant(3, tf.int64))) == pytest.approx(0.05)


def test_several_decays():
    schedule = StepDecay(0.5, [2, 5], factor=0.1)
    rates = [float(schedule(step)) for step in (0, 1, 2, 4, 5, 99)]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.05, 0.05, 0.005, 0.005], rtol=1e-6)
    assert float(tf.function(schedule)(tf.constant(5, tf.int64))) == rates[-1]
    assert StepDecay(0.5, [3], 0.1)(3) == StepDecay(0.5, 3, 0.1)(3)


def test_cosine_decay():
    schedule = CosineDecay(0.8, constant_steps=2, decay_steps=4)
    rates = [float(schedule(step)) for step in range(9)]
    half = 0.5**0.5  # the cosine of an eighth of its period
    right = [1, 1, 1, (1 + half) / 2, 0.5, (1 - half) / 2, 0, 0, 0]
    np.testing.assert_allclose(rates, 0.8 * np.array(right), atol=1e-7)
    assert schedule(tf.constant(3, tf.int64)).dtype == tf.float32
    assert float(CosineDecay(0.8, 3, 0)(3)) == pytest.approx(0.8)


def test_warmup():
    schedule = Warmup(StepDecay(0.5, 3, 0.1), warmup_steps=4)
    rates = [float(schedule(step)) for step in range(7)]
    factors = np.array([0.01, 0.2575, 0.505, 0.7525, 1, 1, 1])
    own = [0.5, 0.5, 0.5, 0.05, 0.05, 0.05, 0.05]
    np.testing.assert_allclose(rates, own * factors, rtol=1e-6)
    # From there on the very rates of the schedule.
    assert schedule(5) == schedule.schedule(5)


@pytest.mark.parametrize(
    "schedule",
    [
        ConstantThenLinearDecay(0.1, 2, 4, 3),
        StepDecay(0.1, 2, 0.5),
        StepDecay(0.1, [2, 5], 0.5),
        CosineDecay(0.1, 2, 4),
        Warmup(CosineDecay(0.1, 2, 4), 2, 0.1),
    ],
    ids=["linear", "step", "steps", "cosine", "warmup"],
)
def test_config_round_trip(schedule):
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    assert stored["registered_name"].startswith("tfipgan>")
    for twin in (
        keras.saving.deserialize_keras_object(stored),
        type(schedule).from_config(schedule.get_config()),
    ):
        assert type(twin) is type(schedule)
        assert twin.get_config() == schedule.get_config()
        assert [float(twin(k)) for k in range(20)] == [
            float(schedule(k)) for k in range(20)
        ]
