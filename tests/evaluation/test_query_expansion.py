"""Expanded and averaged queries, against values by hand and slow loops."""

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation.metrics import evaluate_in_detail
from tfipgan.evaluation.query_expansion import averaged_queries, expanded_queries


def directions(*shape, seed=0, spread=1.0):
    """Rows of length 1 around a common one, float32."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal(shape[1]) + spread * rng.standard_normal(shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def slowly_expanded(query, gallery, k, alpha):
    found = []
    for row in query.astype(np.float64):
        cosines = [float(row @ image) for image in gallery.astype(np.float64)]
        nearest = sorted(range(len(gallery)), key=lambda i: (-cosines[i], i))[:k]
        total = row + sum(max(cosines[i], 0) ** alpha * gallery[i] for i in nearest)
        found.append(total / np.linalg.norm(total))
    return np.array(found)


def test_by_hand():
    query = np.array([[1, 0]], np.float32)
    gallery = np.array([[-1, 0], [0.6, 0.8], [0, 1], [0.8, 0.6]], np.float32)

    def expanded(k):
        return expanded_queries(query, gallery, k)[0]

    def direction(x, y):
        return pytest.approx(np.array([x, y]) / np.hypot(x, y), abs=1e-6)

    assert expanded(1) == direction(1 + 0.512 * 0.8, 0.512 * 0.6)
    both = 1 + 0.512 * 0.8 + 0.216 * 0.6, 0.512 * 0.6 + 0.216 * 0.8
    assert expanded(2) == direction(*both)
    # What is at a right angle, or behind, weighs nothing; a smaller gallery is all.
    for k in (4, 99):
        assert expanded(k) == direction(*both)


def test_of_images_as_near_the_first_is_taken():
    """Of values that no rounding can tell apart: all lengths and products are exact."""
    query = np.array([[1, 0, 0, 0]], np.float32)
    odd, others = [0.5, 0.5, -0.5, -0.5], [[0.5, 0.5, 0.5, 0.5]] * 40
    for gallery, sign in (([odd, *others], -1), ([*others, odd], 1)):
        expected = np.array([1 + 0.0625, 0.0625, sign * 0.0625, sign * 0.0625])
        found = expanded_queries(query, np.array(gallery, np.float32), 1)[0]
        assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_the_plain_average_by_hand():
    query = np.array([[1, 0]], np.float32)
    gallery = np.array([[-1, 0], [0.6, 0.8], [0, 1], [0.8, 0.6]], np.float32)
    found = expanded_queries(query, gallery, 2, 0.0)[0]
    assert found == pytest.approx(np.array([2.4, 1.4]) / np.hypot(2.4, 1.4), abs=1e-6)


@pytest.mark.parametrize("kept", [None, np.arange(1, 300, 2)])
@pytest.mark.parametrize("memory", [2**28, 2**13])
def test_the_same_as_slowly(kept, memory):
    """Also of tiles, and of a gallery without its junk."""
    query, gallery = directions(40, 24), directions(300, 24, seed=1)
    gallery[10:20] = gallery[20:30]
    searched = gallery if kept is None else gallery[kept]
    for k, alpha in ((1, 3.0), (5, 3.0), (7, 0.5), (300, 1.0)):
        found = expanded_queries(query, gallery, k, alpha, memory, kept)
        assert found.dtype == np.float32
        np.testing.assert_allclose(
            found, slowly_expanded(query, searched, k, alpha), atol=2e-6
        )


@pytest.mark.parametrize("memory", [2**28, 2**13])
def test_of_equally_near_images_the_earlier_ones(memory):
    query = np.array([[1, 0, 0]] * 20, np.float32)
    near = [[0.6, 0.8, 0], [0.6, -0.8, 0], [0, 0, 1]]
    for seed in range(5):
        numbers = np.random.default_rng(seed).choice(3, 300)
        gallery = np.array(near, np.float32)[numbers]
        for k in (1, 4, 25):
            found = expanded_queries(query, gallery, k, 1.0, memory)
            expected = slowly_expanded(query[:1], gallery, k, 1.0)
            np.testing.assert_allclose(found, np.repeat(expected, 20, 0), atol=1e-6)


def test_copies_of_the_query_are_nearest():
    """Of distance 0, which a tile may hold as -infinity."""
    query = directions(20, 24, spread=0.01)
    gallery = np.concatenate([directions(100, 24, seed=1), query])
    found = expanded_queries(query, gallery, 1)
    np.testing.assert_allclose(found, query, atol=1e-6)


@pytest.fixture
def sets():
    """Query and gallery of 12 people under three cameras, some junk in the gallery."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((12, 16))

    def build(count, seed):
        rng = np.random.default_rng(seed)
        persons, cameras = rng.integers(0, 12, count), rng.integers(1, 4, count)
        rows = centres[persons] + 1.5 * rng.standard_normal((count, 16))
        persons[::15] = -1
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return FeatureSet(rows.astype(np.float32), persons, cameras)

    return build(30, 4), build(120, 5)


