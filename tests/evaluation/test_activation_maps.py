"""Where a network is active: its last map, squared and summed over the channels."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.pipelines import inference_batches
from tfipgan.evaluation import activation_maps as module
from tfipgan.evaluation.activation_maps import activation_maps


class Halves:
    """A network whose map has a row for each half of the image: its red and green."""

    def __init__(self, network):
        assert network == "network"

    def last_map(self, images):
        halves = tf.stack(tf.split(images, 2, axis=1), axis=1)
        return tf.reduce_mean(halves, axis=(2, 3))[:, :, None, :2]


def test_by_hand(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "InferenceNetwork", Halves)
    samples = []
    # Squares of 255ths: 9 + 16 and 25 + 144; then the other way; then equal ones.
    for halves in (((3, 4), (5, 12)), ((5, 12), (3, 4)), ((3, 4), (4, 3))):
        image = np.zeros((4, 6, 3), np.uint8)
        image[:2, :, :2], image[2:, :, :2] = halves
        Image.fromarray(image).save(tmp_path / f"{len(samples)}.png")
        samples.append(Sample(str(tmp_path / f"{len(samples)}.png"), 1, 1))
    found = activation_maps("network", samples, (4, 6), batch_size=2)
    assert found.dtype == np.float32
    assert found[..., 0].tolist() == [[0, 1], [1, 0], pytest.approx([0, 0])]


def test_of_a_network(tiny_network, tiny_samples):
    samples = tiny_samples[0][:5]
    found = activation_maps(tiny_network, samples, (64, 32), batch_size=3)
    assert found.shape == (5, 2, 1)
    (images,) = inference_batches(samples, (64, 32), 5)
    network = tiny_network
    normalised = (images / 255.0 - np.array(network.mean)) / np.array(network.std)
    maps = network.backbone(tf.cast(normalised, tf.float32)).numpy()
    squares = (maps**2).sum(axis=-1)
    for one, expected in zip(found, squares, strict=True):
        expected = (expected - expected.min()) / (expected.max() - expected.min())
        np.testing.assert_allclose(one, expected, atol=1e-3)
        assert (one.min(), one.max()) == (0, 1)
