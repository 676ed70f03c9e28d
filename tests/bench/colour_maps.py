"""Colour maps from one camera to another: what can be done without a network.

A map takes pixels, float (.., 3) from 0 to 1, and returns such. Fitted in pairs, the
two arrays show the same points; without pairs only their distributions are compared.
"""

import numpy as np

CELLS = 24
FEW = 10  # pixels of a cell that are too few to believe in it


def fit_curves(pixels, wanted):
    """Match the histograms, each channel by a curve of its own; without pairs."""
    levels = np.arange(256) / 255
    curves = []
    for channel in range(3):
        values = np.round(pixels[:, channel] * 255).astype(int)
        shares = np.bincount(values, minlength=256) / len(values)
        ranks = np.cumsum(shares) - shares / 2
        curves.append(np.quantile(wanted[:, channel], np.clip(ranks, 0, 1)))

    def apply(image):
        channels = [np.interp(image[..., c], levels, curves[c]) for c in range(3)]
        return np.stack(channels, axis=-1)

    return apply


def fit_affine(pixels, wanted):
    """Fit the 3x4 matrix of the least squared error; in pairs."""
    ones = np.ones((len(pixels), 1))
    matrix = np.linalg.lstsq(np.hstack([pixels, ones]), wanted, rcond=None)[0]

    def apply(image):
        return np.clip(image @ matrix[:3] + matrix[3], 0, 1)

    return apply


def fit_table(pixels, wanted):
    """Fit a table of 24^3 colours on top of the affine map; in pairs.

    Each colour has its own answer, the mean of what was wanted there, so no map of
    colours alone does much better.
    """
    affine = fit_affine(pixels, wanted)

    def cells(image):
        steps = np.minimum((image * CELLS).astype(int), CELLS - 1)
        return steps @ [CELLS * CELLS, CELLS, 1]

    where = cells(pixels)
    left = wanted - affine(pixels)
    counts = np.bincount(where, minlength=CELLS**3) + FEW
    sums = [np.bincount(where, left[:, c], CELLS**3) for c in range(3)]
    table = np.stack(sums, axis=-1) / counts[:, None]

    def apply(image):
        return np.clip(affine(image) + table[cells(image)], 0, 1)

    return apply
