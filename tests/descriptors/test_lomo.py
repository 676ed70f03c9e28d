"""LOMO: against loops, and that left and right may change places."""

import colorsys

import numpy as np
import pytest

from tfipgan.descriptors import lomo as module
from tfipgan.descriptors.lomo import LENGTH, halved, lomo, most_in_rows
from tfipgan.descriptors.siltp import siltp


def test_most_in_rows_against_loops(rng):
    codes = rng.integers(0, 6, (23, 31))
    found = most_in_rows(codes, 6)
    assert found.shape == (3, 6)
    for row in range(3):
        counts = [
            [
                (codes[5 * row : 5 * row + 10, x : x + 10] == code).sum()
                for code in range(6)
            ]
            for x in (0, 5, 10, 15, 20)
        ]
        np.testing.assert_array_equal(found[row], np.max(counts, axis=0))


def test_halved_by_hand():
    values = np.array([[1, 2, 9], [3, 4, 9], [5, 6, 9], [7, 8, 9], [9, 9, 9]])
    np.testing.assert_array_equal(halved(values), [[10], [26]])


def slow(image):
    height, width = image.shape[:2]
    channels = np.zeros(image.shape, int)
    for place in np.ndindex(height, width):
        hsv = colorsys.rgb_to_hsv(*(image[place] / 255))
        channels[place] = [min(int(8 * value), 7) for value in hsv]
    grey = image @ np.array([0.299, 0.587, 0.114])
    parts = {"colour": [], 3: [], 5: []}
    for scale in range(3):
        if scale:
            size = channels.shape[0] // 2, channels.shape[1] // 2
            smaller, smaller_grey = np.zeros((*size, 3), int), np.zeros(size)
            for y, x in np.ndindex(size):
                block = slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2)
                smaller[y, x] = np.floor(channels[block].mean(axis=(0, 1)))
                smaller_grey[y, x] = grey[block].mean()
            channels, grey = smaller, smaller_grey
        hue, saturation, value = np.moveaxis(channels, -1, 0)
        kinds = {
            "colour": (64 * hue + 8 * saturation + value, 512),
            3: (siltp(grey, 3), 81),
            5: (siltp(grey, 5), 81),
        }
        for kind, (codes, count) in kinds.items():
            for y in range(0, codes.shape[0] - 9, 5):
                most = np.zeros(count)
                for x in range(0, codes.shape[1] - 9, 5):
                    block = codes[y : y + 10, x : x + 10].ravel()
                    most = np.maximum(most, np.bincount(block, minlength=count))
                parts[kind].append(np.log(1 + most))
    rows = [np.concatenate(part) for part in parts.values()]
    return np.concatenate([row / np.linalg.norm(row) for row in rows]) / np.sqrt(3)


def test_against_loops(rng, monkeypatch):
    """Of pixels at the middle of their bins, and of few steps of grey."""
    monkeypatch.setattr(module, "evened_out", lambda image: image)
    # No colour here is near a border of bins: 8 bins of 1/8 each.
    values = np.array([[40, 90, 200], [200, 40, 90], [90, 112, 220], [14, 20, 17]])
    image = values[rng.integers(0, 4, (128, 48))].astype(np.uint8)
    found = lomo(image)
    assert found.dtype == np.float32 and found.shape == (LENGTH,) == (26960,)
    # Pillow rounds grey to whole numbers: a few comparisons at tau come out otherwise.
    np.testing.assert_allclose(found[:20480], slow(image)[:20480], atol=1e-6)
    assert found @ slow(image) > 0.999
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_a_step_of_blocks_to_the_side_changes_little(rng):
    """A person one step of blocks to the right is the same person."""
    image = np.full((128, 48, 3), 128, np.uint8)
    person = rng.integers(0, 256, (128, 10, 3), dtype=np.uint8)
    left, right = image.copy(), image.copy()
    left[:, 15:25], right[:, 20:30] = person, person
    other = image.copy()
    other[:, 15:25] = person[::-1, ::-1]
    assert lomo(left) @ lomo(right) > lomo(left) @ lomo(other) + 0.05


def test_the_light_is_evened_out_for_colours_only(rng, monkeypatch):
    image = rng.integers(0, 256, (128, 48, 3), dtype=np.uint8)
    before = lomo(image)
    monkeypatch.setattr(module, "evened_out", lambda image: image // 4)
    after = lomo(image)
    np.testing.assert_array_equal(before[20480:], after[20480:])
    assert (before[:20480] != after[:20480]).any()
