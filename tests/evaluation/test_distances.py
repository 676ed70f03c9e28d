"""Distances against a slow float64 version, whatever the features' offset and scale."""

import tracemalloc

import numpy as np
import pytest

from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation.distances import Distances
from tfipgan.evaluation.exact_distances import ExactRows
from tfipgan.evaluation.metrics import evaluate_in_detail
from tfipgan.evaluation.verification import operating_point


def slow_distances(query, gallery, metric="euclidean"):
    """Pair by pair, of differences, in the machine's longest floats."""
    query, gallery = (rows.astype(np.longdouble) for rows in (query, gallery))
    if metric == "cosine":
        query, gallery = (
            rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
            for rows in (query, gallery)
        )
    squares = np.stack([((gallery - row) ** 2).sum(axis=1) for row in query])
    return (squares / 2 if metric == "cosine" else np.sqrt(squares)).astype(float)


def all_distances(query, gallery, metric="euclidean", memory_bytes=2**28, kept=None):
    """(distances, their dtype)"""
    found = Distances(query, gallery, metric, memory_bytes, kept)
    result = np.full((len(query), found.num_columns), np.nan)
    for tile in found:
        for i, values in enumerate(tile.block, tile.query_start):
            columns = slice(tile.column_start, tile.column_start + len(values))
            result[i, columns] = found.to_distance(i, values)
    return result, found.dtype


def one_constant_column(rows):
    rows[:, 0] = 30_000


