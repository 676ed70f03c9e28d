"""Nearly equal images among features that float32 products suit."""

import numpy as np
import pytest

from tfipgan.evaluation import FeatureSet, evaluate_ranking, reranking
from tfipgan.evaluation.distances import Distances
from tfipgan.evaluation.metrics import evaluate_in_detail
from tfipgan.evaluation.near_pairs import FeatureRows, squared_differences
from tfipgan.evaluation.reranking import _Images, _nearest, reranked_rows

METRICS = ["euclidean", "cosine"]
SCALES = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7]
# What distances by a float32 product, of pairs that aren't near, may be off by.
PRECISION = {"euclidean": 2e-5, "cosine": 4e-5}
# Pairs closer than this, beside the query's length or alone, are surely near ones.
NEAR = {"euclidean": 0.17, "cosine": 0.0155}


def directions(generator, *shape):
    rows = generator.standard_normal(shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def near_sets(scale, seed=0, length=256, varied=False):
    """Query and gallery; each query has near images, one of them twice.

    Of the gallery's 600 images three are about as far from each query as scale, of
    another length each with `varied`, and one of those is there again at the end.
    """
    generator = np.random.default_rng(seed)
    query = directions(generator, 20, length)
    near = [
        query + scale * factor * directions(generator, 20, length)
        for factor in (1.5, 1, 1.2)
    ]
    gallery = np.concatenate([directions(generator, 520, length), *near, near[0]])
    gallery[:-20] = generator.permutation(gallery[:-20])
    if varied:
        query *= 10.0 ** generator.uniform(-2, 2, (20, 1))
        lengths = 10.0 ** generator.uniform(-2, 2, (600, 1))
        # Those that are near are as long as their query, but for a little.
        closest = np.argmax(gallery @ directions_of(query).T, axis=1)
        is_near = np.max(gallery @ directions_of(query).T, axis=1) > 0.9
        its_length = np.linalg.norm(query, axis=1)[closest, None]
        lengths[is_near] = its_length[is_near]
        gallery *= lengths
    return query.astype(np.float32), gallery.astype(np.float32)


def directions_of(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_distances(query, gallery, metric):
    query, gallery = (rows.astype(np.longdouble) for rows in (query, gallery))
    if metric == "cosine":
        query, gallery = directions_of(query), directions_of(gallery)
    squares = np.stack([((gallery - row) ** 2).sum(axis=1) for row in query])
    return (squares / 2 if metric == "cosine" else np.sqrt(squares)).astype(float)


def values_and_distances(query, gallery, metric, memory_bytes=2**28, kept=None):
    """What is ranked by and what is measured, of all pairs; the same in both passes."""
    found = Distances(query, gallery, metric, memory_bytes, kept)
    assert found.dtype == np.float32
    assert found.is_one_pass == (memory_bytes > 1)
    passes = {}
    for tile in found:
        whole = passes.setdefault(
            tile.is_last_pass, np.full((len(query), found.num_columns), np.nan)
        )
        rows = slice(tile.query_start, tile.query_start + len(tile.block))
        columns = slice(tile.column_start, tile.column_start + tile.block.shape[1])
        whole[rows, columns] = tile.block
    for whole in passes.values():
        np.testing.assert_array_equal(whole, passes[True])
    values = passes[True].astype(np.float32)
    return values, np.stack([found.to_distance(i, v) for i, v in enumerate(values)])


@pytest.mark.parametrize("memory_bytes", [1, 2**28])
@pytest.mark.parametrize("varied", [False, True], ids=["length 1", "varied lengths"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", SCALES)
def test_order_and_distances_are_those_of_float64(scale, metric, varied, memory_bytes):
    query, gallery = near_sets(scale, varied=varied)
    kept = np.flatnonzero(np.arange(len(gallery)) % 7)
    for columns in (None, kept):
        values, distances = values_and_distances(
            query, gallery, metric, memory_bytes, columns
        )
        its_gallery = gallery if columns is None else gallery[columns]
        expected = slow_distances(query, its_gallery, metric)
        np.testing.assert_allclose(distances, expected, rtol=PRECISION[metric])
        lengths = (
            np.linalg.norm(query, axis=1) if metric == "euclidean" else np.ones(20)
        )
        is_near = expected < NEAR[metric] * lengths[:, None]
        assert np.count_nonzero(is_near) >= 60
        np.testing.assert_allclose(distances[is_near], expected[is_near], rtol=3e-7)
        order = np.argsort(values, axis=1, kind="stable")
        ranked = np.take_along_axis(expected, order, axis=1)
        gaps = np.diff(ranked, axis=1)
        assert (gaps >= -PRECISION[metric] * ranked[:, 1:]).all()
        its_near = np.take_along_axis(is_near, order, axis=1)[:, 1:]
        assert (gaps >= -2e-7 * ranked[:, 1:])[its_near].all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("factor", [1, 1.25**0.5], ids=["near", "looked at"])
def test_order_holds_where_near_begins(factor, metric):
    """Pairs around 2**-6 of |a|^2 + |b|^2, closer to it than products can tell."""
    generator = np.random.default_rng(0)
    query, gallery = near_sets(0.1)
    distance = factor * 2**-2.5 * (1 + 2e-6 * generator.standard_normal((20, 20)))
    rows = np.arange(300, 320)
    count_near = 0
    for i, row in enumerate(query):
        others = directions(generator, 20, 256)
        others = directions_of(others - (others @ row)[:, None] * row)
        angles = 2 * np.arcsin(distance[i, :, None] / 2)
        gallery[rows] = np.cos(angles) * row + np.sin(angles) * others
        values, distances = values_and_distances(query[i : i + 1], gallery, metric)
        expected = slow_distances(query[i : i + 1], gallery, metric)[0]
        length = np.linalg.norm(row.astype(float)) if metric == "euclidean" else 1
        share = expected / (2**-2.5 * length if metric == "euclidean" else 2**-6)
        # Who is near is known of the distance, and all of them are before the others.
        is_near = share < 1
        is_sure = abs(share - 1) > 2e-7
        np.testing.assert_array_equal(
            (values[0] < -(length**2))[is_sure], is_near[is_sure]
        )
        count_near += np.count_nonzero(is_near[rows])
        order = np.argsort(values[0], kind="stable")
        gaps = np.diff(expected[order]) / expected[order[1:]]
        assert (gaps >= -PRECISION[metric]).all()
        assert (gaps >= -2e-7)[share[order[:-1]] < 1].all()
        # Nor does a list have a farther image before a nearer one.
        listed = distances[0, order]
        assert (np.diff(listed) >= -2e-7 * listed[1:]).all()
    assert (100 < count_near < 300) if factor == 1 else count_near == 0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [0, *SCALES])
def test_equal_images_tie(scale, metric):
    query, gallery = near_sets(0.1)
    near = query + scale * directions(np.random.default_rng(1), 20, 256)
    copies = [5, 131, 599]
    for i in range(0, 20, 4):
        gallery[copies] = near[i]
        for memory_bytes in (1, 2**28):
            values, distances = values_and_distances(
                query[i : i + 1], gallery, metric, memory_bytes
            )
            assert len(set(values[0, copies].tolist())) == 1
            assert (distances[0, copies] == 0).all() == (scale == 0)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("length", [1e-6, 1e-3, 1e3, 1e9])
def test_lengths_do_not_matter(length, metric):
    query, gallery = near_sets(1e-6)
    query, gallery = np.float32(length) * query, np.float32(length) * gallery
    # One value apart by one step, which the square of a float32 could not hold.
    gallery[7] = query[7]
    query[7, 0] = 0
    gallery[7, 0] = length * 2.0**-60
    with np.errstate(all="raise", under="ignore"):
        _, distances = values_and_distances(query, gallery, metric)
    expected = slow_distances(query, gallery, metric)
    np.testing.assert_allclose(distances, expected, rtol=PRECISION[metric])
    assert distances[7, 7] > 0


def test_queries_of_zeros_have_the_lengths_of_the_others():
    query, gallery = near_sets(1e-3, varied=True)
    query[3] = gallery[5] = 0
    _, distances = values_and_distances(query, gallery, "euclidean")
    expected = slow_distances(query, gallery, "euclidean")
    np.testing.assert_allclose(distances, expected, rtol=PRECISION["euclidean"])
    assert distances[3, 5] == 0


def test_many_near_pairs_take_several_parts():
    generator = np.random.default_rng(0)
    rows = directions(generator, 100, 3000).astype(np.float32)
    first, second = generator.integers(0, 100, (2, 500))
    images = FeatureRows(rows, "euclidean")
    expected = ((rows[first].astype(float) - rows[second]) ** 2).sum(axis=1)
    found = squared_differences(images, first, images, second)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def right_and_wrong(distance):
    """200 queries, each with its match so far away and another one farther by 1.2."""
    generator = np.random.default_rng(0)
    query = directions(generator, 200, 512)
    others = directions(generator, 600, 512)
    right = query + distance * directions(generator, 200, 512)
    wrong = query + 1.2 * distance * directions(generator, 200, 512)
    persons = np.arange(200)
    return (
        FeatureSet(query, persons, [1] * 200),
        FeatureSet(
            np.concatenate([wrong, right, others]).astype(np.float32),
            np.concatenate([1000 + persons, persons, np.full(600, 5000)]),
            [2] * 1000,
        ),
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("distance", [3e-3, 1e-3, 3e-4, 1e-5])
def test_the_nearer_of_two_near_images_is_first(distance, metric):
    result = evaluate_ranking(*right_and_wrong(distance), metric=metric)
    assert result["rank-1"] == 1
    assert result["mAP"] == 1


@pytest.mark.parametrize("distance", [3e-3, 1e-3, 3e-4, 1e-5])
def test_reranked_near_images_are_as_in_float64(distance, monkeypatch):
    sets = right_and_wrong(distance)
    found = evaluate_ranking(*sets, rerank=True)
    monkeypatch.setattr(reranking, "fits_float32", lambda *_: False)
    expected = evaluate_ranking(*sets, rerank=True)
    # Equal but for other images, which are as far from all that are near each other
    # as float32 can tell.
    for name in ("rank-1", "mAP", "mINP"):
        assert found[name] == pytest.approx(expected[name], abs=0.02)


@pytest.mark.parametrize("scale", SCALES[1:])
def test_neighbours_for_reranking_are_those_of_float64(scale):
    query, gallery = near_sets(scale)
    both = np.concatenate([query, gallery])
    expected = slow_distances(both, both, "euclidean")
    np.fill_diagonal(expected, -1)
    for memory_bytes in (1, 2**28):
        found, _ = _nearest(_Images(query, gallery), 5, memory_bytes)
        for i in range(len(query)):
            ranked = expected[i, found[i]]
            right = np.sort(expected[i])[:5]
            np.testing.assert_allclose(ranked, right, rtol=3e-7)
            assert found[i, 0] == i
        # The copy at the end is as near as its image, and after it.
        is_copy = found[:20] == np.arange(600, 620)[:, None]
        before = np.roll(is_copy, -1, axis=1)
        assert is_copy.any(axis=1).all()
        assert (both[found[:20][before]] == both[found[:20][is_copy]]).all()


def test_reranked_distances_of_near_images():
    query, gallery = near_sets(1e-4)
    rows = np.array(list(reranked_rows(query, gallery, lambda_value=1)))
    squares = slow_distances(query, gallery, "euclidean") ** 2
    both = np.concatenate([query, gallery])
    farthest = slow_distances(query, both, "euclidean").max(axis=1, keepdims=True) ** 2
    np.testing.assert_allclose(
        rows, squares / farthest, rtol=2 * PRECISION["euclidean"]
    )


@pytest.mark.parametrize("protocol", ["market1501", "cuhk03"])
@pytest.mark.parametrize("metric", METRICS)
def test_images_at_a_distance_of_0_are_ranked_listed_and_counted(metric, protocol):
    query, gallery = near_sets(0.1)
    gallery[[30, 40]] = query[0]
    persons = np.full(600, 99)
    persons[40] = 0
    persons[400] = 1
    sets = (
        FeatureSet(query, np.arange(20), [1] * 20),
        FeatureSet(gallery, persons, [2] * 600),
    )
    with np.errstate(all="raise"):
        result, detail = evaluate_in_detail(
            *sets, metric=metric, protocol=protocol, top=700
        )
    assert result["num_queries_evaluated"] == 2
    # Of equal images the earlier one is first.
    assert detail.first_rank[0] == 2
    np.testing.assert_array_equal(detail.top[0, :2], [30, 40])
    np.testing.assert_array_equal(detail.top_distance[0, :2], [0, 0])
    assert (detail.top_distance[0, 2:600] > 0).all()
    np.testing.assert_array_equal(detail.top[:, 600:], -1)
    assert np.isinf(detail.top_distance[:, 600:]).all()
    assert (detail.histogram.positives[0], detail.histogram.negatives[0]) == (1, 1)
    assert detail.histogram.positives.sum() == 2
    assert detail.camera_pairs.num_queries.tolist() == [[2]]