@pytest.mark.parametrize(
    ("metric", "rerank"), [("euclidean", False), ("cosine", False), ("euclidean", True)]
)
def test_evaluation_ranks_by_the_expanded_queries(sets, metric, rerank):
    query, gallery = sets
    kept = gallery.person_ids != -1
    rows = slowly_expanded(query.features, gallery.features[kept], 4, 2.0)
    other = FeatureSet(rows, query.person_ids, query.camera_ids)
    options = {"metric": metric, "rerank": rerank}
    expected = evaluate_ranking(other, gallery, **options)
    plain = evaluate_ranking(query, gallery, **options)
    options |= {"query_expansion": 4, "alpha": 2.0}
    found = evaluate_ranking(query, gallery, **options)
    assert found.pop("query_expansion") == 4
    assert found.pop("query_expansion_alpha") == 2.0
    assert found.pop("cmc") == pytest.approx(expected.pop("cmc"))
    assert found == pytest.approx(expected)
    assert found["mAP"] != pytest.approx(plain["mAP"], abs=1e-3)
    assert "query_expansion" not in plain
    in_detail, detail = evaluate_in_detail(query, gallery, **options)
    assert in_detail["mAP"] == found["mAP"]
    average = detail.average_precision
    assert np.nanmean(average) == pytest.approx(found["mAP"])


def test_no_label_is_read(sets):
    """Images that the protocol leaves out for the query expand it as others do."""
    query, gallery = sets
    found = [
        evaluate_in_detail(
            FeatureSet(query.features, query.person_ids, cameras), gallery,
            protocol="cross-camera-off", query_expansion=5,
        )[1].top_distance
        for cameras in (query.camera_ids, query.camera_ids % 3 + 1)
    ]  # fmt: skip
    np.testing.assert_array_equal(*found)
    rows = expanded_queries(query.features, gallery.features, 3)
    of_camera = np.isin(gallery.camera_ids, (1, 2))
    others = expanded_queries(query.features, gallery.features[of_camera], 3)
    assert abs(rows - others).max() > 1e-2


def test_a_copy_of_the_query_is_found_by_its_features_as_they_were():
    """Else it would find itself, where files aren't at hand."""
    rows = directions(6, 8, seed=2)
    query = FeatureSet(rows[:2], [1, 2], [1, 1])
    gallery = FeatureSet(rows, [1, 2, 3, 4, 1, 2], [1, 1, 1, 1, 2, 2])
    found = evaluate_ranking(
        query, gallery, protocol="cross-camera-off", query_expansion=2
    )
    assert found["num_gallery_copies"] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"query_expansion": 0}, "by 0 gallery images, expected 1 or more"),
        ({"query_expansion": 1, "alpha": -1.0}, "is -1.0, expected a number from 0"),
        ({"query_expansion": 1, "alpha": np.nan}, "is nan, expected a number from 0"),
        ({"query_expansion": 1, "alpha": np.inf}, "is inf, expected a number from 0"),
        (
            {"query_expansion": 1, "distances": np.ones((30, 120))},
            "distances of your own are given; expected one of the two",
        ),
    ],
)
def test_options_that_are_none(sets, options, words):
    with pytest.raises(InputError, match=words):
        evaluate_ranking(*sets, **options)


