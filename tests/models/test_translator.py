"""The translator of one generator: which style each image is asked for in."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.models.translator import Translator

IMAGES = tf.reshape(tf.range(4.0), (4, 1, 1, 1)) * tf.ones((4, 8, 4, 3))


def asked_for(inputs):
    """Stands in for the generator: gives the images' first pixels and the one-hots."""
    images, domains = inputs
    return tf.concat([images[:, 0, 0, :1], domains], axis=1)


@pytest.fixture(params=[False, True], ids=["eager", "graph"])
def translator(request):
    """Function as `Translator`'s call, to cameras 2, 5 and 90."""
    made = Translator(asked_for, (2, 5, 90), (8, 4))
    return tf.function(made) if request.param else made


def test_a_place_is_the_one_hot_of_a_domain(translator):
    given = translator(IMAGES, tf.constant([2, 0, 1, 0]))
    expected = [[0, 0, 0, 1, 0], [1, 1, 0, 0, 0], [2, 0, 1, 0, 0], [3, 1, 0, 0, 0]]
    assert given.dtype == tf.float32
    np.testing.assert_array_equal(given, expected)


def test_no_images(translator):
    assert translator(IMAGES[:0], tf.zeros((0,), tf.int32)).shape == (0, 5)


# 3 is the source's own style; a one-hot of the others would be all zeros.
@pytest.mark.parametrize("place", [-1, 3, 4, 90])
def test_a_place_that_no_camera_has(translator, place):
    with pytest.raises(tf.errors.InvalidArgumentError, match="among 3 cameras, found"):
        translator(IMAGES, tf.constant([0, 1, place, 2]))


def test_what_others_read():
    translator = Translator(asked_for, (2, 5, 90), (8, 4))
    assert translator.cameras == (2, 5, 90)
    assert translator.image_size == (8, 4)
    assert translator.networks == (asked_for,)
