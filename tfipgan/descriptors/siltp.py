"""SILTP, a texture code that a change of light leaves as it is (Liao et al. 2010)."""

import numpy as np

TAU = 0.3
CODES = 81


def siltp(grey: np.ndarray, radius: int, tau: float = TAU) -> np.ndarray:
    """Return each pixel's code, int64 (height, width) in 0 to 80.

    Of the four pixels `radius` to the right, above, left and below, each gives a digit
    of base 3: 1 where it is above (1 + tau) of the pixel's own value, 2 where it is
    below (1 - tau) of it, else 0. Beyond the border the border's values go on.

    Args:
        grey: float (height, width), from 0 on.
        radius: in pixels.
        tau: share of a value that is no difference.
    """
    height, width = grey.shape
    padded = np.pad(grey, radius, mode="edge")
    lowest, highest = (1 - tau) * grey, (1 + tau) * grey
    codes = np.zeros(grey.shape, np.int64)
    steps = ((0, radius), (-radius, 0), (0, -radius), (radius, 0))
    for place, (down, right) in enumerate(steps):
        top, left = radius + down, radius + right
        other = padded[top : top + height, left : left + width]
        digit = (other > highest) + 2 * (other < lowest)
        codes += 3**place * digit
    return codes
