"""LOMO, a person descriptor without any training (Liao et al. 2015).

Local maximal occurrence: of each row of overlapping blocks, how often each colour and
each texture occurs in the block that has it most. So it doesn't matter where in a row a
person's left or right is, which turns with the view.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from tfipgan.descriptors.retinex import evened_out
from tfipgan.descriptors.siltp import CODES, siltp

SIZE = (128, 48)
BLOCK, STEP = 10, 5
SCALES = 3
BINS = 8  # of each of hue, saturation and value
RADII = (3, 5)
# Rows of blocks are 24 at the first scale, 11 and 5 at the others.
LENGTH = 40 * (BINS**3 + len(RADII) * CODES)


def lomo(image: np.ndarray) -> np.ndarray:
    """Return the descriptor of an image, float32 (26960,), of length 1.

    Counts of joint bins of hue, saturation and value (of the image with its light
    evened out, `retinex`), and of SILTP codes of radius 3 and of 5 (of its grey
    values), at three scales; log(1 + count); each of these three kinds scaled to the
    same length.

    Args:
        image: uint8 RGB (128, 48, 3).
    """
    colours = Image.fromarray(evened_out(image)).convert("HSV")
    channels = np.asarray(colours, np.int64) * BINS // 256
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float64)
    kinds: list[list[np.ndarray]] = [[] for _ in range(1 + len(RADII))]
    for scale in range(SCALES):
        if scale:
            # As the authors' program has it: bins are averaged, not colours.
            channels, grey = halved(channels) // 4, halved(grey) / 4
        joint = channels @ np.array([BINS**2, BINS, 1])
        kinds[0].append(most_in_rows(joint, BINS**3))
        for kind, radius in zip(kinds[1:], RADII, strict=True):
            kind.append(most_in_rows(siltp(grey, radius), CODES))
    parts = []
    for kind in kinds:
        part = np.log1p(np.concatenate(kind, axis=None))
        # No block is empty, so neither is a part.
        parts.append(part / np.linalg.norm(part))
    return (np.concatenate(parts) / len(parts) ** 0.5).astype(np.float32)


def halved(values: np.ndarray) -> np.ndarray:
    """Return sums of 2 x 2 values; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in values.shape[:2])
    even = values[:height, :width]
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def most_in_rows(codes: np.ndarray, count: int) -> np.ndarray:
    """Return how often each code occurs in the block of a row that has it most.

    Args:
        codes: int64 (height, width) in 0 to count - 1, at least a block of 10 x 10.
        count: of the codes there are.

    Returns:
        int64 (rows of blocks, count).
    """
    blocks = sliding_window_view(codes, (BLOCK, BLOCK))[::STEP, ::STEP]
    rows, columns = blocks.shape[:2]
    numbers = np.arange(rows * columns).reshape(rows, columns, 1, 1)
    counts = np.bincount(
        (blocks + count * numbers).ravel(), minlength=numbers.size * count
    )
    return counts.reshape(rows, columns, count).max(axis=1)
