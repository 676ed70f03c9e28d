import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from unit_features import FEATURES, random_features, sorted_neighbours, unit

from tfipgan.clustering.jaccard import (
    averaged,
    jaccard_distances,
    plain_codes,
    reciprocal,
    weighted,
)
from tfipgan.clustering.neighbours import nearest
from tfipgan.errors import InputError

ENOUGH = 2**28


def slow_distances(codes):
    """All sums of minima, dense."""
    shared = np.minimum(codes[:, None], codes[None]).sum(axis=2)
    return np.maximum(1 - shared / (2 - shared), 0)


def slow_codes(features, k, k2):
    """The published method with sets and loops, in float64."""
    count = len(features)
    features = features.astype(np.float64)
    order = sorted_neighbours(features, min(k, count), lambda i, j: True).tolist()

    def mutual(i, most):
        return {j for j in order[i][:most] if i in order[j][:most]}

    codes = np.zeros((count, count))
    for i in range(count):
        near = mutual(i, k)
        joined = set(near)
        for j in near:
            close = mutual(j, round(k / 2) + 1)
            if len(close & near) > 2 / 3 * len(close):
                joined |= close
        for j in joined:
            codes[i, j] = np.exp(-(2 - 2 * features[i] @ features[j]))
        codes[i] /= codes[i].sum()
    return np.array([codes[row[:k2]].mean(axis=0) for row in order])


def dense(distances):
    """What the sparse rows say of all pairs."""
    result = np.ones(distances.shape)
    rows = np.repeat(np.arange(len(result)), np.diff(distances.indptr))
    result[rows, distances.indices] = distances.data
    return result


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize(("k", "k2"), [(1, 1), (5, 1), (7, 3), (20, 6), (30, 6)])
@pytest.mark.parametrize("memory_bytes", [2**16, ENOUGH])
def test_as_the_slow_way(name, k, k2, memory_bytes):
    features = FEATURES[name]
    neighbours = nearest(features, 30, ENOUGH)
    codes = plain_codes(features, neighbours, k, k2, memory_bytes)
    expected = slow_codes(features, k, k2)
    np.testing.assert_allclose(codes.toarray(), expected, atol=1e-6)
    distances = jaccard_distances(codes, 4 * memory_bytes)
    assert distances.dtype == np.float32 and distances.has_sorted_indices
    np.testing.assert_allclose(dense(distances), slow_distances(expected), atol=1e-6)
    # As many blocks as there are, each sum has its terms in one order.
    np.testing.assert_array_equal(dense(distances), dense(distances).T)


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_no_more_images_than_neighbours(count):
    features = random_features(count, seed=count)
    codes = plain_codes(features, nearest(features, 30, ENOUGH), 30, 6, ENOUGH)
    expected = slow_codes(features, 30, 6)
    distances = dense(jaccard_distances(codes, ENOUGH))
    np.testing.assert_allclose(distances, slow_distances(expected), atol=1e-6)


def test_by_hand():
    codes = np.array(
        [[0.5, 0.5, 0, 0], [0.25, 0.25, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32
    )
    distances = jaccard_distances(sparse.csr_array(codes), ENOUGH)
    # 0 and 1 share 0.25 + 0.25; 1 and 2 share 0.5: 1 - 0.5 / 1.5.
    expected = np.array([[0, 2 / 3, 1, 1], [2 / 3, 0, 2 / 3, 1]])
    np.testing.assert_allclose(dense(distances)[:2], expected, atol=1e-7)
    assert distances.nnz == 4 + 4
    assert distances.diagonal().tolist() == [0] * 4
    # Pairs at the limit are out, an image and itself never.
    assert jaccard_distances(sparse.csr_array(codes), ENOUGH, 0.6).nnz == 4


def test_an_image_is_at_0_of_itself_whatever_is_rounded():
    codes = np.full((1, 1), 0.9, np.float32)
    assert jaccard_distances(sparse.csr_array(codes), ENOUGH).data.tolist() == [0]


def test_reciprocal_by_hand():
    neighbours = np.array([[0, 1], [1, 2], [2, 1], [3, -1]], np.int32)
    expected = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(reciprocal(neighbours).toarray(), expected)


def test_weights_by_hand():
    features = unit([[1, 0], [0, 1], [-1, 0]])
    sets = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 0], [2, 0, 1]]))
    near, middle, far = 1, np.exp(-2), np.exp(-4)
    expected = [[near, middle, 0], [0, 1, 0], [far, 0, near]]
    expected = expected / np.sum(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(weighted(features, sets).toarray(), expected, rtol=1e-6)


def test_means_over_those_there_are():
    codes = sparse.csr_array(np.eye(3, dtype=np.float32))
    lists = [np.array([[0], [1], [2]]), np.array([[1, 2], [2, -1], [-1, -1]])]
    expected = [[1 / 3] * 3, [0, 0.5, 0.5], [0, 0, 1]]
    np.testing.assert_allclose(averaged(codes, lists).toarray(), expected, rtol=1e-6)


def test_too_many_pairs_are_refused():
    features = FEATURES["alike"]
    codes = plain_codes(features, nearest(features, 20, ENOUGH), 20, 6, ENOUGH)
    with pytest.raises(InputError, match="90 images have .* pairs .*same features"):
        jaccard_distances(codes, 2**14)


def test_memory_is_bounded():
    """Blocks of rows: all pairs of 3,000 images have 72 MB of sums."""
    features = random_features(3000)
    neighbours = nearest(features, 10, 2**20)
    tracemalloc.start()
    codes = plain_codes(features, neighbours, 10, 3, 2**20)
    distances = jaccard_distances(codes, 2**25)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert distances.nnz < 2**20 and peak < 2**25
