import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation.verification import (
    DistanceHistogram,
    HistogramCounter,
    area_under_curve,
    equal_error_rate,
    operating_point,
    roc,
)


def histogram(positives, negatives):
    """Bins of width 0.5."""
    return DistanceHistogram(
        np.arange(len(positives) + 1) / 2, np.array(positives), np.array(negatives)
    )


def counted(positives, negatives, largest, bins):
    counter = HistogramCounter(largest, bins)
    counter.add(np.asarray(positives, np.float32), np.asarray(negatives, np.float32))
    return counter.histogram()


# Shares of negatives below the edges: 0, 0, 0.1, 0.3, 0.3, 1.
TEN = histogram(positives=[2, 1, 0, 0, 1], negatives=[0, 1, 2, 0, 7])


def test_counter_by_hand():
    counter = HistogramCounter(2, bins=4)
    counter.add(np.float32([0, 0.499]), np.float32([0.5, 1, 1.25]))
    counter.add(np.float32([]), np.float32([1.5, 2, 7, 3e38, np.inf, -1e-7, -1]))
    result = counter.histogram()
    np.testing.assert_array_equal(result.edges, [0, 0.5, 1, 1.5, 2])
    np.testing.assert_array_equal(result.positives, [2, 0, 0, 0])
    np.testing.assert_array_equal(result.negatives, [2, 1, 2, 5])
    assert result.positives.dtype == result.negatives.dtype == np.int64
    counter.add(np.float32([1]), np.float32([1]))
    assert result.positives.sum() == 2


@pytest.mark.parametrize("largest", [0.3, 1, 2.001, 4, 1e-6, 1e9])
@pytest.mark.parametrize("bins", [1, 2, 100, 2**16, 2**23])
def test_edges_reach_the_largest_distance(largest, bins):
    result = counted([], [np.float32(largest)], largest, bins)
    count = len(result.positives)
    width = result.edges[1]
    assert bins / 2 < count <= bins
    assert result.edges[-2] < largest <= result.edges[-1]
    assert np.log2(width) == round(np.log2(width))
    assert result.negatives[-1] == 1


def test_no_distance_is_counted_beyond_an_edge():
    # Distances on the edges and one bit to each side of them.
    edges = counted([], [], 2.2, 1000).edges.astype(np.float32)
    distances = np.concatenate(
        [edges, np.nextafter(edges[1:], 0), np.nextafter(edges, 9)]
    )
    result = counted([], distances, 2.2, 1000)
    below = np.cumsum(result.negatives)[:-1]
    np.testing.assert_array_equal(
        below, [(distances < edge).sum() for edge in result.edges[1:-1]]
    )


@pytest.mark.parametrize(
    ("rate", "threshold", "false_accepts", "true_rate"),
    [
        (0, 0.5, 0, 2 / 4),
        (0.0999, 0.5, 0, 2 / 4),
        (0.1, 1.0, 1, 3 / 4),
        (0.2999, 1.0, 1, 3 / 4),
        (0.3, 2.0, 3, 3 / 4),
        (0.999, 2.0, 3, 3 / 4),
    ],
)
def test_operating_point_by_hand(rate, threshold, false_accepts, true_rate):
    point = operating_point(TEN, rate)
    assert point.threshold == threshold
    assert point.requested_rate == rate
    assert point.num_false_accepts == false_accepts
    assert point.false_accept_rate == false_accepts / 10
    assert point.true_accept_rate == true_rate
    assert (point.num_positive_pairs, point.num_negative_pairs) == (4, 10)
    assert point.has_too_few_negatives == (0 < rate < 0.1)


def test_operating_point_that_accepts_nothing():
    point = operating_point(histogram([9, 1], [3, 7]), 0.2)
    assert point.threshold == point.true_accept_rate == point.false_accept_rate == 0
    assert not point.has_too_few_negatives


def test_operating_point_is_plain_python():
    types = {type(value) for value in vars(operating_point(TEN, 0)).values()}
    assert types == {float, int}


def test_curve_by_hand():
    false_accepts, true_accepts = roc(TEN)
    np.testing.assert_array_equal(false_accepts, [0, 0, 0.1, 0.3, 1])
    np.testing.assert_array_equal(true_accepts, [0, 0.5, 0.75, 0.75, 1])
    assert false_accepts.dtype == true_accepts.dtype == np.float64
    expected = 0.1 * 0.625 + 0.2 * 0.75 + 0.7 * 0.875
    assert area_under_curve(TEN) == pytest.approx(expected)
    # Refused are 0.25 where 0.25 is accepted.
    assert equal_error_rate(TEN) == pytest.approx(0.25)


