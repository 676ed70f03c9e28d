"""Are two images of the same person: what a threshold on their distance promises.

A pair is accepted as the same person where its distance is below the threshold. Of
pairs of two persons this accepts the false accept rate, of pairs of one person the true
accept rate; the curve of the two over all thresholds is the ROC.
"""

from dataclasses import dataclass
from math import ceil, frexp

import numpy as np

from tfipgan.errors import InputError

# The middle of the last bin must be a float32, which has 24 bits.
_MOST_BINS = 2**23


@dataclass(frozen=True)
class DistanceHistogram:
    """How many pairs of a query and a gallery image lie at which distance.

    Pairs that the protocol leaves out are not counted.

    Attributes:
        edges: float64 (bins + 1), rising; bin i holds edges[i] <= distance <
            edges[i + 1], the last one its upper edge and what lies above it too.
        positives: int64 (bins), pairs of the same person.
        negatives: int64 (bins), pairs of two persons.
    """

    edges: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray


class HistogramCounter:
    """Counts distances into a histogram as they come, exactly.

    The width of a bin is a power of two, so that scaling a distance rounds nothing and
    every distance below an edge is counted below it.

    Args:
        largest_distance: the edges go from 0 to this or a little above, above 0.
        bins: at most so many (more than half of them are used), 1 to 2**23.

    Raises:
        InputError: arguments out of these ranges.
    """

    def __init__(self, largest_distance: float, bins: int = 2**16):
        if not 1 <= bins <= _MOST_BINS:
            raise InputError(f"bins is {bins}, expected 1 to {_MOST_BINS}")
        if not 1e-300 <= largest_distance <= 1e300:
            raise InputError(
                f"largest_distance is {largest_distance}, expected 1e-300 to 1e300"
            )
        # Further out the width of a bin, or one over it, would not fit float32.
        dtype = np.float32 if 1e-30 <= largest_distance <= 1e38 else np.float64
        # frexp: x = mantissa * 2**exponent with a mantissa of 0.5 to below 1.
        mantissa, exponent = frexp(largest_distance / bins)
        self._width = 2.0 ** (exponent - (mantissa == 0.5))
        count = ceil(largest_distance / self._width)
        self._scale = dtype(1 / self._width)
        # In the last bin; what is above it is lowered to it.
        self._highest = dtype((count - 0.5) * self._width)
        self._positives = np.zeros(count, np.int64)
        self._negatives = np.zeros(count, np.int64)

    def add(
        self, positive_distances: np.ndarray, negative_distances: np.ndarray
    ) -> None:
        """Count pairs of the same person and of two persons, float (any number).

        Distances above the last edge, infinite ones too, go to the last bin; those
        below 0, which rounding may leave, to the first.
        """
        self._add(self._positives, positive_distances)
        self._add(self._negatives, negative_distances)

    def histogram(self) -> DistanceHistogram:
        """Return what was counted so far."""
        edges = np.arange(len(self._positives) + 1) * self._width
        return DistanceHistogram(edges, self._positives.copy(), self._negatives.copy())

    def _add(self, counts: np.ndarray, distances: np.ndarray) -> None:
        places = np.minimum(distances, self._highest)
        np.maximum(places, 0, out=places)
        places *= self._scale
        # Not bincount, which makes an array of all bins for every call.
        np.add.at(counts, places.astype(np.intp), 1)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold: pairs with distance < threshold are taken for the same person.

    Attributes:
        threshold: the distance, float.
        requested_rate: the false accept rate that was asked for, which is not exceeded.
        false_accept_rate, true_accept_rate: the shares of pairs of two persons and of
            one person that the threshold accepts; counts of these pairs, not
            estimates between them.
        num_false_accepts: pairs of two persons that it accepts.
        num_positive_pairs, num_negative_pairs: all pairs of one person, and of two.
    """

    threshold: float
    requested_rate: float
    false_accept_rate: float
    true_accept_rate: float
    num_false_accepts: int
    num_positive_pairs: int
    num_negative_pairs: int

    @property
    def has_too_few_negatives(self) -> bool:
        """Whether not even one false accept was allowed, for a rate above 0.

        The rate is kept on these pairs, but they are too few to tell it from 0.
        """
        return 0 < self.requested_rate * self.num_negative_pairs < 1


def operating_point(
    histogram: DistanceHistogram, false_accept_rate: float
) -> OperatingPoint:
    """Find the largest threshold that keeps a false accept rate.

    The threshold is an edge of the histogram, the largest one with at most this share
    of the pairs of two persons below it.

    Args:
        histogram: of the pairs to calibrate on.
        false_accept_rate: 0 (no false accept at all) to below 1.

    Raises:
        InputError: another rate; a histogram without pairs of either kind.
    """
    _check_pairs(histogram)
    if not 0 <= false_accept_rate < 1:
        raise InputError(
            f"the false accept rate is {false_accept_rate}, expected 0 to below 1 "
            "(0.001 accepts one of a thousand pairs of two persons)"
        )
    positives, negatives = _below(histogram.positives), _below(histogram.negatives)
    # A quotient is rounded once, so that 3 of 10 are at most 0.3.
    shares = negatives / negatives[-1]
    place = int(np.searchsorted(shares, false_accept_rate, side="right")) - 1
    return OperatingPoint(
        threshold=float(histogram.edges[place]),
        requested_rate=float(false_accept_rate),
        false_accept_rate=float(shares[place]),
        true_accept_rate=float(positives[place] / positives[-1]),
        num_false_accepts=int(negatives[place]),
        num_positive_pairs=int(positives[-1]),
        num_negative_pairs=int(negatives[-1]),
    )


def roc(histogram: DistanceHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Return the false and the true accept rates over all thresholds, both rising.

    float64 (points) each, from (0, 0) to (1, 1); only the points where the line between
    them bends. Raises InputError for a histogram without pairs of either kind.
    """
    _check_pairs(histogram)
    used = (histogram.positives > 0) | (histogram.negatives > 0)
    positives, negatives = histogram.positives[used], histogram.negatives[used]
    bends = positives[1:] * negatives[:-1] != positives[:-1] * negatives[1:]
    kept = np.concatenate([[True], bends, [True]])
    return tuple(
        below[kept] / below[-1] for below in (_below(negatives), _below(positives))
    )


def equal_error_rate(histogram: DistanceHistogram) -> float:
    """Return the rate at which as large a share is falsely accepted as refused.

    It lies on the straight line between two points of the ROC. Raises InputError for a
    histogram without pairs of either kind.
    """
    false_accepts, true_accepts = roc(histogram)
    # Rises from -1 to 1 all the way, as every point of the ROC is another one.
    return float(np.interp(0, false_accepts + true_accepts - 1, false_accepts))


def area_under_curve(histogram: DistanceHistogram) -> float:
    """Return the area under the ROC, by trapezoids.

    The chance that a pair of the same person is nearer than one of two persons, where
    pairs of one bin count as half. Raises InputError for a histogram without pairs of
    either kind.
    """
    false_accepts, true_accepts = roc(histogram)
    heights = (true_accepts[1:] + true_accepts[:-1]) / 2
    return float(np.diff(false_accepts) @ heights)


def _below(counts: np.ndarray) -> np.ndarray:
    """How many are below each edge, int64 (bins + 1)."""
    return np.append(0, np.cumsum(counts))


def _check_pairs(histogram: DistanceHistogram) -> None:
    positives, negatives = histogram.positives.sum(), histogram.negatives.sum()
    if not positives or not negatives:
        raise InputError(
            f"{positives} pairs of the same person and {negatives} of two persons; a "
            "threshold needs both: check the labels and the protocol"
        )
