"""Augmentation: the limits of the crop, what happens where none fits, and the flip."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.augment import CROP_ASPECT, random_flip, random_sized_crop

HEIGHT, WIDTH = 128, 64


def positions(height, width):
    """An image whose red is the row and green the column."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return tf.constant(np.stack([rows, columns, np.zeros_like(rows)], axis=-1))


def crop_box(image, seed):
    """(top, left, height, width) of the crop, read off the cropped image.

    Resized to its own number of pixels or more, the crop's first and last pixels stay.
    """
    cropped = random_sized_crop(image, (512, 256), (seed, 1)).numpy()
    (top, left, _), (bottom, right, _) = cropped[0, 0], cropped[-1, -1]
    return tuple(
        round(float(v)) for v in (top, left, bottom - top + 1, right - left + 1)
    )


def test_crops_stay_within_their_limits():
    image = positions(HEIGHT, WIDTH)
    boxes = np.array([crop_box(image, seed) for seed in range(200)])
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (top + height <= HEIGHT).all()
    assert (left >= 0).all() and (left + width <= WIDTH).all()
    # Sides are rounded to whole pixels.
    area = height * width / (HEIGHT * WIDTH)
    assert 0.62 < area.min() < 0.68 and 0.93 < area.max() <= 1.0
    aspect = height / width
    assert CROP_ASPECT[0] - 0.05 < aspect.min() < 2.1
    assert 2.7 < aspect.max() < CROP_ASPECT[1] + 0.08
    # A crop lies anywhere that it fits.
    assert top.min() == left.min() == 0
    assert (top + height).max() == HEIGHT and (left + width).max() == WIDTH
    assert len(np.unique(boxes, axis=0)) > 150


@pytest.mark.parametrize("size", [(10, 200), (3, 3)])
def test_the_whole_image_where_no_shape_fits(size):
    image = tf.random.stateless_uniform((*size, 3), (0, 1)) * 255
    expected = tf.image.resize(image, (20, 8))
    for seed in range(5):
        got = random_sized_crop(image, (20, 8), (seed, 0))
        assert got.shape == (20, 8, 3)
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_crop_is_resized_to_what_was_asked_for():
    image = tf.fill((50, 30, 3), 7.0)
    cropped = random_sized_crop(image, (33, 11), (0, 0))
    assert cropped.dtype == tf.float32
    np.testing.assert_allclose(cropped, np.full((33, 11, 3), 7.0), rtol=1e-6)


def test_later_attempts_are_taken_where_the_first_does_not_fit():
    # About a fifth of the shapes fit: one attempt would leave 40 of 50 images whole,
    # ten leave about 5.
    image = positions(HEIGHT, 74)
    whole = [crop_box(image, seed) == (0, 0, HEIGHT, 74) for seed in range(50)]
    assert sum(whole) <= 12


def test_seeds_decide():
    image = positions(HEIGHT, WIDTH)
    assert crop_box(image, 3) == crop_box(image, 3) != crop_box(image, 4)


def test_flip_mirrors_half_of_the_images():
    image = positions(2, 3)
    flipped = 0
    for seed in range(100):
        got = random_flip(image, (seed, 0)).numpy()
        if (got == image.numpy()[:, ::-1]).all():
            flipped += 1
        else:
            np.testing.assert_array_equal(got, image)
    assert 35 <= flipped <= 65
