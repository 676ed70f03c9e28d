"""Parity with the public networks, at full size, on weights made from their names."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.losses import gradient_penalty
from tfipgan.models import Discriminator, Generator, ResNet


def assert_close(outputs, right):
    outputs = np.asarray(outputs)
    assert outputs.shape == right.shape
    assert abs(outputs - right).max() <= 1e-4 * abs(right).max()


def test_generator(golden):
    arrays, load = golden("stargan_generator")
    generator = Generator(num_domains=9)
    inputs = arrays["image"], arrays["label"]
    generator(inputs)
    load(generator)
    assert_close(generator(inputs), arrays["output"])


def test_discriminator(golden):
    arrays, load = golden("stargan_discriminator")
    discriminator = Discriminator(num_domains=9)
    images = tf.constant(arrays["image"])
    discriminator(images)
    load(discriminator)
    with tf.GradientTape() as tape:
        tape.watch(images)
        source_map, domain_logits = discriminator(images)
    assert_close(source_map, arrays["source"])
    assert_close(domain_logits, arrays["domain_logits"])
    penalty = gradient_penalty(tape.gradient(source_map, images))
    assert_close(penalty, arrays["gradient_penalty"])


@pytest.mark.parametrize(
    ("name", "ibn"),
    [("resnet50", None), ("resnet50_ibn_a", "a"), ("resnet50_ibn_b", "b")],
)
def test_resnet(golden, name, ibn):
    arrays, load = golden(name)
    network = ResNet(50, ibn)
    network(np.zeros((1, 32, 32, 3), np.float32))
    load(network)
    maps = network(arrays["image"])
    assert maps.shape == (2, 8, 4, 2048)
    assert_close(tf.reduce_mean(maps, axis=(1, 2)), arrays["pooled"])
