"""Distances of images that are nearly equal, from the differences of their features.

By |a|^2 - 2 a.b + |b|^2 a small distance is a small difference of large numbers, and
keeps little but their rounding; the sum over (a - b)^2 has no such numbers.
"""

import numpy as np

from tfipgan.evaluation.conditioning import squared_norms

# Values at a time, of a block or of pairs' features: few enough to stay in the cache.
_PART_VALUES = 2**16


class FeatureRows:
    """Rows of features in float64, a few at a time; all are never held.

    Args:
        features: float32 (images, D), finite.
        metric: "euclidean", or "cosine" for rows divided by their lengths.
        kept: int64, the rows that count; None for all.

    Attributes:
        num_values: int, D.
    """

    def __init__(self, features, metric, kept=None):
        self._features, self._is_cosine, self._kept = features, metric == "cosine", kept
        self.num_values = features.shape[1]

    def __len__(self) -> int:
        return len(self._features) if self._kept is None else len(self._kept)

    def read(self, rows) -> np.ndarray:
        """Return rows (a slice or int64) as they are, float64 (rows, D)."""
        if self._kept is not None:
            rows = self._kept[rows]
        found = self._features[rows].astype(np.float64)
        if self._is_cosine:
            found /= np.sqrt(squared_norms(found))[:, None]
        return found


def row_parts(block: np.ndarray) -> list[slice]:
    """Return which rows of a block stay in the cache while they are worked on."""
    step = max(1, _PART_VALUES // block.shape[1])
    return [slice(start, start + step) for start in range(0, len(block), step)]


def places_below(block: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the rows and the columns of values below their row's limit, int64 (2, n).

    Args:
        block: float (rows, columns), one of `row_parts`.
        limits: float (rows), of the same dtype; few values are below.
    """
    # One pass, without an array of flags, is all that most rows take.
    rows = np.flatnonzero(block.min(axis=1) < limits)
    places, columns = np.nonzero(block[rows] < limits[rows, None])
    return np.stack([rows[places], columns])


def squared_differences(
    first: FeatureRows, rows: np.ndarray, second: FeatureRows, columns: np.ndarray
) -> np.ndarray:
    """Return the squared distances of pairs of rows of two sets, float64 (pairs).

    Args:
        rows, columns: int64 (pairs), which rows of the first and of the second.
    """
    found = np.empty(len(rows))
    step = max(1, _PART_VALUES // first.num_values)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = first.read(rows[part])
        difference -= second.read(columns[part])
        found[part] = squared_norms(difference)
    return found
