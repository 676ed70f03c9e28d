import tracemalloc

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation.reranking import _Images, _nearest, reranked_rows

# Whole numbers, so that float32 distances are exact and ties are ties.
FEW_TIES, MANY_TIES = 1000, 3


def reranked(query, gallery, **options):
    rows = list(reranked_rows(query, gallery, **options))
    assert len(rows) == len(query)
    for row in rows:
        assert row.dtype == np.float32
        assert row.shape == (len(gallery),)
        assert row.flags.writeable
    return np.array(rows)


def slow(query, gallery, k1, k2, lambda_value):
    """The method as the paper tells it: dense matrices, sets and loops."""
    images = np.concatenate([query, gallery]).astype(np.float64)
    everyone = range(len(images))
    distance = ((images[:, None] - images) ** 2).sum(axis=2)
    share = [row / (row.max() or 1) for row in distance]
    order = [
        sorted(everyone, key=lambda j, i=i: (j != i, distance[i, j], j))
        for i in everyone
    ]

    def mutual(i, k):
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    codes = np.zeros_like(distance)
    for i in everyone:
        near = mutual(i, k1)
        expanded = set(near)
        for j in near:
            candidates = mutual(j, round(k1 / 2))
            if len(candidates & near) > 2 / 3 * len(candidates):
                expanded |= candidates
        for j in expanded:
            codes[i, j] = np.exp(-share[i][j])
        codes[i] /= codes[i].sum()
    codes = np.array([codes[order[i][:k2]].mean(axis=0) for i in everyone])
    result = np.empty((len(query), len(gallery)))
    for i in range(len(query)):
        for place in range(len(gallery)):
            j = len(query) + place
            both = np.minimum(codes[i], codes[j]).sum()
            either = np.maximum(codes[i], codes[j]).sum()
            result[i, place] = (1 - lambda_value) * (1 - both / either)
            result[i, place] += lambda_value * share[i][j]
    return result


def integers(generator, count, largest, length=3):
    return generator.integers(0, largest, (count, length)).astype(np.float32)


