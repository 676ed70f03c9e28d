"""Translators: which style, or whose network, each image is asked for in."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.models.translator import CameraTranslators, Translator

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


# ------------------------------------------------------- a network for each camera


def own_network(number):
    """Stands in for the generator of one camera: marks the images that it was given."""

    def mark(inputs):
        images, domains = inputs
        assert images.shape[0] != 0
        return images + 10.0 * number + tf.reduce_sum(domains[:, :1]) * 0.0

    return mark


@pytest.fixture(params=[False, True], ids=["eager", "graph"])
def of_each(request):
    translators = [Translator(own_network(n), (0,), (8, 4)) for n in (1, 2, 3)]
    made = CameraTranslators(translators, (2, 5, 90), (8, 4))
    return tf.function(made) if request.param else made


@pytest.mark.parametrize("places", [[2, 0, 1, 0], [1, 1, 1, 1], [0, 2, 2, 0]])
def test_each_image_is_its_camera_s_network_s(of_each, places):
    given = of_each(IMAGES, tf.constant(places))
    assert given.shape == IMAGES.shape
    expected = [row + 10 * (place + 1) for row, place in enumerate(places)]
    np.testing.assert_array_equal(given[:, 0, 0, 0], expected)
    np.testing.assert_array_equal(given[:, 7, 3, 2], expected)


def test_no_images_of_any_camera(of_each):
    assert of_each(IMAGES[:0], tf.zeros((0,), tf.int32)).shape == (0, 8, 4, 3)


@pytest.mark.parametrize("place", [-1, 3, 90])
def test_a_place_that_none_of_them_has(of_each, place):
    with pytest.raises(tf.errors.InvalidArgumentError, match="among 3 cameras, found"):
        of_each(IMAGES, tf.constant([0, 1, place, 2]))


def test_networks_of_all_cameras():
    networks = [own_network(n) for n in range(3)]
    translators = [Translator(network, (0,), (8, 4)) for network in networks]
    made = CameraTranslators(translators, (2, 5, 90), (8, 4))
    assert made.networks == tuple(networks)
    assert (made.cameras, made.image_size) == ((2, 5, 90), (8, 4))
