"""Generalised-mean pooling against values worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.layers import GeneralizedMeanPooling


def pooled(maps, p=None):
    layer = GeneralizedMeanPooling()
    maps = tf.constant(maps)
    layer.build(maps.shape)
    if p is not None:
        layer.p.assign([p])
    return layer(maps)


def maps_of(*values):
    """One image of one channel, two rows of pixels."""
    return np.array(values, np.float32).reshape(1, 2, -1, 1)


def test_p_begins_at_3():
    # (1 + 8 + 27 + 64) / 4 = 25
    np.testing.assert_allclose(pooled(maps_of(1, 2, 3, 4)), [[25 ** (1 / 3)]], 1e-6)


def test_channels_and_images_stay_apart():
    maps = np.array([[[[1, 10], [3, 10]]], [[[0, 2], [2, 2]]]], np.float32)
    # Mean cubes: 14 and 1000; 4 and 8.
    expected = np.cbrt([[14, 1000], [4, 8]])
    np.testing.assert_allclose(pooled(maps), expected, rtol=1e-6)


def test_p_of_1_is_the_mean():
    maps = np.random.default_rng(0).random((3, 4, 2, 5), np.float32)
    np.testing.assert_allclose(pooled(maps, 1.0), maps.mean((1, 2)), rtol=1e-6)


@pytest.mark.parametrize(("p", "tolerance"), [(30.0, 0.05), (500.0, 0.003)])
def test_a_large_p_is_near_the_maximum(p, tolerance):
    # Powers that float32 can't hold: 1e3 ** 500, 1e-3 ** 30.
    for scale in (1e3, 1.0, 1e-3):
        maps = scale * np.random.default_rng(0).uniform(0.5, 1, (2, 2, 2, 3))
        largest = maps.max((1, 2))
        got = pooled(maps.astype("f4"), p).numpy()
        assert (got < largest).all() and (got > (1 - tolerance) * largest).all()


def test_values_below_a_millionth_count_as_one():
    np.testing.assert_allclose(pooled(maps_of(-1, 0, 1e-7, 1e-6)), [[1e-6]], rtol=1e-5)


def test_gradients_by_hand():
    layer = GeneralizedMeanPooling()
    layer.build((1, 2, 2, 1))
    maps = tf.constant(maps_of(1, 2, 3, 4))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps)
    to_maps, to_p = tape.gradient(outputs, [maps, layer.p])
    # d/dx of m^(1/3), m = 25: x^2 / 4 m^(-2/3).
    x = np.array([1.0, 2.0, 3.0, 4.0])
    expected = x**2 / 4 * 25 ** (-2 / 3)
    np.testing.assert_allclose(to_maps.numpy().ravel(), expected, rtol=1e-5)
    # d/dp of exp(log(m) / p): y (m' / (p m) - log(m) / p^2), m' the mean of x^p log x.
    slope = np.mean(x**3 * np.log(x))
    expected = 25 ** (1 / 3) * (slope / 75 - np.log(25) / 9)
    np.testing.assert_allclose(to_p, [expected], rtol=1e-4)


@pytest.mark.parametrize("p", [1.0, 3.0, 8.0])
def test_gradients_of_a_map_of_zeros_are_finite(p):
    layer = GeneralizedMeanPooling()
    layer.build((2, 2, 2, 3))
    layer.p.assign([p])
    with tf.GradientTape() as tape:
        maps = tf.zeros((2, 2, 2, 3))
        tape.watch(maps)
        outputs = layer(maps)
    for gradient in tape.gradient(outputs, [maps, layer.p]):
        assert np.isfinite(gradient).all()


@pytest.fixture
def mixed_precision():
    kept = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy(kept)


def test_it_computes_in_float32(mixed_precision):
    # bfloat16 has 8 bits: cubes of its numbers are not among them, nor is this p.
    pixels = np.array([1.5, 2.5, 3.25, 4.75])
    maps = tf.cast(maps_of(*pixels), tf.bfloat16)
    outputs = pooled(maps, 3.001)
    assert outputs.dtype == tf.float32
    expected = np.mean(pixels**3.001) ** (1 / 3.001)
    np.testing.assert_allclose(outputs, [[expected]], rtol=1e-6)