def people(generator, count, largest=FEW_TIES, length=3):
    """Images in groups, so that neighbours of neighbours agree."""
    centres = integers(generator, max(1, count // 6), largest, length)
    spread = integers(generator, count, max(2, largest // 8), length)
    return centres[generator.integers(0, len(centres), count)] + spread


def test_hand_computed():
    # Images at 0 (query), 1, 3, 7. The nearest of each: 1, 0, 1, 3; so only the first
    # two are mutual: their codes are equal but for their own largest distances.
    query, gallery = (
        np.array([[0.0]], np.float32),
        np.array([[1], [3], [7]], np.float32),
    )
    # The query's code is (1, exp(-1 / 49)), that of 1 is (exp(-1 / 36), 1), over sums.
    own, other = np.exp(-1 / 49), np.exp(-1 / 36)
    both = min(1 / (1 + own), other / (1 + other)) + min(
        own / (1 + own), 1 / (1 + other)
    )
    jaccard = np.array([1 - both / (2 - both), 1, 1])
    for weight in (0, 0.3, 1):
        rows = reranked(query, gallery, k1=1, k2=1, lambda_value=weight)
        expected = (1 - weight) * jaccard + weight * np.array([1, 9, 49]) / 49
        np.testing.assert_allclose(rows, expected[None], atol=1e-6)


def test_shared_neighbours_count_more_than_distance():
    # The query's group is at 3, 3.5 and 5; the image at -4 has a group of its own.
    gallery = np.array([[3, 3.5, 5, -4, -4.1, -4.2, -4.3]], np.float32).T
    query = np.zeros((1, 1), np.float32)
    (row,) = reranked(query, gallery, k1=3, k2=1)
    np.testing.assert_array_equal(np.argsort(row)[:4], [0, 1, 2, 3])
    (row,) = reranked(query, gallery, k1=3, k2=1, lambda_value=1)
    np.testing.assert_array_equal(np.argsort(row)[:4], [0, 1, 3, 4])


@pytest.mark.parametrize("largest", [FEW_TIES, MANY_TIES])
@pytest.mark.parametrize("seed", range(40))
def test_equals_the_slow_version(seed, largest):
    generator = np.random.default_rng(seed)
    query = people(generator, generator.integers(1, 10), largest)
    gallery = people(generator, generator.integers(1, 40), largest)
    k1 = int(generator.integers(1, 25))
    k2 = int(generator.integers(1, k1 + 1))
    for weight in (0, 0.3, 1):
        options = {"k1": k1, "k2": k2, "lambda_value": weight}
        np.testing.assert_allclose(
            reranked(query, gallery, **options),
            slow(query, gallery, **options),
            atol=2e-6,
        )


@pytest.mark.parametrize("k", [1, 21, 300])
@pytest.mark.parametrize("largest", [FEW_TIES, MANY_TIES])
def test_neighbours_are_those_of_a_stable_sort(largest, k):
    generator = np.random.default_rng(5)
    query, gallery = (people(generator, count, largest) for count in (100, 500))
    both = np.concatenate([query, gallery])
    distance = ((both[:, None] - both) ** 2).sum(axis=2)
    farthest = distance.max(axis=1)
    np.fill_diagonal(distance, -1)
    expected = np.argsort(distance, axis=1, kind="stable")[:, :k]
    for memory_bytes in (1, 2**28):
        found = _nearest(_Images(query, gallery), k, memory_bytes)
        np.testing.assert_array_equal(found[0], expected)
        np.testing.assert_array_equal(found[1], farthest)


@pytest.mark.parametrize("k2", [1, 6])
@pytest.mark.parametrize(("num_queries", "num_gallery"), [(1, 1), (5, 1), (1, 5)])
def test_fewer_images_than_neighbours(num_queries, num_gallery, k2):
    generator = np.random.default_rng(1)
    query = integers(generator, num_queries, FEW_TIES)
    gallery = integers(generator, num_gallery, FEW_TIES)
    options = {"k1": 20, "k2": k2, "lambda_value": 0.3}
    np.testing.assert_allclose(
        reranked(query, gallery, **options), slow(query, gallery, **options), atol=2e-6
    )


def test_duplicates():
    # More equal images than neighbours: some find none but themselves.
    gallery = np.repeat(np.array([[1, 2], [5, 9]], np.float32), 12, axis=0)
    query = np.concatenate([gallery[:1], gallery[-1:]])
    options = {"k1": 4, "k2": 3, "lambda_value": 0.3}
    np.testing.assert_allclose(
        reranked(query, gallery, **options), slow(query, gallery, **options), atol=2e-6
    )
    same = np.ones((6, 2), np.float32)
    np.testing.assert_allclose(reranked(same[:2], same[2:]), 0, atol=1e-6)


@pytest.mark.parametrize("largest", [FEW_TIES, MANY_TIES])
@pytest.mark.parametrize(("unit", "offset"), [(1, 1e6), (2.0**-140, 0), (2.0**110, 0)])
def test_offset_and_scale_change_nothing(unit, offset, largest):
    generator = np.random.default_rng(6)
    query = people(generator, 12, largest, length=5)
    gallery = people(generator, 90, largest, length=5)
    found = reranked(unit * query + offset, unit * gallery + offset)
    np.testing.assert_allclose(found, slow(query, gallery, 20, 6, 0.3), atol=2e-6)


@pytest.mark.parametrize("largest", [FEW_TIES, MANY_TIES])
def test_blocks_change_nothing(largest):
    generator = np.random.default_rng(2)
    query = people(generator, 150, largest, length=5)
    gallery = people(generator, 333, largest, length=5)
    whole = reranked(query, gallery)
    for memory_bytes in (1, 2**17, 2**20):
        np.testing.assert_array_equal(
            reranked(query, gallery, memory_bytes=memory_bytes), whole
        )
    # Whole because it is one block of queries and one of the gallery.
    np.testing.assert_allclose(whole, slow(query, gallery, 20, 6, 0.3), atol=2e-6)


def test_inputs_stay_and_need_not_be_contiguous():
    generator = np.random.default_rng(3)
    both = people(generator, 80, length=8)
    kept = both.copy()
    expected = reranked(both[:20, ::2].copy(), both[20:, ::2].copy())
    np.testing.assert_array_equal(reranked(both[:20, ::2], both[20:, ::2]), expected)
    np.testing.assert_array_equal(both, kept)


@pytest.mark.parametrize("offset", [0, 3000])
def test_memory_is_bounded(offset):
    generator = np.random.default_rng(4)
    query = generator.normal(offset, size=(600, 16)).astype(np.float32)
    gallery = generator.normal(offset, size=(2400, 16)).astype(np.float32)
    tracemalloc.start()
    for _ in reranked_rows(query, gallery, memory_bytes=2**20):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A matrix of all pairs has 36 MB.
    assert peak < 7e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, "k1 is 0, expected 1 or more"),
        ({"k2": 0}, "k2 is 0, expected 1 to k1, which is 20"),
        ({"k1": 5, "k2": 6}, "k2 is 6, expected 1 to k1, which is 5"),
        ({"lambda_value": -0.1}, "lambda_value is -0.1, expected 0 to 1"),
        ({"lambda_value": 1.1}, "lambda_value is 1.1, expected 0 to 1"),
        ({"lambda_value": float("nan")}, "lambda_value is nan, expected 0 to 1"),
        ({"memory_bytes": 0}, "memory_bytes is 0, expected a positive number"),
    ],
)
def test_bad_options(options, message):
    features = np.ones((3, 2), np.float32)
    with pytest.raises(InputError, match=message):
        reranked_rows(features, features, **options)


@pytest.mark.parametrize(
    ("query", "gallery", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "have 3 values, gallery features 4"),
        (np.ones((2, 3)), np.ones((0, 3)), r"gallery features have shape \(0, 3\)"),
        (np.ones(3), np.ones((2, 3)), r"query features have shape \(3,\)"),
        (np.ones((2, 3)), np.full((1, 3), np.nan), "not finite"),
        (np.full((2, 3), np.inf), np.ones((1, 3)), "not finite"),
    ],
)
def test_bad_features(query, gallery, message):
    with pytest.raises(InputError, match=message):
        reranked_rows(query.astype(np.float32), gallery.astype(np.float32))
