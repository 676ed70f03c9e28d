"""Orders of an epoch's rows: whole passes, and two orders side by side."""

from collections import Counter

import numpy as np
import pytest

from tfipgan.data.epoch_order import EpochOrder, shuffled_passes, side_by_side


def test_passes_show_every_image_equally_often():
    order = shuffled_passes(5, 4, 6, epoch=0, seed=3)  # 24 rows
    assert order.images.shape == (24,)
    for start in range(0, 20, 5):
        assert sorted(order.images[start : start + 5]) == [0, 1, 2, 3, 4]
    assert len(set(order.images[20:])) == 4
    assert (order.images[:5] != order.images[5:10]).any()


def test_fewer_images_than_a_batch_takes():
    order = shuffled_passes(2, 5, 2, epoch=0, seed=0)
    assert Counter(order.images.tolist()) == {0: 5, 1: 5}


def test_epochs_and_seeds_differ_and_each_can_be_drawn_again():
    images = shuffled_passes(50, 10, 5, epoch=0, seed=0).images
    for epoch, seed in ((1, 0), (0, 1)):
        assert (shuffled_passes(50, 10, 5, epoch, seed).images != images).any()
    again = shuffled_passes(50, 10, 5, epoch=0, seed=0).images
    np.testing.assert_array_equal(again, images)


@pytest.mark.parametrize("epoch", [0, 2])
def test_side_by_side(epoch):
    order = EpochOrder(np.int64([3, 0, 1, 2]), epoch)
    other = EpochOrder(np.int64([0, 1, 2, 2, 1, 0]), epoch)
    both = side_by_side(order, other, steps=2, epoch=epoch, num_images=4)
    # Two of the one and three of the other in each batch.
    expected = [3, 0, 4, 5, 6, 1, 2, 6, 5, 4]
    rows = range(epoch * 10, (epoch + 1) * 10)
    assert [int(both.sample_of(row)) for row in rows] == expected
