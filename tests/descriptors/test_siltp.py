"""SILTP: codes by hand, and against loops."""

import numpy as np
import pytest

from tfipgan.descriptors.siltp import CODES, siltp


def test_by_hand():
    grey = np.array([[10.0, 100, 90], [100, 100, 140], [60, 131, 0]])
    # In the middle: 140 to the right is above 130: 1; 100 above is neither: 0; 100 to
    # the left: 0; 131 below: 1, of base 3.
    assert siltp(grey, 1)[1, 1] == 1 + 27
    # At the top left 100 is above 13, and the border's own value goes on: 0.
    assert siltp(grey, 1)[0, 0] == 1 + 27
    # At the bottom right, of 0: 0 to the right and below, 140 above, 131 to the left.
    assert siltp(grey, 1)[2, 2] == 3 + 9
    # At the right: 140 beyond the border, 90 above and 0 below are under 98, and the
    # 100 to the left is not.
    assert siltp(grey, 1)[1, 2] == 2 * 3 + 2 * 27


@pytest.mark.parametrize("radius", [1, 3, 5])
def test_against_loops(rng, radius):
    grey = rng.uniform(0, 255, (9, 7))
    found = siltp(grey, radius)
    for y, x in np.ndindex(grey.shape):
        code = 0
        for place, (dy, dx) in enumerate(((0, 1), (-1, 0), (0, -1), (1, 0))):
            other = grey[
                min(max(y + dy * radius, 0), 8), min(max(x + dx * radius, 0), 6)
            ]
            digit = 1 if other > 1.3 * grey[y, x] else 0
            digit = 2 if other < 0.7 * grey[y, x] else digit
            code += digit * 3**place
        assert found[y, x] == code
    assert 0 <= found.min() and found.max() < CODES


def test_another_light_changes_nothing(rng):
    grey = rng.uniform(10, 100, (20, 20))
    np.testing.assert_array_equal(siltp(grey, 3), siltp(4 * grey, 3))
