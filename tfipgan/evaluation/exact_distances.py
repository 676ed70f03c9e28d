"""Squared distances in float64, for features that float32 would put out of order."""

from collections.abc import Iterator

import numpy as np

from tfipgan.evaluation.conditioning import squared_norms
from tfipgan.evaluation.near_pairs import FeatureRows

# Columns of one matrix product: few enough that a copy of their features is small.
COLUMNS = 512
# The share of |a|^2 + |b|^2 below which a squared distance is that of the difference.
_NEAR = 2.0**-14
# Values of rows at a time: few enough to stay in the cache, or nearly.
_PART_VALUES = 2**19
# Rows whose squared length is so many times the median one's are outliers.
_OUTLIER = 64


class ExactRows(FeatureRows):
    """Rows of features in float64, with their squared distances from a centre.

    Args:
        features, metric, kept: as `FeatureRows` takes them.

    Attributes:
        squares: float64 (n), each row's squared distance from the centre.
    """

    def __init__(self, features, metric, kept=None):
        super().__init__(features, metric, kept)
        self.centre_on(np.zeros(self.num_values))

    def centred(self, rows) -> np.ndarray:
        """Return rows (a slice or int64) less the centre, float64 (rows, D)."""
        found = self.read(rows)
        found -= self._centre
        return found

    def centre_on(self, centre: np.ndarray) -> None:
        """Take another centre, float64 (D)."""
        self._centre = centre
        parts = [squared_norms(self.centred(part)) for part in self._parts()]
        self.squares = np.concatenate(parts)

    def middle(self) -> np.ndarray:
        """Return a point amid the rows, float64 (D); outliers don't move it.

        It lies on a grid as coarse as the spread of the rows: whatever lies on a finer
        one, such as whole numbers, does so less this point too, and what is equally far
        stays so.
        """
        is_usual = self.squares <= _OUTLIER * np.median(self.squares)

        def usual() -> Iterator[np.ndarray]:
            for part in self._parts():
                yield self.read(part)[is_usual[part]]

        count = np.count_nonzero(is_usual)
        mean = sum(rows.sum(axis=0) for rows in usual()) / count
        variance = sum(((rows - mean) ** 2).sum() for rows in usual()) / count
        if not variance:
            return mean
        grid = 2.0 ** np.ceil(np.log2(variance / len(mean)) / 2)
        return np.round(mean / grid) * grid

    def usual_length(self) -> float:
        """Return a distance from the centre that only outliers are beyond."""
        usual = _OUTLIER * np.median(self.squares)
        longest = self.squares.max()
        return float((min(usual, longest) or longest) ** 0.5)

    def _parts(self):
        step = max(1, _PART_VALUES // self.num_values)
        return [slice(i, min(i + step, len(self))) for i in range(0, len(self), step)]


def exact_rows(query, gallery, metric, kept=None) -> tuple[ExactRows, ExactRows]:
    """Return both sets' rows with one centre, amid the gallery's that count."""
    both = ExactRows(query, metric), ExactRows(gallery, metric, kept)
    centre = both[1].middle()
    for rows in both:
        rows.centre_on(centre)
    return both


def squared_distances(
    first: ExactRows, rows: np.ndarray, second: ExactRows, columns: slice
) -> np.ndarray:
    """Return the squared distances of rows of two sets, float64 (rows, columns).

    They are of products of what the rows are less the centre, which rounds them by
    about 2**-48 of |a|^2 + |b|^2; where they are below 2**-14 of that, of the rows'
    differences.

    Args:
        first, second: with one centre.
        rows: int64, which rows of the first.
        columns: which rows of the second.
    """
    left, squares = first.centred(rows), first.squares[rows]
    block = np.empty((len(rows), columns.stop - columns.start))
    for start in range(columns.start, columns.stop, COLUMNS):
        # As wide as the others, so that all are rounded alike.
        stop = min(start + COLUMNS, columns.stop)
        part = slice(max(columns.start, stop - COLUMNS), stop)
        out = block[:, part.start - columns.start : stop - columns.start]
        np.matmul(left, second.centred(part).T, out=out)
        out *= -2
        out += squares[:, None]
        out += second.squares[part]
        for values, square, row in zip(out, squares, rows.tolist(), strict=True):
            near = np.flatnonzero(values < _NEAR * (square + second.squares[part]))
            if len(near):
                numbers = near + part.start
                values[near] = _by_differences(first, row, second, numbers)
    return block


def _by_differences(first, number, second, numbers):
    one = first.read(slice(number, number + 1))
    step = max(1, _PART_VALUES // one.size)
    found = []
    for start in range(0, len(numbers), step):
        rows = second.read(numbers[start : start + step])
        rows -= one
        found.append(squared_norms(rows))
    return np.concatenate(found)
