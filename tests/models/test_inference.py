"""The inference form answers what the network answers, whatever its norms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.models import ReidNetwork
from tfipgan.models.inference import InferenceNetwork

SHAPE = (64, 32, 3)


def network_of(depth=18, ibn=None, stride_first=False, width=3, **options):
    """A network whose every weight and statistic is drawn, none left as it begins."""
    network = ReidNetwork(
        None,
        depth,
        ibn,
        width,
        mean=(0.4, 0.5, 0.6),
        stride_first=stride_first,
        **options,
    )
    network.extract_features(tf.zeros((1, *SHAPE)))
    rng = np.random.default_rng(5)
    for variable in network.variables:
        values = rng.standard_normal(variable.shape)
        if len(variable.shape) == 1:
            values = 1 + 0.3 * values.clip(-2, 2)
        else:
            values /= np.prod(variable.shape[:-1]) ** 0.5
        variable.assign(values.astype("f4"))
    if network.pooling is not None:
        network.pooling.p.assign([2.5])
    return network


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(6).random((3, *SHAPE), np.float32)


def assert_same(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == np.float32 and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * abs(expected).max())


# Blocks of two 3x3 convolutions have their stride in one place only.
@pytest.mark.parametrize(
    ("depth", "ibn", "stride_first"),
    [
        (18, None, False),
        (18, "a", False),
        (18, "b", False),
        (50, None, True),
        (50, "a", True),
        (50, "b", False),
    ],
)
def test_the_same_numbers(images, depth, ibn, stride_first):
    network = network_of(depth, ibn, stride_first)
    module = InferenceNetwork(network)
    expected = network.extract_features(images).numpy()
    assert_same(module(images), expected)
    # The images are told apart, so the numbers say something.
    assert abs(expected[0] - expected[1]).max() > 1e-2 * abs(expected).max()
    mean, std = np.float32(network.mean), np.float32(network.std)
    assert_same(module.last_map(images), network.backbone((images - mean) / std))


# Every choice of the three, and each of them with every kind of block.
@pytest.mark.parametrize(
    ("depth", "ibn", "stride_first", "last_stride", "pooling", "neck"),
    [
        (18, None, False, 1, "gem", "bnneck"),
        (18, None, False, 2, "avg", "bnneck"),
        (18, "a", False, 1, "avg", "none"),
        (18, "a", False, 2, "gem", "bnneck"),
        (18, "b", False, 1, "avg", "bnneck"),
        (18, "b", False, 2, "gem", "none"),
        (50, None, True, 1, "gem", "none"),
    ],
)
def test_the_options_of_today(
    images, depth, ibn, stride_first, last_stride, pooling, neck
):
    options = {"last_stride": last_stride, "pooling": pooling, "neck": neck}
    network = network_of(depth, ibn, stride_first, **options)
    expected = network.extract_features(images).numpy()
    assert_same(InferenceNetwork(network)(images), expected)
    assert abs(expected[0] - expected[1]).max() > 1e-2 * abs(expected).max()
    # Each option makes another network of the same weights.
    plain = network_of(depth, ibn, stride_first)
    plain.backbone.set_weights(network.backbone.get_weights())
    assert abs(plain.extract_features(images).numpy() - expected).max() > 1e-3


def test_no_batch_norm_is_left():
    convolutions = 1 + 16 * 3 + 4
    module = InferenceNetwork(network_of(50, "b"))
    graph = tf.function(module).get_concrete_function(tf.TensorSpec((None, *SHAPE)))
    kinds = [operation.type for operation in graph.graph.get_operations()]
    assert kinds.count("Conv2D") == kinds.count("BiasAdd") == convolutions
    assert not any("BatchNorm" in kind for kind in kinds)
    # A kernel and a bias each; three instance norms with a scale and a shift.
    assert len(graph.variables) == 2 * convolutions + 3 * 2


def test_its_weights_are_its_own(images):
    network = network_of(18, "a")
    expected = network.extract_features(images).numpy()
    module = InferenceNetwork(network)
    for variable in network.variables:
        variable.assign(variable + 1.0)
    assert abs(network.extract_features(images).numpy() - expected).max() > 1e-3
    assert_same(module(images), expected)


def test_a_network_of_less_precision_answers_in_float32(images):
    exact = network_of(18, "b")
    kept = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        module = InferenceNetwork(network_of(18, "b"))
        assert_same(module(images), exact.extract_features(images))
    finally:
        keras.mixed_precision.set_global_policy(kept)


@pytest.mark.parametrize(
    "options",
    [
        {"ibn": "a"},
        {"ibn": "b"},
        {"last_stride": 1, "pooling": "gem", "neck": "bnneck"},
    ],
)
def test_it_can_be_saved_and_answers_batches_of_any_size(images, options, tmp_path):
    module = InferenceNetwork(network_of(18, **options))
    wrapped = tf.Module()
    wrapped.network = module
    spec = tf.TensorSpec((None, *SHAPE), tf.float32)
    wrapped.extract_features = tf.function(module, input_signature=[spec])
    tf.saved_model.save(wrapped, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    expected = module(images).numpy()
    assert_same(loaded.extract_features(images), expected)
    assert_same(loaded.extract_features(images[:1]), expected[:1])


@pytest.mark.parametrize(
    ("ibn", "options"),
    [
        (None, {"last_stride": 1, "pooling": "gem", "neck": "bnneck"}),
        ("a", {}),
        ("b", {"neck": "bnneck"}),
    ],
)
def test_it_takes_other_weights_into_its_graph(images, ibn, options):
    module = InferenceNetwork(network_of(18, ibn, **options))
    graph = tf.function(module)
    before = graph(images).numpy()
    other = network_of(18, ibn, **options)
    rng = np.random.default_rng(1)
    # All of them, so that one that is left behind is seen.
    for variable in other.variables:
        variable.assign(variable * rng.uniform(0.8, 1.2, variable.shape).astype("f4"))
    module.take_weights(other)
    assert abs(graph(images).numpy() - before).max() > 1e-3
    np.testing.assert_array_equal(
        graph(images), tf.function(InferenceNetwork(other))(images)
    )
