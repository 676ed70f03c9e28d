"""SPGAN's SiaNet: its layers, its dropout, the sizes that it takes."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import SiameseNetwork
from tfipgan.models.siamese import HIDDEN_UNITS
from tfipgan.weights.variables import named_weights


def test_layers_of_spgans():
    """At 256x128 what is flattened has 2048 values (SPGAN's public code)."""
    network = SiameseNetwork((256, 128))
    assert network(tf.zeros((1, 256, 128, 3))).shape == (1, 64)
    kernels = [
        tuple(variable.shape)
        for name, variable in named_weights(network).items()
        if name.endswith("kernel")
    ]
    assert kernels == [
        (4, 4, 3, 64), (4, 4, 64, 128), (4, 4, 128, 256), (2048, 128), (128, 64),
    ]  # fmt: skip


def test_it_is_the_one_written_out():
    network = SiameseNetwork((16, 16), width=2, num_layers=2)
    images = tf.random.stateless_uniform((3, 16, 16, 3), (1, 2), -1, 1)
    noise = tf.random.stateless_uniform((3, HIDDEN_UNITS), (3, 4))
    found = network(images, dropout_noise=noise)

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    x = images.numpy()
    for convolution in network.convolutions:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = tf.nn.conv2d(padded, convolution.kernel, 2, "VALID").numpy()
        x = leaky(x + convolution.bias.numpy())
        rows, height, width, channels = x.shape
        x = x.reshape(rows, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
    weights = [w.numpy() for w in (*network.hidden.weights, *network.embedding.weights)]
    x = leaky(x.reshape(3, -1) @ weights[0] + weights[1])
    x = np.where(noise >= 0.5, 2.0 * x, 0.0)
    x = x @ weights[2] + weights[3]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)
    assert np.abs(found - network(images)).max() > 1e-3


@pytest.mark.parametrize("size", [(64, 32), (32, 64)])
def test_a_size_of_which_nothing_is_left(size):
    line = "image size .*too small for 3 blocks of the SiaNet.*use 64 or more, or chan"
    with pytest.raises(InputError, match=line):
        SiameseNetwork(size)
    assert SiameseNetwork(size, num_layers=2).num_layers == 2
