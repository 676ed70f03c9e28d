import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import PatchDiscriminator
from tfipgan.weights.variables import named_weights


def test_layers_of_cyclegans():
    """C64-C128-C256-C512 and the map, as Zhu et al. (2017), section 7.2, has it."""
    network = PatchDiscriminator((128, 64), width=8)
    assert network(tf.zeros((1, 128, 64, 3))).shape == (1, 14, 6, 1)
    shapes = {
        name: tuple(v.shape)
        for name, v in named_weights(network).items()
        if name.endswith("kernel")
    }
    assert list(shapes.values()) == [
        (4, 4, 3, 8),
        (4, 4, 8, 16),
        (4, 4, 16, 32),
        (4, 4, 32, 64),
        (4, 4, 64, 1),
    ]


def test_a_score_sees_70_pixels():
    """What lies further off makes no difference but by the normalisations' means."""
    network = PatchDiscriminator((128, 128), width=4)
    for norm in network.norms:
        norm.call = lambda x, **_: x
    images = tf.Variable(tf.random.stateless_uniform((1, 128, 128, 3), (1, 2)))
    with tf.GradientTape() as tape:
        score = network(images)[0, 7, 7, 0]
    rows = np.flatnonzero(np.abs(tape.gradient(score, images)).sum(axis=(0, 2, 3)))
    assert rows[-1] - rows[0] + 1 == 70


def test_a_size_of_which_nothing_is_left():
    with pytest.raises(InputError, match="image size 16x32 .* use 24 or more"):
        PatchDiscriminator((16, 32))
