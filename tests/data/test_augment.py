"""Augmentation: the limits of the crop at every size, and the flip."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data import augment
from tfipgan.data.augment import (
    color_jitter,
    pad_and_crop,
    random_erasing,
    random_flip,
    random_sized_crop,
)

# Top, left, height and width of the crops of seeds (0, 1), (1, 1), ... when height over
# width was drawn from 2 to 3 whatever the image's own: for images of 2 to 1 the same.
CAMSTYLES = {
    (256, 128): [
        (10, 10, 230, 95), (17, 2, 218, 102), (20, 14, 233, 96), (0, 29, 255, 86),
        (20, 17, 233, 107), (12, 2, 237, 117), (0, 4, 241, 102), (10, 33, 233, 92),
    ],
    (128, 64): [
        (5, 5, 115, 48), (9, 1, 109, 51), (10, 7, 117, 48), (0, 14, 127, 43),
        (10, 9, 117, 53), (7, 1, 118, 59), (0, 2, 120, 51), (5, 17, 117, 46),
    ],
    (32, 16): [
        (1, 1, 29, 12), (2, 0, 27, 13), (3, 2, 29, 12), (0, 4, 32, 11), (3, 3, 29, 13),
        (1, 0, 30, 15), (0, 0, 30, 13), (1, 5, 29, 11),
    ],
}  # fmt: skip


def positions(height, width):
    """An image whose red is the row and green the column."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return tf.constant(np.stack([rows, columns, np.zeros_like(rows)], axis=-1))


def crop_boxes(size, number):
    """(top, left, height, width) of crops by seeds, read off the cropped images.

    Resized to its own number of pixels or more, the crop's first and last pixels stay.
    """
    image, larger = positions(*size), (2 * size[0], 2 * size[1])
    crop = tf.function(lambda seed: random_sized_crop(image, larger, (seed, 1)))
    boxes = []
    for seed in range(number):
        cropped = crop(tf.constant(seed)).numpy()
        (top, left, _), (bottom, right, _) = cropped[0, 0], cropped[-1, -1]
        boxes.append((top, left, bottom - top + 1, right - left + 1))
    return np.round(boxes).astype(int)


@pytest.mark.parametrize("size", CAMSTYLES)
def test_crops_of_the_papers_shape_are_camstyles(size):
    np.testing.assert_array_equal(crop_boxes(size, 8), CAMSTYLES[size])
    # Its pixels are those of that box and no others.
    top, left, height, width = CAMSTYLES[size][3]
    noise = tf.random.stateless_uniform((*size, 3), (4, 4)) * 255
    expected = tf.image.resize(noise[top : top + height, left : left + width], (9, 7))
    np.testing.assert_array_equal(random_sized_crop(noise, (9, 7), (3, 1)), expected)


@pytest.mark.parametrize(
    ("height", "width"),
    [(128, 64), (128, 128), (64, 128), (128, 112), (256, 64), (60, 240), (32, 16)],
)
def test_crops_of_every_shape_of_image_stay_within_their_limits(height, width):
    boxes = crop_boxes((height, width), 200)
    top, left, heights, widths = boxes.T
    assert (top >= 0).all() and (top + heights <= height).all()
    assert (left >= 0).all() and (left + widths <= width).all()
    # Before sides are rounded to whole pixels: by half a pixel each.
    rounded = 0.5 / height + 0.5 / width
    area = heights * widths / (height * width)
    assert 0.64 - rounded < area.min() < 0.68 and 0.93 < area.max() <= 1.0
    relative_aspect = heights / widths / (height / width)
    assert 1 - 2 * rounded < relative_aspect.min() < 1.05
    assert 1.37 < relative_aspect.max() < 1.5 + 2 * rounded
    # A crop lies anywhere that it fits.
    assert top.min() == left.min() == 0
    assert (top + heights).max() == height and (left + widths).max() == width
    assert len(np.unique(boxes, axis=0)) > 120
    # Ten shapes are drawn, and half of all fit: one in 600 images stays whole.
    assert sum(area == 1) <= 5