def test_separated_and_equal_distances():
    apart = histogram([3, 2, 0, 0], [0, 0, 4, 5])
    np.testing.assert_array_equal(roc(apart), [[0, 0, 1], [0, 1, 1]])
    assert (area_under_curve(apart), equal_error_rate(apart)) == (1, 0)
    wrong_way = histogram([0, 2], [2, 0])
    assert (area_under_curve(wrong_way), equal_error_rate(wrong_way)) == (0, 1)
    # Along the diagonal no point is needed.
    for same in (histogram([2], [3]), histogram([2, 4, 0, 6], [1, 2, 0, 3])):
        np.testing.assert_array_equal(roc(same), [[0, 1], [0, 1]])
        assert (area_under_curve(same), equal_error_rate(same)) == (0.5, 0.5)


@pytest.mark.parametrize("seed", range(60))
def test_equals_sorting_all_pairs(seed):
    generator = np.random.default_rng(seed)
    # Multiples of 1/16 in bins of 1/16: equal distances are just those of one bin.
    positives, negatives = (
        generator.binomial(64, share, generator.integers(1, 200)) / 16
        for share in generator.uniform(0.1, 0.9, 2)
    )
    result = counted(positives, negatives, 5, 80)
    rates = [
        ((negatives < edge).mean(), (positives < edge).mean())
        for edge in [*result.edges[:-1], np.inf]
    ]

    for rate in (0, 0.003, 0.1, 0.25, 0.5, generator.uniform(), 0.9999):
        threshold = max(
            edge
            for edge, (share, _) in zip(result.edges, rates, strict=True)
            if share <= rate
        )
        point = operating_point(result, rate)
        assert point.threshold == threshold
        assert point.num_false_accepts == (negatives < threshold).sum()
        assert point.false_accept_rate == (negatives < threshold).mean()
        assert point.true_accept_rate == (positives < threshold).mean()

    points = list(zip(*roc(result), strict=True))
    assert points[0] == (0, 0) and points[-1] == (1, 1)
    assert set(points) <= set(rates)
    steps = np.diff(points, axis=0)
    bends = steps[1:, 0] * steps[:-1, 1] - steps[1:, 1] * steps[:-1, 0]
    assert (np.abs(bends) > 1e-9).all()
    # Every other threshold's point lies on the line between these.
    sums = [false + true for false, true in points]
    np.testing.assert_allclose(
        np.interp(
            [false + true for false, true in rates], sums, [x for x, _ in points]
        ),
        [false for false, _ in rates],
        atol=1e-12,
    )

    nearer = positives[:, None] < negatives
    equal = positives[:, None] == negatives
    assert area_under_curve(result) == pytest.approx((nearer + equal / 2).mean())
    error = equal_error_rate(result)
    for false, true in rates:
        assert min(false, 1 - true) - 1e-12 <= error <= max(false, 1 - true) + 1e-12


@pytest.mark.parametrize("rate", [-0.1, 1, 2, float("nan")])
def test_bad_rates(rate):
    with pytest.raises(InputError, match="expected 0 to below 1"):
        operating_point(TEN, rate)


@pytest.mark.parametrize(
    "function",
    [roc, equal_error_rate, area_under_curve, lambda h: operating_point(h, 0)],
)
def test_pairs_of_both_kinds_are_needed(function):
    with pytest.raises(InputError, match="^0 pairs of the same person and 3 of two"):
        function(histogram([0, 0], [1, 2]))
    with pytest.raises(InputError, match="^2 pairs of the same person and 0 of two"):
        function(histogram([1, 1], [0, 0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "largest_distance is 0, expected"),
        ((-1.0,), "largest_distance is -1.0, expected"),
        ((float("inf"),), "largest_distance is inf, expected"),
        ((float("nan"),), "largest_distance is nan, expected"),
        ((1, 0), "bins is 0, expected 1 to 8388608"),
        ((1, 2**23 + 1), "bins is 8388609, expected"),
    ],
)
def test_bad_counters(arguments, message):
    with pytest.raises(InputError, match=message):
        HistogramCounter(*arguments)
