import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Discriminator


@pytest.mark.parametrize(
    ("image_size", "num_layers", "map_size"),
    [((128, 64), 6, (2, 1)), ((64, 32), 5, (2, 1)), ((32, 32), 2, (8, 8))],
)
def test_shapes(image_size, num_layers, map_size):
    discriminator = Discriminator(5, image_size, width=2, num_layers=num_layers)
    source_map, logits = discriminator(
        tf.random.stateless_normal((3, *image_size, 3), (1, 2))
    )
    assert source_map.shape == (3, *map_size, 1)
    assert logits.shape == (3, 5)
    assert source_map.dtype == logits.dtype == tf.float32
    assert tuple(discriminator.to_domain.kernel.shape[:2]) == map_size
    widths = [layer.filters for layer in discriminator.down]
    assert widths == [2 * 2**i for i in range(num_layers)]


def test_scores_and_logits_are_linear_in_the_last_map():
    discriminator = Discriminator(3, (8, 4), width=2, num_layers=2)
    images = tf.random.stateless_normal((2, 8, 4, 3), (1, 2))
    source_map, logits = discriminator(images)
    x = images
    for layer in discriminator.down:
        x = layer(x)
        x = tf.where(x > 0, x, 0.01 * x)
    # One number for each domain: the whole 2x1 map, weighted.
    right = tf.einsum("bhwc,hwcd->bd", x, discriminator.to_domain.kernel.numpy())
    np.testing.assert_allclose(logits, right, rtol=1e-4, atol=1e-6)
    kernel = discriminator.to_source.kernel.numpy()
    top = x[:, 0, 0] @ kernel[1, 1] + x[:, 1, 0] @ kernel[2, 1]
    np.testing.assert_allclose(source_map[:, 0, 0], top, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("image_size", [(128, 60), (63, 64), (32, 32), (0, 64)])
def test_size_that_cannot_be_halved(image_size):
    message = (
        f"image size {image_size[0]}x{image_size[1]} .*6 times: use 64 or more, or"
    )
    with pytest.raises(InputError, match=message):
        Discriminator(3, image_size)


def test_what_a_halving_leaves_over_is_not_seen():
    discriminator = Discriminator(3, (14, 9), width=2, num_layers=2)
    images = tf.random.stateless_normal((2, 14, 9, 3), (1, 2))
    source_map, logits = discriminator(images)
    assert source_map.shape == (2, 3, 2, 1) and logits.shape == (2, 3)
    assert discriminator.to_domain.kernel.shape[:2] == (3, 2)


def test_images_of_another_size():
    discriminator = Discriminator(3, (16, 8), width=2, num_layers=2)
    message = "images are 8x16, this discriminator takes 16x8 .height x width."
    with pytest.raises(InputError, match=message):
        discriminator(tf.zeros((1, 8, 16, 3)))