@pytest.mark.parametrize("size", [(8, 4), (4, 8), (5, 4), (16, 4)])
def test_crops_of_few_pixels(size):
    boxes = crop_boxes(size, 100)
    whole = (boxes[:, 2:] == size).all(axis=1)
    assert whole.mean() < 0.4 and len(np.unique(boxes, axis=0)) >= 6


def test_one_pixel_stays():
    cropped = random_sized_crop(tf.fill((1, 1, 3), 9.0), (3, 2), (0, 0))
    np.testing.assert_array_equal(cropped, np.full((3, 2, 3), 9.0))


def test_a_crop_is_resized_to_what_was_asked_for():
    image = tf.fill((50, 30, 3), 7.0)
    cropped = random_sized_crop(image, (33, 11), (0, 0))
    assert cropped.dtype == tf.float32
    np.testing.assert_allclose(cropped, np.full((33, 11, 3), 7.0), rtol=1e-6)


def test_the_whole_image_where_no_shape_fits(monkeypatch):
    monkeypatch.setattr(augment, "CROP_RELATIVE_ASPECT", (2.0, 3.0))
    image = tf.random.stateless_uniform((20, 16, 3), (0, 1)) * 255
    expected = tf.image.resize(image, (20, 8))
    for seed in range(5):
        got = random_sized_crop(image, (20, 8), (seed, 0))
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_later_attempts_are_taken_where_the_first_does_not_fit(monkeypatch):
    def whole():
        return (crop_boxes((128, 64), 50)[:, 2:] == (128, 64)).all(axis=1).sum()

    assert whole() <= 2
    monkeypatch.setattr(augment, "CROP_ATTEMPTS", 1)
    assert 15 <= whole() <= 35


def test_seeds_decide():
    image = positions(128, 64)
    one, again, other = (random_sized_crop(image, (8, 4), (s, 1)) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).numpy().any()


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


@pytest.mark.parametrize(("size", "padding"), [((64, 32), 3), ((5, 7), 4), ((2, 2), 1)])
def test_a_padded_crop_is_the_image_shifted_over_black(size, padding):
    image = positions(*size) + 1.0
    crop = tf.function(lambda seed: pad_and_crop(image, padding, (seed, 2)))
    wide = np.zeros((size[0] + 2 * padding, size[1] + 2 * padding, 3), np.float32)
    wide[padding:-padding, padding:-padding] = image
    places = range(2 * padding + 1)
    shifted = {
        wide[top : top + size[0], left : left + size[1]].tobytes(): (top, left)
        for top in places
        for left in places
    }
    assert len(shifted) == (2 * padding + 1) ** 2
    seen = [shifted[crop(tf.constant(seed)).numpy().tobytes()] for seed in range(400)]
    # Every shift, and each side as often.
    assert {top for top, _ in seen} == {left for _, left in seen} == set(places)
    assert abs(np.mean(seen) - padding) < 0.1 * (padding + 1)


def erased_boxes(size, number, probability=1.0, fill=(-1.0, -2.0, -3.0)):
    """(top, left, height, width) of what is erased by seeds; None where nothing is.

    Everything else must be the image, and all of the box be filled.
    """
    image = positions(*size)
    erase = tf.function(lambda seed: random_erasing(image, probability, fill, seed))
    boxes = []
    for seed in range(number):
        erased = erase(tf.constant((seed, 3))).numpy()
        assert erased.dtype == np.float32
        rows, columns = np.nonzero((erased != image.numpy()).any(axis=-1))
        if not rows.size:
            boxes.append(None)
            continue
        top, left = rows.min(), columns.min()
        height, width = rows.max() + 1 - top, columns.max() + 1 - left
        expected = image.numpy().copy()
        expected[top : top + height, left : left + width] = fill
        np.testing.assert_array_equal(erased, expected)
        boxes.append((top, left, height, width))
    return boxes


