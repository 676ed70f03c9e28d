"""Retinex: against one that is written out, and what it is for."""

import numpy as np
import pytest

from tfipgan.descriptors.retinex import evened_out


def around(values, sigma):
    """The Gaussian mean of each value's surroundings, by a kernel written out."""
    reach = int(4 * sigma + 0.5)
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        pads = [(0, 0), (0, 0)]
        pads[axis] = (reach, reach)
        padded = np.pad(values, pads, mode="edge")
        values = np.apply_along_axis(np.convolve, axis, padded, kernel, "valid")
    return values


def slow(image):
    pixels = image.astype(np.float64)
    intensity = pixels.sum(axis=2) / 3
    ratio = sum(
        np.log((intensity + 1) / (around(intensity, sigma) + 1)) for sigma in (5, 20)
    )
    ordered = np.sort(ratio, axis=None)
    places = np.array([0.1, 0.9]) * (len(ordered) - 1)
    low, high = np.interp(places, np.arange(len(ordered)), ordered)
    out = np.zeros(image.shape)
    for place in np.ndindex(intensity.shape):
        light = 255 * min(max((ratio[place] - low) / (high - low), 0), 1)
        largest = pixels[place].max()
        if largest:
            factor = min(255 / largest, light / max(intensity[place], 1))
            out[place] = factor * pixels[place]
    return out


def test_against_one_written_out(rng):
    image = rng.integers(0, 256, (40, 18, 3), dtype=np.uint8)
    image[:3, :3] = 0
    found = evened_out(image)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, slow(image), atol=0.6)


def test_light_is_evened_out_and_colours_stay(rng):
    """Of the same thing the left half is lit by a third of the light."""
    thing = rng.uniform(60, 240, (96, 1, 3)).repeat(64, axis=1)
    light = np.where(np.arange(64) < 32, 1 / 3, 1)[None, :, None]
    image = np.rint(thing * light).astype(np.uint8)
    found = evened_out(image).astype(float)
    left, right = found[:, 5].mean(), found[:, -6].mean()
    assert image[:, 5].mean() / image[:, -6].mean() == pytest.approx(1 / 3, abs=0.01)
    assert left / right > 0.8
    shares = found / np.maximum(found.sum(axis=2, keepdims=True), 1)
    before = image / image.sum(axis=2, keepdims=True)
    bright = found.sum(axis=2) > 150
    np.testing.assert_allclose(shares[bright], before[bright], atol=0.01)


def test_one_colour_all_over_stays():
    image = np.full((20, 10, 3), (10, 200, 30), np.uint8)
    np.testing.assert_array_equal(evened_out(image), image)
