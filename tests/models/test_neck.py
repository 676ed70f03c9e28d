"""The batch-norm neck and GeM in the re-ID network, by hand and by their parts."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import LinearHead, ReidNetwork
from tfipgan.weights.checkpoints import load_network, save_checkpoint
from tfipgan.weights.variables import named_weights

SMALL = {"depth": 18, "width": 1}
TODAY = {"last_stride": 1, "pooling": "gem", "neck": "bnneck"}
NECK = ["neck.gamma", "neck.moving_mean", "neck.moving_variance"]


def network_of(num_classes=3, size=(32, 16), **options):
    network = ReidNetwork(num_classes, **SMALL, **options)
    images = tf.zeros((1, *size, 3))
    network.extract_features(images) if num_classes is None else network(images)
    return network


@pytest.fixture
def network():
    """A neck of 8 features, of which the first two are set by hand."""
    network = network_of(2, neck="bnneck")
    scale, mean, variance = np.ones(8), np.zeros(8), np.ones(8) - 1e-5
    scale[:2], mean[:2], variance[:2] = (2, 3), (1, -1), (4 - 1e-5, 0.25 - 1e-5)
    network.neck.set_weights([scale, mean, variance])
    kernel = np.zeros((8, 2))
    kernel[:2] = [[1, 10], [100, 1000]]
    network.head.classifier.set_weights([kernel])
    return network


def rows(*firsts):
    return tf.constant([[*first, *[0.0] * 6] for first in firsts])


def test_the_neck_by_hand(network):
    features = rows((5.0, 0.0), (1.0, -2.0))
    # 2 (5 - 1) / 2 = 4 and 3 (0 + 1) / 0.5 = 6; 0 and -6.
    logits = network.classify(features)
    np.testing.assert_allclose(logits, [[604, 6040], [-600, -6000]], rtol=1e-5)
    described = network.describe(features).numpy()
    np.testing.assert_allclose(described[0, :2], np.array([4, 6]) / 52**0.5, rtol=1e-5)
    np.testing.assert_allclose(described[1, :2], [0, -1], atol=1e-6)
    assert not described[:, 2:].any()


def test_the_neck_in_training(network):
    features = rows((1.0, 0.0), (3.0, 4.0))
    unit = 1 / np.sqrt(1 + 1e-5), 2 / np.sqrt(4 + 1e-5)
    # The batch has mean (2, 2) and deviation (1, 2).
    first = -np.array([2 * unit[0], 3 * unit[1]])
    expected = [first @ [1, 100], first @ [10, 1000]]
    logits = network.classify(features, training=True)
    np.testing.assert_allclose(logits, [expected, -np.array(expected)], rtol=1e-4)
    # Decay 0.9, as the other batch norms.
    np.testing.assert_allclose(
        network.neck.moving_mean[:2], [0.9 + 0.2, -0.9 + 0.2], rtol=1e-5
    )
    np.testing.assert_allclose(
        network.describe(features, training=True).numpy()[0, :2],
        first / np.linalg.norm(first),
        rtol=1e-4,
    )


def test_calls_are_made_of_the_parts():
    network = network_of(3, **TODAY)
    network.neck.moving_mean.assign(np.linspace(-1, 1, 8))
    images = tf.random.stateless_uniform((2, 32, 16, 3), (1, 2))
    pooled = network.pool(images)
    assert pooled.dtype == tf.float32 and pooled.shape == (2, 8)
    np.testing.assert_array_equal(network(images), network.classify(pooled))
    np.testing.assert_array_equal(
        network.extract_features(images), network.describe(pooled)
    )
    after = network.neck(pooled).numpy()
    right = after / np.linalg.norm(after, axis=1, keepdims=True)
    np.testing.assert_allclose(
        network.extract_features(images), right, rtol=1e-5, atol=1e-6
    )
    # There is no dropout after a neck.
    noise = tf.zeros((2, network.fc_units))
    twin = ReidNetwork.from_config(network.get_config())
    twin(images)
    twin.set_weights(network.get_weights())
    np.testing.assert_array_equal(
        network(images, training=True, dropout_noise=noise), twin(images, training=True)
    )


def test_gem_pools_the_maps():
    network = network_of(3, pooling="gem", last_stride=1)
    images = tf.random.stateless_uniform((2, 32, 48, 3), (1, 2))
    maps = network.backbone(
        (images - tf.constant(network.mean)) / tf.constant(network.std)
    )
    maps = np.maximum(maps.numpy().astype("f8"), 1e-6)
    expected = np.cbrt((maps**3).mean((1, 2)))
    np.testing.assert_allclose(network.pool(images), expected, rtol=1e-4)


def test_which_variables_there_are():
    plain, today, bare = network_of(), network_of(**TODAY), network_of(None, **TODAY)
    kept = [name for name in named_weights(plain) if name.startswith("backbone.")]
    neck = ["pooling.p", *NECK]
    assert [*named_weights(today)] == [*kept, *neck, "head.classifier.kernel"]
    assert [*named_weights(bare)] == [*kept, *neck]
    assert today.neck.epsilon == 1e-5
    names = {id(v): name for name, v in named_weights(today).items()}

    def told(variables):
        return [names[id(variable)] for variable in variables]

    assert told(today.backbone_variables) == [
        *told(today.backbone.trainable_variables),
        "pooling.p",
    ]
    assert told(today.head_variables) == ["neck.gamma", "head.classifier.kernel"]
    for ours, before in (
        (plain.backbone_variables, plain.backbone.trainable_variables),
        (plain.head_variables, plain.head.trainable_variables),
    ):
        assert [id(v) for v in ours] == [id(v) for v in before]
    assert [id(v) for v in bare.head_variables] == [id(bare.neck.gamma)]


def test_a_network_without_classes():
    network = network_of(None, **TODAY)
    with pytest.raises(InputError, match="has no identity classifier"):
        network.classify(tf.zeros((1, 8)))
    assert ReidNetwork.from_config(network.get_config()).head is None


def test_the_classifier_starts_small_and_alike():
    head = LinearHead(500)
    head.build((None, 128))
    assert np.std(head.classifier.kernel) == pytest.approx(0.001, rel=0.02)
    assert len(head.variables) == 1


def test_the_neck_is_of_float32_in_any_precision():
    exact = network_of(3, **TODAY)
    rounded = network_of(3, **TODAY, dtype="mixed_bfloat16")
    rounded.set_weights(exact.get_weights())
    features = tf.random.stateless_normal((4, 8), (1, 2))
    np.testing.assert_array_equal(rounded.describe(features), exact.describe(features))
    # But the classifier computes in bfloat16.
    logits = rounded.classify(features)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, exact.classify(features), rtol=0.05, atol=1e-4)
    assert abs(logits - exact.classify(features)).numpy().max() > 0


@pytest.mark.parametrize("options", [TODAY, {"pooling": "gem"}, {"neck": "bnneck"}])
def test_checkpoints(options, tmp_path):
    network, other = network_of(3, **options), network_of(3, **options)
    for seed, variable in enumerate(network.variables):
        noise = np.random.default_rng(seed).uniform(0.5, 1.5, variable.shape)
        variable.assign(noise)
    path = save_checkpoint(tmp_path, 1, {"network": network})
    load_network(path, "network", other)
    for ours, theirs in zip(other.variables, network.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    told = [
        f"{name} {options[name]}, expected {default}"
        for name, default in (("pooling", "avg"), ("neck", "none"))
        if name in options
    ]
    with pytest.raises(InputError, match="; ".join(told)):
        load_network(path, "network", network_of(3))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"pooling": "max"}, "pooling is 'max', expected one of avg, gem"),
        ({"neck": None}, "neck is None, expected one of none, bnneck"),
        ({"last_stride": 3}, "last_stride is 3, expected 1 or 2"),
    ],
)
def test_unknown_options(option, expected):
    with pytest.raises(InputError, match=expected):
        ReidNetwork(3, **SMALL, **option)
