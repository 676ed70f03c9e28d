import json

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet, evaluate_ranking, ranking
from tfipgan.evaluation.reranking import reranked_rows


def line(*images):
    """A set of images on a line: (position, person, camera[, path])."""
    positions, persons, cameras, *paths = zip(*images, strict=True)
    return FeatureSet(np.array(positions)[:, None], persons, cameras, *paths)


QUERY = line((0, 1, 1))


def test_hand_computed():
    gallery = line((4, 1, 2), (1, 2, 2), (2, 1, 3), (3, 3, 1))
    result = evaluate_ranking(QUERY, gallery)
    # The order is person 2, 1, 3, 1: hits at ranks 2 and 4.
    assert result["cmc"] == [0, 1, 1, 1]
    assert (result["rank-1"], result["rank-5"], result["rank-20"]) == (0, 1, 1)
    assert result["mAP"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    result = evaluate_ranking(QUERY, gallery, ap="trapezoid")
    assert result["mAP"] == pytest.approx(((0 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2)


def test_trapezoid_before_rank_1_is_1():
    gallery = line((1, 1, 2), (2, 2, 2), (3, 1, 2))
    result = evaluate_ranking(QUERY, gallery, ap="trapezoid")
    assert result["mAP"] == pytest.approx(((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


def test_same_camera_and_junk_are_not_counted():
    gallery = line((1, 1, 1), (2, -1, 2), (3, 1, 2), (4, 0, 2))
    result = evaluate_ranking(QUERY, gallery)
    assert result["rank-1"] == result["mAP"] == 1
    assert (result["num_gallery"], result["num_gallery_junk"]) == (4, 1)
    assert len(result["cmc"]) == 3


def test_distractors_are_counted():
    gallery = line((1, 0, 2), (2, 1, 2))
    assert evaluate_ranking(QUERY, gallery)["mAP"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(("first", "rank_1"), [(1, 1), (2, 0)])
def test_ties_are_broken_by_gallery_order(first, rank_1):
    gallery = line((1, first, 2), (-1, 3 - first, 2), (1, 3, 2))
    result = evaluate_ranking(QUERY, gallery)
    assert result["rank-1"] == rank_1
    assert result["mAP"] == 1 / (2 - rank_1)


def test_identical_images_tie_whatever_their_place():
    # 101 columns: more than one kind of kernel in a matrix product's columns.
    generator = np.random.default_rng(0)
    image = generator.normal(size=(1, 67)).astype(np.float32)
    persons = np.full(101, 2)
    persons[100] = 1
    query = FeatureSet(generator.normal(size=(1, 67)), [1], [1])
    gallery = FeatureSet(image.repeat(101, 0), persons, np.full(101, 2))
    for metric in ("euclidean", "cosine"):
        result = evaluate_ranking(query, gallery, metric=metric)
        assert result["mAP"] == pytest.approx(1 / 101)


def test_queries_without_a_match_are_left_out_and_counted():
    query = line((0, 1, 1), (0, 7, 1), (0, 2, 2), (0, -1, 1))
    gallery = line((1, 1, 2), (2, 2, 2), (3, -1, 2))
    result = evaluate_ranking(query, gallery)
    assert result["mAP"] == result["rank-1"] == 1
    assert result["num_queries"] == 4
    assert result["num_queries_evaluated"] == 1
    assert result["num_queries_without_match"] == 3


def test_cross_camera_off_leaves_out_the_query_itself():
    query = line((0, 1, 1, "a.jpg"), (5, 2, 1, "c.jpg"))
    gallery = line((0, 1, 1, "a.jpg"), (1, 2, 1, "c.jpg"), (2, 1, 1, "b.jpg"))
    result = evaluate_ranking(query, gallery, protocol="cross-camera-off")
    assert result["num_queries_evaluated"] == 1
    assert result["num_gallery_copies"] == 2
    assert result["mAP"] == pytest.approx(1 / 2)
    # Without paths the first is told by its features, the second not.
    gallery.paths = None
    result = evaluate_ranking(query, gallery, protocol="cross-camera-off")
    assert result["num_queries_evaluated"] == 2
    assert result["num_gallery_copies"] == 1
    assert result["mAP"] == pytest.approx(1 / 2)


def test_cosine_looks_at_directions_only():
    query = FeatureSet([[1.0, 0]], [1], [1])
    gallery = FeatureSet([[1.0, 1], [90, 1]], [2, 1], [2, 2])
    assert evaluate_ranking(query, gallery)["rank-1"] == 0
    assert evaluate_ranking(query, gallery, metric="cosine")["rank-1"] == 1


def test_output_form():
    result = evaluate_ranking(QUERY, line(*[(i, 1 + i % 2, 2) for i in range(70)]))
    assert list(result) == [
        "rank-1",
        "rank-5",
        "rank-10",
        "rank-20",
        "mAP",
        "mINP",
        "cmc",
        "metric",
        "ap",
        "protocol",
        "rerank",
        "num_queries",
        "num_queries_evaluated",
        "num_queries_without_match",
        "num_queries_junk",
        "num_queries_not_in_gallery",
        "num_queries_own_camera_only",
        "num_gallery",
        "num_gallery_junk",
        "num_gallery_copies",
    ]
    assert len(result["cmc"]) == 50
    assert json.loads(json.dumps(result)) == result
    assert all(type(result[f"rank-{k}"]) is float for k in (1, 5, 10, 20))
    assert type(result["mAP"]) is float and type(result["num_gallery_junk"]) is int


def slow_ranking(query, gallery, distance, ap, protocol):
    """Sorts every query's gallery in full, one item at a time."""
    curves, means, penalties = [], [], []
    for q in range(len(query)):
        ranking = []
        for g in range(len(gallery)):
            same_person = query.person_ids[q] == gallery.person_ids[g]
            if gallery.person_ids[g] == -1:
                continue
            if protocol == "market1501":
                if same_person and query.camera_ids[q] == gallery.camera_ids[g]:
                    continue
            elif query.paths is not None and query.paths[q] == gallery.paths[g]:
                continue
            elif same_person and query.camera_ids[q] == gallery.camera_ids[g]:
                if (query.features[q] == gallery.features[g]).all():
                    continue
            far = distance(query.features[q], gallery.features[g])
            ranking.append((far, g, bool(same_person)))
        hits = [hit for _, _, hit in sorted(ranking)]
        if not any(hits):
            continue
        area, old_precision, found = 0.0, 1.0, 0
        for place, hit in enumerate(hits, start=1):
            found += hit
            precision = found / place
            if hit:
                half = (old_precision + precision) / 2
                area += half if ap == "trapezoid" else precision
            old_precision = precision
        means.append(area / found)
        last = max(place for place, hit in enumerate(hits, start=1) if hit)
        penalties.append(found / last)
        kept = int((gallery.person_ids != -1).sum())
        curves.append([any(hits[: k + 1]) for k in range(min(50, kept))])
    return np.mean(curves, axis=0), np.mean(means), np.mean(penalties), len(means)


def squared_distance(a, b):
    return float(((a - b) ** 2).sum())


def cosine_distance(a, b):
    return 1 - float(a @ b) / float(np.sqrt((a @ a) * (b @ b)))


# Their lengths are powers of 2, so that their cosines are exact, and many are equal.
EXACT_DIRECTIONS = np.array(
    [[1, 0, 0, 0], [0, -2, 0, 0], [1, 1, 1, 1], [1, -1, 1, -1], [2, 2, -2, 2]]
)


def random_set(generator, size, metric, people, cameras, with_paths):
    if metric == "cosine":
        features = EXACT_DIRECTIONS[generator.integers(0, 5, size)]
    else:
        features = generator.integers(-2, 3, (size, generator.integers(1, 2) + 1))
    return FeatureSet(
        features,
        generator.integers(-1, people, size),
        generator.integers(1, cameras + 1, size),
        [f"{number}.jpg" for number in generator.integers(0, 9, size)]
        if with_paths
        else None,
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("ap", ["standard", "trapezoid"])
@pytest.mark.parametrize("protocol", ["market1501", "cross-camera-off"])
def test_agrees_with_sorting(metric, ap, protocol, monkeypatch):
    # Small enough that every way of counting comes up.
    monkeypatch.setattr(ranking, "_SHORT", 6)
    monkeypatch.setattr(ranking, "_SEARCH_FROM", 30)
    distance = squared_distance if metric == "euclidean" else cosine_distance
    compared = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        people, cameras = generator.integers(1, 6), generator.integers(1, 4)
        with_paths = bool(seed % 2)
        # Now and then a gallery of more columns than a tile has at least, and so many
        # matches that rows are sorted.
        most = 200 if seed % 20 == 0 else 61
        sizes = generator.integers(1, 25), generator.integers(1, most)
        query, gallery = (
            random_set(generator, size, metric, people, cameras, with_paths)
            for size in sizes
        )
        try:
            result = evaluate_ranking(
                query, gallery, metric, ap, protocol, memory_bytes=1 << (seed % 16)
            )
        except InputError:
            continue
        compared += 1
        expected = slow_ranking(query, gallery, distance, ap, protocol)
        cmc, mean, penalty, evaluated = expected
        np.testing.assert_allclose(result["cmc"], cmc, atol=1e-12)
        assert result["mAP"] == pytest.approx(mean, abs=1e-12)
        assert result["mINP"] == pytest.approx(penalty, abs=1e-12)
        assert result["num_queries_evaluated"] == evaluated
    assert compared > 240


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_size_of_a_block_does_not_matter(metric):
    generator = np.random.default_rng(1)
    query = random_set(generator, 203, metric, 20, 3, False)
    gallery = random_set(generator, 1150, metric, 20, 3, False)
    results = [
        evaluate_ranking(query, gallery, metric, memory_bytes=size)
        for size in (1, 2**14, 17 * 1150 * 4, 100 * 1150 * 4, 2**28)
    ]
    assert all(result == results[0] for result in results)


def test_inputs_are_left_as_they_were():
    query, gallery = QUERY, line((1, 1, 1), (2, -1, 2), (3, 1, 2))
    before = [np.copy(array) for array in vars(gallery).values() if array is not None]
    for metric in ("euclidean", "cosine"):
        evaluate_ranking(FeatureSet([[2.0]], [1], [1]), gallery, metric)
    after = [array for array in vars(gallery).values() if array is not None]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(query.features, [[0]])


MATCH = line((1, 1, 2))


@pytest.mark.parametrize(
    ("query", "gallery", "options", "message"),
    [
        (QUERY, MATCH, {"metric": "l2"}, "metric is 'l2', expected .* euclidean"),
        (QUERY, MATCH, {"ap": "mean"}, "ap is 'mean', expected .* standard"),
        (QUERY, MATCH, {"protocol": "x"}, "protocol is 'x', expected .* market1501"),
        (QUERY, MATCH, {"memory_bytes": 0}, "memory_bytes is 0"),
        (
            QUERY,
            FeatureSet([[1.0, 2]], [1], [2]),
            {},
            "query features have 1 values, gallery features 2",
        ),
        (QUERY, line((1, 1, 2), (1, -2, 2)), {}, "1 of 2 gallery .* no person id"),
        (line((0, -2, 1)), MATCH, {}, "1 of 1 query .* no person id"),
        (line((0, 1, -1)), MATCH, {}, "1 of 1 query images have no camera id"),
        (QUERY, line((1, -1, 2)), {}, "all 1 gallery images are junk"),
        (QUERY, MATCH, {"metric": "cosine"}, "query row 0 is all zeros"),
        (
            QUERY,
            line((1, 2, 2)),
            {},
            "none of the 1 queries .* no person in common; check",
        ),
        (
            line((0, 1, 1), (1, 2, 1)),
            line((1, 1, 1), (1, 2, 1)),
            {},
            r"none of the 2 queries .* \(query cameras: 1\); a dataset of one camera",
        ),
        (
            line((0, 1, 1, "a")),
            line((0, 1, 1, "a")),
            {"protocol": "cross-camera-off"},
            "only images of a query's person are the query images themselves",
        ),
    ],
)
def test_errors(query, gallery, options, message):
    with pytest.raises(InputError, match=message) as caught:
        evaluate_ranking(query, gallery, **options)
    assert "\n" not in str(caught.value)


def test_cameras_may_be_unknown_where_they_do_not_matter():
    query, gallery = line((0, 1, -1)), line((1, 1, -1))
    result = evaluate_ranking(query, gallery, protocol="cross-camera-off")
    assert result["mAP"] == 1
    assert evaluate_ranking(QUERY, line((0, -1, -1), (1, 1, 2)))["mAP"] == 1


def test_why_queries_are_left_out():
    query = line((0, 1, 1), (0, -1, 1), (0, 2, 1), (0, 3, 1), (0, 3, 1))
    gallery = line((1, 1, 2), (1, 3, 1), (1, -1, 1))
    result = evaluate_ranking(query, gallery)
    found = {
        name.removeprefix("num_queries_"): value
        for name, value in result.items()
        if name.startswith("num_queries_")
    }
    assert found == {
        "evaluated": 1,
        "without_match": 4,
        "junk": 1,
        "not_in_gallery": 1,
        "own_camera_only": 2,
    }


def test_the_gallery_without_its_junk_is_the_gallery():
    generator = np.random.default_rng(2)
    features = generator.standard_normal((300, 5))
    persons = generator.integers(-1, 6, 300)
    cameras = generator.integers(1, 4, 300)
    query = FeatureSet(features[:40], persons[:40], cameras[:40])
    kept = persons != -1
    for metric in ("euclidean", "cosine"):
        for memory_bytes in (1, 2**28):
            whole, without = (
                evaluate_ranking(
                    query,
                    FeatureSet(features[rows], persons[rows], cameras[rows]),
                    metric,
                    memory_bytes=memory_bytes,
                )
                for rows in (np.full(300, True), kept)
            )
            counts = [
                (r.pop("num_gallery"), r.pop("num_gallery_junk"))
                for r in (whole, without)
            ]
            assert counts == [(300, (~kept).sum()), (kept.sum(), 0)]
            assert whole == without


def test_a_zero_feature_is_named_by_its_row_in_the_gallery_as_given():
    gallery = line((0, -1, 2), (1, 1, 2), (0, 1, 2))
    with pytest.raises(InputError, match="gallery row 2 is all zeros"):
        evaluate_ranking(line((1, 1, 1)), gallery, "cosine")
    # Junk may be anything.
    assert evaluate_ranking(line((1, 1, 1)), line((0, -1, 2), (1, 1, 2)), "cosine")


# ------------------------------------------------------------------ single gallery shot


def test_single_shot_with_one_image_each_is_the_plain_ranking():
    generator = np.random.default_rng(3)
    features = generator.standard_normal((80, 3))
    query = FeatureSet(features[:40], np.arange(40), np.full(40, 1))
    gallery = FeatureSet(features[40:] / 3 + features[:40], np.arange(40), [2] * 40)
    plain = evaluate_ranking(query, gallery)
    drawn = evaluate_ranking(query, gallery, protocol="cuhk03")
    assert 0.1 < plain["rank-1"] < 1
    for name in ("rank-1", "rank-5", "rank-20", "mAP", "mINP"):
        assert drawn[name] == pytest.approx(plain[name], abs=1e-12)
    assert drawn["cmc"] == pytest.approx(plain["cmc"], abs=1e-12)


def test_single_shot_draws_one_image_of_each_identity():
    # The person's images are at 1 and 9 (and one under the query's own camera, which
    # can't be drawn, at 0); another's at 2 and 20, 30, 40. The nearest is the person's
    # unless 9 is drawn and 2 is: 1 - 1/2 * 1/4 = 0.875.
    gallery = line(
        (0, 1, 1), (1, 1, 2), (9, 1, 3), (2, 2, 1), (20, 2, 2), (30, 2, 2), (40, 2, 2),
        (5, -1, 1),
    )  # fmt: skip
    query = line(*[(0, 1, 1)] * 500)
    results = [
        evaluate_ranking(query, gallery, protocol="cuhk03", seed=seed)
        for seed in (0, 0, 1)
    ]
    assert results[0] == results[1] != results[2]
    for result in results:
        assert result["rank-1"] == pytest.approx(0.875, abs=0.02)
        assert result["rank-5"] == 1 and len(result["cmc"]) == 2
        # mAP is of the whole gallery: 1 at rank 1, 2 at rank 3.
        assert result["mAP"] == pytest.approx((1 + 2 / 3) / 2)
    # Whatever the memory, which can't hold a row.
    small = evaluate_ranking(query, gallery, protocol="cuhk03", memory_bytes=1)
    assert small == results[0]


# -------------------------------------------------------------------------- re-ranking


def test_reranked_distances_are_ranked():
    generator = np.random.default_rng(4)
    centres = generator.standard_normal((6, 8)) * 2
    persons = np.arange(60) % 6
    features = centres[persons] + generator.standard_normal((60, 8))
    query = FeatureSet(features[:12], persons[:12], [1] * 12)
    junk = np.where(np.arange(48) % 8 == 0, -1, persons[12:])
    gallery = FeatureSet(features[12:], junk, [2] * 48)
    plain = evaluate_ranking(query, gallery)
    reranked = evaluate_ranking(query, gallery, rerank=True)
    assert plain["rerank"] is False and reranked["rerank"] is True
    assert reranked["mAP"] > plain["mAP"]
    kept = junk >= 0
    rows = np.stack(list(reranked_rows(query.features, gallery.features[kept])))
    order = np.argsort(rows, axis=1, kind="stable")
    hits = junk[kept][order[:, 0]] == query.person_ids
    assert reranked["rank-1"] == hits.mean()
    with pytest.raises(InputError, match="re-ranking is for euclidean"):
        evaluate_ranking(query, gallery, "cosine", rerank=True)


# --------------------------------------------------------------- distances of their own


def test_distances_of_ones_own():
    generator = np.random.default_rng(5)
    query = random_set(generator, 20, "euclidean", 3, 3, False)
    gallery = random_set(generator, 50, "euclidean", 3, 3, False)
    # Each image's feature is its number, for the slow version to look distances up.
    query.features = np.arange(20, dtype=np.float32)[:, None]
    gallery.features = np.arange(50, dtype=np.float32)[:, None]
    distances = generator.random((20, 50))
    before = distances.copy()
    result = evaluate_ranking(query, gallery, distances=distances)
    np.testing.assert_array_equal(distances, before)
    expected = slow_ranking(
        query, gallery, lambda a, b: distances[int(a[0]), int(b[0])], "standard",
        "market1501",
    )  # fmt: skip
    np.testing.assert_allclose(result["cmc"], expected[0], atol=1e-12)
    assert result["mAP"] == pytest.approx(expected[1], abs=1e-12)
    with pytest.raises(InputError, match=r"shape \(20, 49\), expected .* \(20, 50\)"):
        evaluate_ranking(query, gallery, distances=distances[:, 1:])
    distances[7, 3] = np.nan
    with pytest.raises(InputError, match="distances row 7 has a NaN"):
        evaluate_ranking(query, gallery, distances=distances)