@pytest.mark.parametrize("size", [(256, 128), (64, 32), (90, 90), (60, 150)])
def test_erased_boxes_stay_within_zhongs_limits(size):
    (top, left, heights, widths) = np.array(erased_boxes(size, 300)).T
    assert (heights < size[0]).all() and (widths < size[1]).all()
    # Before sides are rounded to whole pixels, by half a pixel each.
    sides = [np.stack([heights + d, widths - d]) for d in (-0.5, 0.5)]
    low, high = (
        np.min([h / w for h, w in sides], 0),
        np.max([h / w for h, w in sides], 0),
    )
    assert (high >= 0.3).all() and (low <= 1 / 0.3).all()
    area = heights * widths / (size[0] * size[1])
    rounded = (heights + widths + 1) / 2 / (size[0] * size[1])
    assert (area + rounded >= 0.02).all() and (area - rounded <= 0.4).all()
    assert area.min() < 0.06 and area.max() > 0.3
    assert low.min() < 0.8 and high.max() > 1.8
    # A box lies anywhere that it fits.
    assert top.min() == left.min() == 0
    assert (top + heights).max() == size[0] and (left + widths).max() == size[1]


def test_areas_and_shapes_of_erased_boxes_are_those_of_the_slow_way():
    side, generator, slow = 120, np.random.default_rng(0), []
    while len(slow) < 4000:
        area = generator.uniform(0.02, 0.4) * side**2
        aspect = generator.uniform(0.3, 1 / 0.3)
        height, width = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if height < side and width < side:
            slow.append((height, width))
    found = [box[2:] for box in erased_boxes((side, side), 400)]
    for measure in (np.prod, lambda box: box[0] / box[1]):
        one, other = ([measure(box) for box in boxes] for boxes in (found, slow))
        # By four standard errors of the fewer.
        assert abs(np.mean(one) - np.mean(other)) < 4 * np.std(other) / len(one) ** 0.5


def test_as_many_are_erased_as_asked_for():
    def erased(probability):
        boxes = enumerate(erased_boxes((16, 8), 200, probability))
        return {place for place, box in boxes if box is not None}

    some = erased(0.3)
    assert 40 <= len(some) <= 80 and not erased(0.0)
    # More are the same, and others.
    assert some < erased(0.6)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (4, 200)])
def test_images_that_hardly_a_box_fits_into(size):
    boxes = [box for box in erased_boxes(size, 60) if box is not None]
    for _, _, height, width in boxes:
        assert height < size[0] and width < size[1]
    assert bool(boxes) == (min(size) > 1)


def test_a_shape_that_does_not_fit_is_drawn_anew(monkeypatch):
    def erased():
        return sum(box is not None for box in erased_boxes((64, 192), 60))

    assert erased() == 60
    monkeypatch.setattr(augment, "ERASING_ATTEMPTS", 1)
    assert 20 <= erased() <= 45


# ------------------------------------------------------------------------ colours


def slow_jitter(image, draws):
    """As `color_jitter`, by other words."""
    image = np.clip(image * (1 + draws[0]), 0, 255)
    mean = (image @ [0.299, 0.587, 0.114]).mean()
    image = np.clip(image + draws[1] * (image - mean), 0, 255)
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    image = np.clip(image + draws[2] * (image - grey), 0, 255)
    turned = [
        [colorsys.hsv_to_rgb((h + draws[3] / 4) % 1, s, v) for h, s, v in row]
        for row in (
            [colorsys.rgb_to_hsv(*pixel) for pixel in row] for row in image / 255
        )
    ]
    return 255 * np.array(turned)


@pytest.mark.parametrize("strength", [0.1, 0.6, 1.0])
def test_jitter_is_that_of_the_slow_way(strength):
    image = np.random.default_rng(0).uniform(0, 255, (4, 3, 3)).astype(np.float32)
    jitter = tf.function(lambda seed: color_jitter(image, strength, seed))
    seen = []
    for number in range(20):
        seed = (number, 5)
        draws = tf.random.stateless_uniform((4,), seed, -strength, strength).numpy()
        found = jitter(tf.constant(seed)).numpy()
        np.testing.assert_allclose(found, slow_jitter(image, draws), atol=0.02)
        assert found.dtype == np.float32
        seen.append(draws)
    # All four use what they may, to both sides.
    assert (np.max(seen, axis=0) > 0.7 * strength).all()
    assert (np.min(seen, axis=0) < -0.7 * strength).all()
