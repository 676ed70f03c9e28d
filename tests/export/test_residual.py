"""The served graph of a residual generator: values outside of [-1, 1] are no NaN."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.export.modules import translator_signatures
from tfipgan.models import Generator
from tfipgan.models.translator import Translator


@pytest.mark.parametrize(
    ("upsampling", "conditioning"),
    [("transposed", "planes"), ("resize", "normalization")],
)
def test_an_image_outside_of_the_range(tmp_path, upsampling, conditioning):
    """Saved and loaded as a server does; it answers as the generator does in Python."""
    generator = Generator(3, 4, 1, True, upsampling, conditioning, name="generator")
    generator((tf.zeros((1, 8, 4, 3)), tf.zeros((1, 3))))
    kernel = generator.to_residual.kernel
    kernel.assign(tf.random.stateless_uniform(kernel.shape, (1, 2), -0.1, 0.1))
    module = tf.Module()
    module.generator = generator
    signatures = translator_signatures(Translator(generator, (1, 2), (8, 4)))
    tf.saved_model.save(module, tmp_path, signatures)
    served = tf.saved_model.load(tmp_path).signatures["tensor"]
    for far in (1.5, -1.5, 1e30, 0.5):
        images = tf.fill((1, 8, 4, 3), far)
        found = served(images=images, camera=tf.constant([2]))["images"]
        assert np.isfinite(found).all() and np.abs(found).max() <= 1
        expected = generator((tf.clip_by_value(images, -1, 1), tf.one_hot([1], 3)))
        if abs(far) <= 1:
            np.testing.assert_allclose(found, expected, atol=1e-5)
