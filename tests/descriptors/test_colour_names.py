"""Colour names: what people call a colour has the largest share."""

import numpy as np
import pytest

from tfipgan.descriptors.colour_names import LEVELS, NAMES, REACH, colour_names, lab
from tfipgan.descriptors.colour_names import _log_density as log_density


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((255, 0, 0), "red"),
        ((0, 128, 0), "green"),
        ((0, 0, 255), "blue"),
        ((255, 255, 0), "yellow"),
        ((255, 140, 0), "orange"),
        ((128, 0, 128), "purple"),
        ((255, 150, 180), "pink"),
        ((120, 70, 20), "brown"),
    ],
)
def test_the_name_that_people_use(colour, name):
    (shares,) = colour_names(np.array([[colour]], np.uint8))[0]
    assert NAMES[shares.argmax()] == name
    assert shares.max() > 0.6


def test_shares_of_all_colours_are_shares(rng):
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = colour_names(image)
    assert found.shape == (64, 64, 11) and found.dtype == np.float32
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    # The colours of one cell of the table are the same.
    cell = image // (256 // LEVELS) * (256 // LEVELS)
    np.testing.assert_array_equal(colour_names(cell), found)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        # As Lindbloom's calculator has it, for sRGB under D65.
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.02, 0.02, 0.02), (1.40, 0, 0)),
    ],
)
def test_lab(rgb, expected):
    np.testing.assert_allclose(lab(np.array(rgb, float)), expected, atol=0.05)


def test_a_density_by_hand():
    """Mean of exp(-d^2 / 200) over a name's colours, also where that is nothing."""
    cells = np.array([[0.0, 0, 0], [1e4, 0, 0]])
    colours = np.array([[0.0, 0, 0], [0, REACH, 0]])
    near, far = log_density(cells, colours)
    assert near == pytest.approx(np.log((1 + np.exp(-0.5)) / 2))
    expected = -(1e8) / 200 + np.log((1 + np.exp(-0.5)) / 2)
    assert far == pytest.approx(expected)
