"""Parity with the public networks on weights made from their names and shapes.

tests/golden/README.md says which networks they are.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.losses import gradient_penalty
from tfipgan.models import Discriminator, Generator, ResNet
from tfipgan.weights import load_pytorch_state_dict


def assert_close(outputs, right):
    outputs = np.asarray(outputs)
    assert outputs.shape == right.shape
    assert abs(outputs - right).max() <= 1e-4 * abs(right).max()


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("stargan_generator", {"num_domains": 9}),
        ("stargan_generator_small", {"num_domains": 3, "width": 8, "num_blocks": 2}),
    ],
)
def test_generator(golden, name, sizes):
    arrays, state = golden(name)
    generator = Generator(**sizes)
    load_pytorch_state_dict(generator, state)
    assert_close(generator((arrays["image"], arrays["label"])), arrays["output"])


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("stargan_discriminator", {"num_domains": 9}),
        (
            "stargan_discriminator_small",
            {"num_domains": 4, "image_size": (48, 32), "width": 8, "num_layers": 4},
        ),
    ],
)
def test_discriminator(golden, name, sizes):
    arrays, state = golden(name)
    discriminator = Discriminator(**sizes)
    load_pytorch_state_dict(discriminator, state)
    images = tf.constant(arrays["image"])
    with tf.GradientTape() as tape:
        tape.watch(images)
        source_map, domain_logits = discriminator(images)
    assert_close(source_map, arrays["source"])
    assert_close(domain_logits, arrays["domain_logits"])
    penalty = gradient_penalty(tape.gradient(source_map, images))
    assert_close(penalty, arrays["gradient_penalty"])


@pytest.mark.parametrize(
    ("name", "depth", "ibn", "classifier"),
    [
        ("resnet50", 50, None, "classifier."),
        ("resnet50_ibn_a", 50, "a", "fc."),
        ("resnet50_ibn_b", 50, "b", "fc."),
        ("resnet18_ibn_a", 18, "a", "fc."),
        ("resnet34_ibn_b", 34, "b", "fc."),
        ("resnet101", 101, None, "fc."),
    ],
)
def test_resnet(golden, name, depth, ibn, classifier):
    arrays, state = golden(name)
    network = ResNet(depth, ibn)
    load_pytorch_state_dict(network, state, ignore=(classifier,))
    stack2 = next(unit for unit in network.blocks if unit.name == "stack2_block0")
    inputs = inputs_seen_by(stack2)
    maps = network(arrays["image"])
    assert_close(tf.reduce_mean(maps, axis=(1, 2)), arrays["pooled"])
    if "layer1_mean" in arrays:
        assert_close(tf.reduce_mean(inputs[0], axis=(1, 2)), arrays["layer1_mean"])


def inputs_seen_by(layer):
    """Return a list that takes what the layer is given from now on."""
    seen, call = [], layer.call

    def keep_and_call(inputs, training=False):
        seen.append(inputs)
        return call(inputs, training=training)

    layer.call = keep_and_call
    return seen
