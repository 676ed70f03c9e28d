import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import InstanceBatchNormalization, InstanceNormalization
from tfipgan.models import ResNet
from tfipgan.weights.variables import named_weights


def layers_of(network, kind):
    """Names of the blocks (or the stem) that hold a layer of this very class."""
    places = {"stem": [network.stem_norm]}
    for unit in network.blocks:
        norms = [*unit.norms, unit.projection_norm, unit.output_norm]
        places[unit.name] = [norm for norm in norms if norm is not None]
    return [
        name for name, norms in places.items() for norm in norms if type(norm) is kind
    ]


# torchvision's counts, without its 1000-class classifier
@pytest.mark.parametrize(
    ("depth", "count", "num_convolutions"),
    [
        (18, 11_176_512, 17 + 3),
        (34, 21_284_672, 33 + 3),
        (50, 23_508_032, 49 + 4),
        (101, 42_500_160, 100 + 4),
    ],
)
def test_number_of_parameters(monkeypatch, depth, count, num_convolutions):
    # Drawing a hundred million numbers would take longer than everything else here.
    zeros = keras.initializers.Zeros()
    monkeypatch.setattr(keras.initializers, "VarianceScaling", lambda *_: zeros)
    network = ResNet(depth)
    network(tf.zeros((1, 32, 32, 3)))
    shapes = [tuple(variable.shape) for variable in network.trainable_variables]
    assert sum(math.prod(shape) for shape in shapes) == count
    assert sum(len(shape) == 4 for shape in shapes) == num_convolutions


@pytest.mark.parametrize(
    ("depth", "features", "size", "map_size"),
    [
        (18, 32, (70, 33), (3, 2)),
        (18, 32, (32, 32), (1, 1)),
        (50, 128, (64, 32), (2, 1)),
    ],
)
def test_shape(depth, features, size, map_size):
    network = ResNet(depth, width=4)
    maps = network(tf.random.stateless_normal((2, *size, 3), (1, 2)))
    assert maps.shape == (2, *map_size, features)
    assert network.feature_size == features
    assert np.min(maps) == 0  # after a ReLU


@pytest.mark.parametrize(("stride_first", "place"), [(False, 1), (True, 0)])
def test_where_a_bottleneck_has_its_stride(stride_first, place):
    network = ResNet(50, width=4, stride_first=stride_first)
    for unit in network.blocks:
        strides = [convolution.strides for convolution in unit.convolutions]
        first_of_stack = unit.name in (
            "stack2_block0",
            "stack3_block0",
            "stack4_block0",
        )
        assert strides.pop(place) == (2 if first_of_stack else 1)
        assert strides == [1, 1]
    maps = network(tf.random.stateless_normal((1, 64, 32, 3), (1, 2)))
    assert maps.shape == (1, 2, 1, 128)


def test_unknown_size_in_a_function():
    network = ResNet(18, "b", width=4)
    network(tf.zeros((1, 32, 32, 3)))
    function = tf.function(
        network, input_signature=[tf.TensorSpec((None, None, None, 3))]
    )
    images = tf.random.stateless_normal((2, 64, 32, 3), (1, 2))
    np.testing.assert_allclose(function(images), network(images), atol=1e-4)


def test_ibn_b_has_three_instance_normalisations():
    network = ResNet(50, "b", width=4)
    places = layers_of(network, InstanceNormalization)
    assert places == ["stem", "stack1_block2", "stack2_block3"]
    assert not layers_of(network, InstanceBatchNormalization)
    for unit in network.blocks:
        assert (unit.output_norm is not None) == (unit.name in places)


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2)), (50, (3, 4, 6))])
def test_ibn_a_splits_in_all_stacks_but_the_last(depth, blocks):
    network = ResNet(depth, "a", width=4)
    assert layers_of(network, InstanceBatchNormalization) == [
        f"stack{stack}_block{block}"
        for stack, count in enumerate(blocks, 1)
        for block in range(count)
    ]
    assert not layers_of(network, InstanceNormalization)
    for unit in network.blocks[: sum(blocks)]:
        assert type(unit.norms[0]) is InstanceBatchNormalization


def test_plain_has_none():
    network = ResNet(18, width=4)
    assert not layers_of(network, InstanceNormalization)
    assert not layers_of(network, InstanceBatchNormalization)


def test_only_training_moves_the_statistics():
    network = ResNet(18, width=4)
    images = tf.random.stateless_normal((2, 32, 32, 3), (1, 2))
    before = network(images).numpy()
    named = named_weights(network)
    start = {name: variable.numpy() for name, variable in named.items()}
    np.testing.assert_array_equal(network(images, training=False), before)
    for name, variable in named.items():
        np.testing.assert_array_equal(variable, start[name])
    assert np.abs(network(images, training=True) - before).max() > 0.1
    moved = [
        name
        for name, variable in named.items()
        if (variable.numpy() != start[name]).any()
    ]
    assert len(moved) == 2 * (1 + 8 * 2 + 3)
    assert all(".moving_" in name for name in moved)


@pytest.mark.parametrize("depth", [152, "50", None])
def test_unknown_depth(depth):
    with pytest.raises(
        InputError, match=r"depth is .*, known depths are \[18, 34, 50,"
    ):
        ResNet(depth)


@pytest.mark.parametrize("ibn", ["c", "ab", "none"])
def test_unknown_ibn(ibn):
    with pytest.raises(InputError, match=f'ibn is {ibn!r}, expected None, "a" or "b"'):
        ResNet(18, ibn)
