"""The pool of earlier images, against the same drawn row by row."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.training.image_pool import ImagePool, draw_from_pool

SIZE = 4


def pictures(values, channels=1):
    pictures = np.float32(values)[:, np.newaxis, np.newaxis, np.newaxis]
    return np.repeat(pictures, channels, axis=-1)


def drawn_row_by_row(pool, filled, images, seed):
    """What a full pool's row gets it had before the step, so no row sees another's."""
    before, after, shown = list(pool), list(pool), []
    draws = tf.random.stateless_uniform((len(pool) + len(images),), seed).numpy()
    places = np.argsort(draws[: len(pool)], kind="stable")
    for row, image in enumerate(images):
        place = filled + row
        if filled < len(pool):
            shown.append(image)
            if place < len(pool):
                after[place] = image
        elif draws[len(pool) + row] < 0.5:
            shown.append(before[places[row]])
            after[places[row]] = image
        else:
            shown.append(image)
    return shown, after, min(filled + len(images), len(pool))


def drawn(pool, filled, images, seed):
    found = draw_from_pool(pictures(pool), tf.constant(filled), pictures(images), seed)
    shown, pool, filled = found
    return shown[:, 0, 0, 0].numpy(), pool[:, 0, 0, 0].numpy(), int(filled)


@pytest.mark.parametrize("rows", [1, 3, SIZE])
def test_it_is_the_one_drawn_row_by_row(rows):
    pool, filled = np.zeros(SIZE), 0
    swapped = 0
    for step in range(20):
        images = 100.0 * (step + 1) + np.arange(rows)
        given = pool, filled, images, (5, step)
        shown, pool, filled = drawn(*given)
        right_shown, right_pool, right_filled = drawn_row_by_row(*given)
        np.testing.assert_array_equal(shown, right_shown)
        np.testing.assert_array_equal(pool, right_pool)
        assert filled == right_filled
        assert len(set(shown)) == rows
        swapped += int((shown != images).sum())
    # Half of the rows of the steps with a full pool.
    full_rows = rows * (20 - -(-SIZE // rows))
    assert 0.25 * full_rows < swapped < 0.75 * full_rows


def test_a_pool_that_fills_up_within_a_batch():
    shown, pool, filled = drawn([1, 2, 3, 0], 3, [7, 8, 9], (0, 0))
    assert list(shown) == [7, 8, 9] and list(pool) == [1, 2, 3, 7] and filled == SIZE


def test_no_pool_shows_the_images():
    images = tf.constant(pictures([1, 2], 3))
    shown = ImagePool(0, (1, 1)).show(images, (1, 2))
    np.testing.assert_array_equal(shown, images)


def test_what_is_shown_passes_no_gradient():
    images = tf.constant(pictures([1, 2], 3))
    pool = ImagePool(SIZE, (1, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(pool.show(images, (1, 2)))
    assert tape.gradient(total, images) is None


def test_its_arrays_are_all_of_it():
    first, second = ImagePool(SIZE, (1, 1)), ImagePool(SIZE, (1, 1))
    for step in range(3):
        first.show(tf.constant(pictures([step, step + 10], 3)), (0, step))
    second.set_arrays(**first.arrays())
    images = tf.constant(pictures([50, 60], 3))
    np.testing.assert_array_equal(
        first.show(images, (0, 9)), second.show(images, (0, 9))
    )
    for name, values in first.arrays().items():
        np.testing.assert_array_equal(values, second.arrays()[name])
