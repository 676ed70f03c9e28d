"""The eleven basic colour names of English, as shares that a pixel has of each.

The table that BoW was published with is learnt from images, and its terms are not free.
Here the names come from the colour survey of xkcd.com (2010), in which people named
colours as they saw them; its results are in the public domain (CC0), and Matplotlib has
them. A name such as "dark forest green" counts as green.
"""

from functools import lru_cache

import numpy as np
from matplotlib.colors import XKCD_COLORS, to_rgb
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

NAMES = (
    "black", "blue", "brown", "grey", "green", "orange", "pink", "purple", "red",
    "white", "yellow",
)  # fmt: skip
# A table of 32 x 32 x 32 colours.
LEVELS = 32
# How far a name of the survey reaches, in units of CIELAB.
REACH = 10.0
# sRGB to XYZ (IEC 61966-2-1), and white under D65.
_TO_XYZ = np.array(
    [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
)
_WHITE = np.array([0.9505, 1.0, 1.089])


def colour_names(image: np.ndarray) -> np.ndarray:
    """Return each pixel's shares of the eleven names, float32 (height, width, 11).

    They are from 0 to 1 and sum to 1.

    Args:
        image: uint8 RGB (height, width, 3).
    """
    level = image // (256 // LEVELS)
    return _table()[level[..., 0], level[..., 1], level[..., 2]]


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB of sRGB, both float (..., 3); sRGB in [0, 1]."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(
        ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29
    )
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@lru_cache(maxsize=1)
def _table():
    """Return the shares of the middles of all cells of RGB, (32, 32, 32, 11).

    A name's density at a colour is the mean of Gaussians around its colours in the
    survey, so that a name with many kinds doesn't take all; shares are in proportion.
    """
    middles = (np.arange(LEVELS) + 0.5) / LEVELS
    cells = lab(np.stack(np.meshgrid(*3 * [middles], indexing="ij"), axis=-1))
    cells = cells.reshape(-1, 3)
    logs = []
    for name in NAMES:
        logs.append(_log_density(cells, lab(np.array(_named(name)))))
    logs = np.stack(logs, axis=1)
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares.astype(np.float32).reshape(LEVELS, LEVELS, LEVELS, len(NAMES))


def _named(name):
    """Return the colours of the survey whose last word is a name."""
    spelt = (name, "gray") if name == "grey" else (name,)
    return [
        to_rgb(value)
        for key, value in XKCD_COLORS.items()
        if key.removeprefix("xkcd:").split()[-1] in spelt
    ]


def _log_density(cells, colours):
    logs = -cdist(cells, colours, "sqeuclidean") / (2 * REACH**2)
    # Not exp before the largest is known: far from all colours it would be 0.
    return logsumexp(logs, axis=1) - np.log(len(colours))
