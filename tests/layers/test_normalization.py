"""Instance, batch and split normalisation against values worked out by hand."""

import importlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.layers import (
    InstanceBatchNormalization,
    InstanceNormalization,
    batch_normalization,
)

UNIT = 1 / np.sqrt(1 + 1e-5)  # one deviation above the mean, where the variance is 1


def column(*values, dtype=tf.float32):
    """Images of one row and one channel: a tuple of pixels each."""
    return tf.constant(values, dtype)[:, None, :, None]


def rows(outputs):
    return tf.cast(outputs, tf.float32).numpy()[:, 0, :, 0]


def test_instance_by_hand():
    layer = InstanceNormalization()
    # Two images of their own means, 2 and 15, and variances, 1 and 25.
    outputs = layer(column((1, 3), (10, 20)))
    second = 5 / np.sqrt(25 + 1e-5)
    np.testing.assert_allclose(rows(outputs), [[-UNIT, UNIT], [-second, second]], 1e-6)
    layer.gamma.assign([2.0])
    layer.beta.assign([0.5])
    outputs = layer(column((1, 3)), training=True)
    np.testing.assert_allclose(rows(outputs), [[0.5 - 2 * UNIT, 0.5 + 2 * UNIT]], 1e-6)


def test_instance_takes_each_channel_alone():
    images = tf.random.stateless_normal((2, 5, 4, 3), (1, 2)) * [1.0, 20.0, 0.1] + 7.0
    outputs = InstanceNormalization(epsilon=0.0)(images).numpy()
    np.testing.assert_allclose(outputs.mean((1, 2)), np.zeros((2, 3)), atol=1e-4)
    np.testing.assert_allclose(outputs.std((1, 2)), np.ones((2, 3)), atol=1e-4)


def test_instance_of_a_flat_image_is_beta():
    layer = InstanceNormalization()
    with tf.GradientTape() as tape:
        images = tf.fill((1, 4, 2, 1), 0.3)
        tape.watch(images)
        outputs = layer(images)
    np.testing.assert_allclose(outputs, np.zeros((1, 4, 2, 1)), atol=1e-4)
    assert np.isfinite(tape.gradient(outputs, images)).all()


def test_instance_that_starts_at_zero():
    layer = InstanceNormalization(gamma_initializer="zeros")
    assert not layer(column((1, 3))).numpy().any()


