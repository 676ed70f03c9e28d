"""Multi-scale Retinex: an image with its light evened out, its colours kept."""

import numpy as np
from scipy.ndimage import gaussian_filter

SIGMAS = (5.0, 20.0)
# Shares of pixels below and above which the lightness is clipped.
CLIPPED = (0.1, 0.9)


def evened_out(image: np.ndarray) -> np.ndarray:
    """Return an image as LOMO sees its colours, uint8 RGB (height, width, 3).

    Multi-scale Retinex with chromaticity preservation (Petro, Sbert and Morel, IPOL
    2014): the intensity is compared with its surroundings, the log of their ratio is
    stretched to [0, 255], and R, G and B take the intensity's factor, which is as large
    as the brightest of the three allows. LOMO's authors used a program that they don't
    publish; widths and clipping are those of a public port of theirs.

    Args:
        image: uint8 RGB (height, width, 3).
    """
    pixels = image.astype(np.float32)
    intensity = pixels.mean(axis=2)
    ratio = np.zeros_like(intensity)
    for sigma in SIGMAS:
        around = gaussian_filter(intensity, sigma, mode="nearest")
        ratio += np.log1p(intensity) - np.log1p(around)
    low, high = np.quantile(ratio, CLIPPED)
    # Of one intensity all over, nothing is to be stretched.
    if high - low < 1e-6:
        return image
    lightness = 255 * np.clip((ratio - low) / (high - low), 0, 1)
    brightest = np.maximum(pixels.max(axis=2), 1)
    factor = np.minimum(255 / brightest, lightness / np.maximum(intensity, 1))
    return np.rint(pixels * factor[..., None]).astype(np.uint8)