def test_features_of_other_lengths(sets):
    query, gallery = sets
    gallery.features[7] *= 3
    with pytest.raises(InputError, match="^gallery row 7 has the length 3, expected 1"):
        evaluate_ranking(query, gallery, query_expansion=1)
    evaluate_ranking(query, gallery)
    query.features[3] = 0
    with pytest.raises(InputError, match="^query row 3 has the length 0, expected 1"):
        averaged_queries(query, gallery)
    # Half precision is no other length.
    half = gallery.features / np.linalg.norm(gallery.features, axis=1, keepdims=True)
    expanded_queries(half.astype(np.float16).astype(np.float32), half, 1)


def slowly_averaged(query, pool):
    found = []
    for row, person, camera in zip(
        query.features, query.person_ids, query.camera_ids, strict=True
    ):
        images = [
            image
            for image, p, c in zip(
                pool.features, pool.person_ids, pool.camera_ids, strict=True
            )
            if (p, c) == (person, camera) and person != -1
        ]
        mean = np.mean(images, axis=0, dtype=float) if images else row
        found.append(mean / np.linalg.norm(mean))
    return np.array(found)


def test_averaged_queries(sets):
    query, pool = sets
    found, counts = averaged_queries(query, pool)
    np.testing.assert_allclose(found.features, slowly_averaged(query, pool), atol=1e-6)
    for name in ("person_ids", "camera_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(query, name))
    alone = counts == 1
    assert 0 < alone.sum() < len(query) and (query.person_ids[~alone] >= 0).all()
    # Without an image in the pool, and as junk, a query stays to the bit.
    is_junk = query.person_ids == -1
    np.testing.assert_array_equal(found.features[is_junk], query.features[is_junk])
    assert (counts[is_junk] == 1).all() and is_junk.any()
    own, own_counts = averaged_queries(query)
    np.testing.assert_allclose(own.features, slowly_averaged(query, query), atol=1e-6)
    # Nor is a row scaled that is of nearly length 1.
    query.features *= np.float32(1.003)
    own, _ = averaged_queries(query)
    single = own_counts == 1
    np.testing.assert_array_equal(own.features[single], query.features[single])
    assert 0 < single.sum() < len(query)


def test_averaged_queries_by_hand():
    query = FeatureSet(np.eye(2), [1, 1], [1, 2], ["a", "b"])
    pool = FeatureSet(
        np.array([[1, 0], [0.8, 0.6], [0, 1], [0, -1]]), [1, 1, 1, 2], [1, 1, 3, 1]
    )
    found, counts = averaged_queries(query, pool)
    length = np.hypot(0.9, 0.3)
    expected = [[0.9 / length, 0.3 / length], [0, 1]]
    np.testing.assert_allclose(found.features, expected, atol=1e-7)
    assert counts.tolist() == [2, 1] and found.paths.tolist() == ["a", "b"]


def test_what_averaged_queries_refuse(sets):
    query, pool = sets
    with pytest.raises(
        InputError, match="not for the protocol cross-camera-off, whose"
    ):
        averaged_queries(query, pool, "cross-camera-off")
    other = FeatureSet(np.eye(3), [1, 2, 3], [1, 1, 1])
    with pytest.raises(InputError, match="pool have 3 values, those of the queries 16"):
        averaged_queries(query, other)
    query.camera_ids[1] = -1
    with pytest.raises(InputError, match=r"^1 of 30 query images have no camera id"):
        averaged_queries(query)
    query.camera_ids[:] = 1
    query.camera_ids[query.person_ids == -1] = -1
    averaged_queries(query)