def test_instance_gradients_by_finite_differences():
    draw = np.random.default_rng(0)
    images, weights = draw.normal(size=(2, 2, 3, 4, 2))
    gamma, beta = draw.normal(size=(2, 2))

    def score(images, gamma, beta):
        centred = images - images.mean((1, 2), keepdims=True)
        variance = (centred**2).mean((1, 2), keepdims=True)
        return (weights * (centred / np.sqrt(variance + 1e-5) * gamma + beta)).sum()

    layer = InstanceNormalization()
    layer.build(images.shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    inputs = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(weights.astype(np.float32) * layer(inputs))
    gradients = tape.gradient(total, [inputs, layer.gamma, layer.beta])
    arguments = (images, gamma, beta)
    np.testing.assert_allclose(total, score(*arguments), 1e-5)
    for place, gradient in enumerate(gradients):
        differences = np.zeros(gradient.shape)
        for index in np.ndindex(differences.shape):
            scores = []
            for step in (1e-5, -1e-5):
                moved = [argument.copy() for argument in arguments]
                moved[place][index] += step
                scores.append(score(*moved))
            differences[index] = (scores[0] - scores[1]) / 2e-5
        np.testing.assert_allclose(gradient, differences, 1e-4, 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_instance_on_two_devices_is_that_of_one(two_devices, dtype):
    images = tf.random.stateless_normal((4, 3, 2, 2), (1, 2)) * 3.0 + 1.0
    strategy = tf.distribute.MirroredStrategy(two_devices)
    with strategy.scope():
        layer = InstanceNormalization(dtype=dtype)
        layer.build(images.shape)
        layer.beta.assign([0.5, -0.5])

    def step(images):
        with tf.GradientTape() as tape:
            outputs = tf.cast(layer(images), tf.float32)
            score = tf.reduce_sum(outputs**3)
        return outputs, tape.gradient(score, [layer.gamma, layer.beta])

    halves = tf.data.Dataset.from_tensors(images).unbatch().batch(4)
    (batch,) = strategy.experimental_distribute_dataset(halves)
    outputs, gradients = tf.function(strategy.run)(step, args=(batch,))
    one_outputs, one_gradients = step(images)
    copies = strategy.experimental_local_results(outputs)
    assert [copy.shape[0] for copy in copies] == [2, 2]
    np.testing.assert_allclose(tf.concat(copies, axis=0), one_outputs, 1e-6)
    for gradient, right in zip(gradients, one_gradients, strict=True):
        total = tf.add_n(strategy.experimental_local_results(gradient))
        np.testing.assert_allclose(total, right, 1e-5, 1e-4)


def test_instance_made_from_its_config_warns_of_nothing(caplog):
    layer = InstanceNormalization(name="it")
    layer.build((None, 4, 2, 3))
    assert InstanceNormalization.from_config(layer.get_config()).name == "it"
    assert not caplog.records


def test_instance_is_the_layer_of_its_stack():
    homes = {kind.__module__.split(".")[0] for kind in InstanceNormalization.__mro__}
    assert ("tensorflow_addons" in homes) == keras.__version__.startswith("2.")


def test_keras_2_without_tensorflow_addons(monkeypatch):
    module = "tfipgan.layers.instance_normalization_addons"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow_addons.layers", None)
    message = r"^Keras [\d.]+ is here without tensorflow-addons .*tfipgan\[addons\]"
    with pytest.raises(ImportError, match=message) as error:
        importlib.import_module(module)
    assert "\n" not in str(error.value)


def test_float16_moments_do_not_overflow():
    layer = InstanceNormalization(dtype="mixed_float16")
    # 300 squared is more than float16 holds.
    outputs = layer(column((-300, 300), dtype=tf.float16))
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(rows(outputs), [[-1, 1]], 1e-3)


def test_bfloat16_moments_are_not_rounded():
    layer = InstanceNormalization(dtype="mixed_bfloat16")
    # Between 256 and 512 bfloat16 holds even numbers only; the mean is 257.
    outputs = layer(column((256, 258), dtype=tf.bfloat16))
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_array_equal(rows(outputs), [[-1, 1]])


def test_batch_by_hand():
    layer = batch_normalization("norm")
    assert layer.name == "norm"
    images = column((1, 3), (5, 7))  # mean 4, variance 5
    layer.build(images.shape)
    # Inference knows the moving statistics only: 0 and 1 at the start.
    np.testing.assert_allclose(rows(layer(images)), rows(images) * UNIT, 1e-6)
    outputs = layer(images, training=True)
    right = (rows(images) - 4) / np.sqrt(5 + 1e-5)
    np.testing.assert_allclose(rows(outputs), right, 1e-5)
    np.testing.assert_allclose(layer.moving_mean, [0.1 * 4], 1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 + 0.1 * 5], 1e-6)
    right = (rows(images) - 0.4) / np.sqrt(1.4 + 1e-5)
    np.testing.assert_allclose(rows(layer(images, training=False)), right, 1e-5)


def test_split_by_hand():
    layer = InstanceBatchNormalization()
    # An odd count: the one channel before the middle is the instance's.
    channels = [(1, 3), (5, 7)], [(1, 3), (5, 7)], [(0, 0), (8, 8)]
    images = tf.concat([column(*pixels) for pixels in channels], axis=-1)
    outputs = layer(images, training=True).numpy()
    assert layer.instance.gamma.shape == (1,)
    assert layer.batch.gamma.shape == (2,)
    np.testing.assert_allclose(rows(outputs), [[-UNIT, UNIT]] * 2, 1e-6)
    right = np.array([[-3, -1], [1, 3]]) / np.sqrt(5 + 1e-5)
    np.testing.assert_allclose(outputs[:, 0, :, 1], right, 1e-5)
    np.testing.assert_allclose(outputs[:, 0, :, 2], [[-1, -1], [1, 1]], 1e-5)
    np.testing.assert_allclose(layer.batch.moving_mean, [0.4, 0.4], 1e-6)
    np.testing.assert_allclose(layer.batch.moving_variance, [1.4, 2.5], 1e-5)


def test_split_in_inference():
    layer = InstanceBatchNormalization()
    images = tf.concat([column((1, 3)), column((1, 3))], axis=-1)
    layer.build(images.shape)
    layer.batch.moving_mean.assign([1.0])
    layer.batch.moving_variance.assign([4.0])
    outputs = layer(images).numpy()
    np.testing.assert_allclose(outputs[0, 0, :, 0], [-UNIT, UNIT], 1e-6)
    np.testing.assert_allclose(outputs[0, 0, :, 1], [0, 1], 1e-5)
    np.testing.assert_array_equal(layer.batch.moving_mean, [1.0])


def test_split_in_bfloat16():
    layer = InstanceBatchNormalization(dtype="mixed_bfloat16")
    images = tf.concat([column((256, 258)), column((256, 258))], axis=-1)
    outputs = layer(tf.cast(images, tf.bfloat16), training=True)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_array_equal(rows(outputs), [[-1, 1]])
    np.testing.assert_allclose(tf.cast(outputs, tf.float32)[0, 0, :, 1], [-1, 1])
