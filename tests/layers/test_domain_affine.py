"""Scales and shifts of domains, against values worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.layers import DomainAffine


def layer_of(scale, shift):
    layer = DomainAffine(len(scale))
    layer.build(((None, 1, 1, len(scale[0])), (None, len(scale))))
    layer.gamma.assign(scale)
    layer.beta.assign(shift)
    return layer


def test_each_image_has_its_domains_values():
    layer = layer_of([[0, 1], [-0.5, 2]], [[0, 10], [1, -1]])
    x = tf.constant([[[[3.0, 4.0]]], [[[3.0, 4.0]]]])
    found = layer((x, tf.one_hot([0, 1], 2)))
    # 3 x 1 + 0 and 4 x 2 + 10; 3 x 0.5 + 1 and 4 x 3 - 1
    np.testing.assert_array_equal(found, [[[[3, 18]]], [[[2.5, 11]]]])


def test_it_starts_as_no_change():
    layer = DomainAffine(3)
    x = tf.random.stateless_normal((2, 3, 4, 5), (1, 2))
    np.testing.assert_array_equal(layer((x, tf.one_hot([0, 2], 3))), x)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_values_stay_float32_where_maps_are_smaller(dtype):
    layer = layer_of([[0.25]], [[0.5]])
    found = layer((tf.ones((1, 1, 1, 1), dtype), tf.one_hot([0], 1)))
    assert found.dtype == dtype and layer.gamma.dtype == "float32"
    assert float(found[0, 0, 0, 0]) == 1.75


def test_a_mixture_of_domains_has_the_mean_of_their_values():
    layer = layer_of([[0.0], [1.0]], [[2.0], [4.0]])
    found = layer((tf.ones((1, 1, 1, 1)), tf.constant([[0.5, 0.5]])))
    assert float(found[0, 0, 0, 0]) == 4.5