def one_outlier(rows):
    rows += 3000
    rows[len(rows) // 2] *= 1e20


def one_outlier_without_an_offset(rows):
    rows[len(rows) // 2] *= 1e6


def two_places(rows):
    rows[::2] += 5e4
    rows[1::2] -= 5e4


def mixed_scales(rows):
    rows *= 10.0 ** (np.arange(len(rows)) % 41 - 20)[:, None]


def make(change, seed, length, sizes=(23, 150)):
    """Query and gallery of normal rows, changed; the gallery's last ten are copies."""
    generator = np.random.default_rng(seed)
    sets = [generator.standard_normal((size, length)) for size in sizes]
    for rows in sets:
        change(rows)
    query, gallery = (rows.astype(np.float32) for rows in sets)
    gallery[-10:] = gallery[:10]
    return query, gallery


def offset(by):
    def change(rows):
        rows += by

    return pytest.param(change, id=f"offset {by:g}")


def scale(by):
    def change(rows):
        rows *= by

    return pytest.param(change, id=f"scale {by:g}")


OFFSETS = [offset(by) for by in (0, 1e-3, 0.1, 1, 3, 10, 30, 300, 3000, 3e4, 1e6)]
SCALES = [scale(by) for by in (1e-44, 1e-40, 1e-30, 1e-24, 1e-12, 1e12, 1e24, 7e37)]
SHAPES = [
    *OFFSETS,
    *SCALES,
    one_constant_column,
    one_outlier,
    one_outlier_without_an_offset,
    two_places,
]


@pytest.mark.parametrize("length", [1, 2, 7, 64])
@pytest.mark.parametrize("change", SHAPES)
def test_distances_are_right_at_any_offset_and_scale(change, length):
    query, gallery = make(change, length, length)
    expected = slow_distances(query, gallery)
    found, dtype = all_distances(query, gallery)
    if dtype == np.float64:
        np.testing.assert_allclose(found, expected, rtol=1e-7)
        order, right = (np.argsort(d, 1, kind="stable") for d in (found, expected))
        np.testing.assert_array_equal(order, right)
    else:
        # float32 is for distances that are not small beside the rows themselves.
        lengths = np.linalg.norm(query, axis=1)[:, None]
        lengths = lengths + np.linalg.norm(gallery, axis=1)
        assert (abs(found**2 - expected**2) <= 2.0**-21 * lengths**2).all()
        assert np.median(expected / lengths) > 0.1


@pytest.mark.parametrize("length", [7, 64])
@pytest.mark.parametrize("change", [*SHAPES[:-3], mixed_scales])
def test_cosine_distances_are_right_at_any_offset_and_scale(change, length):
    query, gallery = make(change, length, length)
    query, gallery = (rows[rows.any(axis=1)] for rows in (query, gallery))
    expected = slow_distances(query, gallery, "cosine")
    found, dtype = all_distances(query, gallery, "cosine")
    if dtype == np.float64:
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        # The smallest floats have many directions that are equal but for rounding.
        ranked = np.take_along_axis(expected, found.argsort(axis=1), axis=1)
        assert (np.diff(ranked, axis=1) >= -1e-10 * ranked[:, 1:]).all()
    else:
        assert abs(found - expected).max() < 1e-6
        assert np.median(expected) > 0.05


@pytest.mark.parametrize("length", [2, 7, 64])
def test_scales_of_all_kinds_in_one_gallery(length):
    query, gallery = make(mixed_scales, length, length)
    found, dtype = all_distances(query, gallery)
    assert dtype == np.float64
    np.testing.assert_allclose(found, slow_distances(query, gallery), rtol=1e-7)


@pytest.mark.parametrize("change", [*OFFSETS, one_constant_column, two_places])
@pytest.mark.parametrize("length", [1, 3, 16])
def test_exact_ties_stay_ties(change, length):
    """Values on a coarse grid, as of float16: many distances are equal."""
    generator = np.random.default_rng(length)
    query, gallery = (
        generator.integers(-3, 4, (size, length)) / 4.0 for size in (20, 130)
    )
    for rows in (query, gallery):
        change(rows)
        rows[:] = np.round(rows * 64) / 64
    query, gallery = query.astype(np.float32), gallery.astype(np.float32)
    expected = slow_distances(query, gallery)
    found, _ = all_distances(query, gallery)
    order, right = (np.argsort(d, 1, kind="stable") for d in (found, expected))
    np.testing.assert_array_equal(order, right)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("length", [3, 67, 500])
@pytest.mark.parametrize("count", [101, 515, 1100])
def test_equal_images_tie_whatever_their_place(metric, length, count):
    generator = np.random.default_rng(count)
    query = generator.standard_normal((3, length)).astype(np.float32) + 3000
    images = generator.standard_normal((5, length)).astype(np.float32) + 3000
    which = generator.integers(0, 5, count)
    for memory_bytes in (1, 2**20, 2**28):
        found, dtype = all_distances(query, images[which], metric, memory_bytes)
        assert dtype == np.float64
        for image in range(5):
            same = found[:, which == image]
            np.testing.assert_array_equal(same, same[:, :1].repeat(same.shape[1], 1))


@pytest.mark.parametrize("length", [64, 512])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_float32_is_kept_for_descriptors_of_length_1(metric, length):
    generator = np.random.default_rng(0)
    rows = np.maximum(generator.standard_normal((700, length)), 0)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found, dtype = all_distances(rows[:100], rows[100:], metric)
    assert dtype == np.float32
    products = rows[:100].astype(float) @ rows[100:].astype(float).T
    expected = 1 - products if metric == "cosine" else np.sqrt(2 - 2 * products)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_outliers_do_not_move_the_middle():
    _, gallery = make(one_outlier, 0, 16)
    assert abs(ExactRows(gallery, "euclidean").middle() - 3000).max() < 1.1


def test_an_offset_of_the_gallery_alone():
    generator = np.random.default_rng(1)
    query, gallery = generator.standard_normal((2, 200, 64)).astype(np.float32)
    gallery += 3000
    found, _ = all_distances(query, gallery)
    expected = slow_distances(query, gallery)
    order, right = (np.argsort(d, 1, kind="stable") for d in (found, expected))
    np.testing.assert_array_equal(order, right)


def test_rows_that_do_not_count_do_not_matter():
    query, gallery = make(one_outlier, 3, 8)
    kept = np.flatnonzero(np.arange(len(gallery)) % 3)
    gallery[::3] = 0
    for metric in ("euclidean", "cosine"):
        found, dtype = all_distances(query, gallery, metric, kept=kept)
        assert dtype == np.float64
        expected, _ = all_distances(query, gallery[kept], metric)
        np.testing.assert_array_equal(found, expected)


def test_all_images_equal():
    rows = np.full((40, 3), 0.1, np.float32) + 3000
    for memory_bytes in (1, 2**28):
        found, dtype = all_distances(rows[:4], rows[4:], memory_bytes=memory_bytes)
        assert dtype == np.float64 and not found.any()
    assert not all_distances(0 * rows[:4], 0 * rows[4:])[0].any()


def test_memory_is_bounded_in_float64_too():
    generator = np.random.default_rng(2)
    query = generator.standard_normal((500, 256)).astype(np.float32) + 3000
    gallery = generator.standard_normal((20_000, 256)).astype(np.float32) + 3000
    memory_bytes = 2**24
    tracemalloc.start()
    for _ in Distances(query, gallery, "euclidean", memory_bytes):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The distances have 80 MB, the gallery in float64 41 MB.
    assert peak < 1.5 * memory_bytes


def people(seed, by):
    """Query and gallery sets of 20 people, told apart well."""
    generator = np.random.default_rng(seed)
    centres = 3 * generator.standard_normal((20, 32))
    sets = []
    for size, camera in ((60, 1), (300, 2)):
        persons = np.arange(size) % 20
        rows = centres[persons] + generator.standard_normal((size, 32))
        sets.append(FeatureSet(by(rows), persons, np.full(size, camera)))
    return sets


@pytest.mark.parametrize(
    "by",
    [
        lambda rows: rows + 3000,
        lambda rows: np.hstack([rows, np.full((len(rows), 1), 30_000)]),
        lambda rows: rows * 1e-24,
        lambda rows: rows * 1e-42,
        lambda rows: rows * 1e30,
        lambda rows: rows * 1e37,
    ],
    ids=["offset", "constant column", "1e-24", "1e-42", "1e30", "1e37"],
)
@pytest.mark.parametrize("rerank", [False, True])
def test_metrics_are_those_of_the_features_as_they_were(by, rerank):
    plain = evaluate_ranking(*people(0, lambda rows: rows), rerank=rerank)
    assert 0.98 < plain["mAP"] <= 1
    found = evaluate_ranking(*people(0, by), rerank=rerank)
    for name in ("rank-1", "mAP", "mINP"):
        assert found[name] == pytest.approx(plain[name], abs=1e-3)


@pytest.mark.parametrize(
    ("by", "unit"),
    [
        (lambda rows: rows + 3000, 1),
        (lambda rows: rows * 1e-40, 1e-40),
        (lambda rows: rows * 1e37, 1e37),
    ],
)
def test_thresholds_are_right(by, unit):
    def threshold(by):
        _, detail = evaluate_in_detail(*people(0, by))
        point = operating_point(detail.histogram, 0.001)
        return point.threshold, point.true_accept_rate, detail.top_distance

    plain = threshold(lambda rows: rows)
    found = threshold(by)
    assert found[0] == pytest.approx(plain[0] * unit, rel=3e-3)
    assert found[1] == pytest.approx(plain[1], abs=0.01)
    np.testing.assert_allclose(found[2] / unit, plain[2], rtol=1e-3)


def test_distances_of_ones_own_may_be_of_float64():
    sets = [FeatureSet([[0.0]] * n, [1] * (n - 1) + [2], [n] * n) for n in (2, 3)]
    near = 1 + np.array([[2, 1, 3], [3, 2, 1]]) * 1e-12
    result = evaluate_ranking(*sets, distances=near)
    assert result["mAP"] == 1
