import numpy as np
import pytest
import tensorflow as tf

from tfipgan.models import ReidHead, ReidNetwork
from tfipgan.models.reid import IMAGENET_MEAN, IMAGENET_STD
from tfipgan.weights.variables import named_weights


def uniform(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).random(shape), tf.float32)


@pytest.fixture(scope="module")
def network():
    network = ReidNetwork(5, depth=18, width=4, fc_units=8)
    network(tf.zeros((1, 32, 16, 3)))
    # Statistics that are neither the start's nor this batch's.
    for seed, variable in enumerate(network.variables):
        if "moving" in variable.name:
            noise = np.random.default_rng(seed).uniform(-0.5, 0.5, variable.shape)
            variable.assign(noise if "mean" in variable.name else 1 + noise)
    return network


@pytest.fixture
def head():
    """Two units and two classes: relu(x) scaled by the normalisation, then summed."""
    head = ReidHead(2, fc_units=2, dropout=0.5)
    head.build((None, 2))
    head.embedding.set_weights([np.eye(2), np.zeros(2)])
    head.classifier.set_weights([np.array([[1, 10], [2, 20]]), np.array([0.0, 1.0])])
    head.norm.set_weights([np.ones(2), np.zeros(2), np.zeros(2), np.ones(2) - 1e-5])
    return head


def test_head_by_hand(head):
    logits = head(tf.constant([[1.0, 3.0], [-1.0, 0.5]]))
    np.testing.assert_allclose(logits, [[7, 71], [1, 11]], rtol=1e-5)


def test_dropout_keeps_where_the_noise_is_large(head):
    features = tf.constant([[1.0, -1.0], [-1.0, 1.0]])
    # The batch normalises to +-1 and the ReLU leaves one unit of each row.
    np.testing.assert_allclose(head(features, training=True), [[1, 11], [2, 21]], 1e-4)
    noise = tf.constant([[0.5, 0.0], [0.9, 0.4999]])
    dropped = head(features, training=True, dropout_noise=noise)
    np.testing.assert_allclose(dropped, [[2, 21], [0, 1]], rtol=1e-4)


def test_no_dropout_in_inference_or_at_rate_0(head):
    features = tf.constant([[1.0, 3.0]])
    noise = tf.zeros((1, 2))
    np.testing.assert_array_equal(head(features, dropout_noise=noise), head(features))
    head.dropout = 0.0
    right = head(features, training=True)
    np.testing.assert_array_equal(
        head(features, training=True, dropout_noise=noise), right
    )


def test_head_starts_as_camstyles():
    head = ReidHead(500, fc_units=256)
    head.build((None, 128))
    # He's normal by the fan out; and all identities as good as equal.
    assert np.std(head.embedding.kernel) == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    assert np.std(head.classifier.kernel) == pytest.approx(0.001, rel=0.02)
    assert not head.embedding.bias.numpy().any()


def test_shapes(network):
    images = uniform(3, 64, 32, 3)
    assert network(images).shape == (3, 5)
    assert network.pool(images).shape == (3, 32)
    assert network.extract_features(images).shape == (3, 32)
    assert network(images).dtype == network.extract_features(images).dtype == tf.float32


def test_descriptor_is_pool5_of_unit_length(network):
    images = uniform(3, 32, 16, 3)
    pooled = network.pool(images).numpy()
    np.testing.assert_allclose(
        np.linalg.norm(network.extract_features(images), axis=1), 1, 1e-5
    )
    right = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(
        network.extract_features(images), right, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("mean", "std"), [(IMAGENET_MEAN, IMAGENET_STD), ((0.1, 0.2, 0.3), (0.9, 0.5, 0.4))]
)
def test_images_are_normalised_inside(network, mean, std):
    other = ReidNetwork(5, depth=18, width=4, fc_units=8, mean=mean, std=std)
    other(tf.zeros((1, 32, 16, 3)))
    other.set_weights(network.get_weights())
    images = uniform(2, 32, 16, 3)
    maps = other.backbone((images.numpy() - np.array(mean)) / np.array(std))
    right = np.mean(maps, axis=(1, 2))
    np.testing.assert_allclose(other.pool(images), right, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other(images), other.head(right), rtol=1e-4, atol=1e-5)


def test_training_is_passed_on_to_all_parts(network):
    named = named_weights(network)
    before = {name: variable.numpy() for name, variable in named.items()}
    images, noise = uniform(4, 32, 16, 3), uniform(4, 8)
    start = network(images).numpy()
    network(images, training=True, dropout_noise=noise)
    moved = {
        name.split(".")[0]
        for name, variable in named.items()
        if (variable.numpy() != before[name]).any()
    }
    for name, variable in named.items():
        variable.assign(before[name])
    assert moved == {"backbone", "head"}
    np.testing.assert_array_equal(network(images), start)
