import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import DBSCAN
from unit_features import FEATURES, random_features

from tfipgan.clustering.dbscan import dbscan, numbered
from tfipgan.clustering.jaccard import jaccard_distances, plain_codes
from tfipgan.clustering.neighbours import nearest

ENOUGH = 2**28


def slow(distances, eps, min_samples):
    """Clusters of a dense matrix as the paper tells it, then their numbers."""
    count = len(distances)
    near = [{j for j in range(count) if distances[i, j] <= eps} for i in range(count)]
    core = [len(near[i]) >= min_samples for i in range(count)]
    labels, cluster = [-1] * count, 0
    for i in range(count):
        if not core[i] or labels[i] >= 0:
            continue
        reached = [i]
        while reached:
            j = reached.pop()
            if labels[j] < 0:
                labels[j] = cluster
                reached += near[j] if core[j] else []
        cluster += 1
    order = list(dict.fromkeys(label for label in labels if label >= 0))
    return [order.index(label) if label >= 0 else -1 for label in labels]


def line(places):
    """Distances of places on a line, sparse below 1, an explicit 0 of each itself."""
    places = np.asarray(places, np.float32)
    full = np.abs(places[:, None] - places)
    rows, columns = np.nonzero(full < 1)
    return sparse.csr_array((full[rows, columns], (rows, columns)), shape=full.shape)


def test_by_hand():
    # A radius of 0.25: eps counts, and so does the image itself.
    distances = line([9, 0, 0.25, 0.5, 5, 5.1, 5.2, 7, 7.25])
    found = dbscan(distances, 0.25, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [-1, 0, 0, 0, 1, 1, 1, -1, -1]
    assert dbscan(distances, 0.24, 3).tolist() == [-1] * 4 + [0] * 3 + [-1] * 2
    assert dbscan(distances, 0.25, 4).max() == -1
    assert dbscan(distances, 0.01, 1).tolist() == list(range(9))
    assert dbscan(distances, 0.25, 2).tolist() == [-1, 0, 0, 0, 1, 1, 1, 2, 2]


def test_images_alike_are_together():
    """Their distance is an explicit 0, which is no missing value."""
    assert dbscan(line([3, 3, 3, 3, 5]), 0.1, 4).tolist() == [0, 0, 0, 0, -1]


def test_numbers_follow_the_first_image():
    # The border image 0 belongs to the cluster whose first core image is the last.
    distances = line([5, 0, 0.25, 0.125, 5.25, 5.5, 5.4375])
    assert dbscan(distances, 0.25, 3).tolist() == [0, 1, 1, 1, 0, 0, 0]
    assert numbered(np.array([7, -1, 3, 7, 0])).tolist() == [0, -1, 1, 0, 2]
    assert numbered(np.array([-1, -1])).tolist() == [-1, -1]


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("eps", [0.3, 0.5, 0.7])
def test_as_the_dense_way(name, eps):
    features = FEATURES[name]
    codes = plain_codes(features, nearest(features, 8, ENOUGH), 8, 3, ENOUGH)
    distances = jaccard_distances(codes, ENOUGH)
    before = distances.copy()
    full = np.ones(distances.shape, np.float32)
    rows = np.repeat(np.arange(len(full)), np.diff(distances.indptr))
    full[rows, distances.indices] = distances.data
    found = dbscan(distances, eps, 4).tolist()
    assert found == slow(full, np.float32(eps), 4)
    theirs = DBSCAN(eps=np.float32(eps), min_samples=4, metric="precomputed")
    assert found == numbered(theirs.fit(full).labels_).tolist()
    # The caller's distances are as they were.
    np.testing.assert_array_equal(distances.data, before.data)
    np.testing.assert_array_equal(distances.indices, before.indices)


def test_at_some_hundred_images():
    """Groups of near images, in which there is something to find."""
    centres = np.repeat(random_features(60, 32), 10, axis=0)
    features = centres + 0.12 * np.random.default_rng(3).normal(size=centres.shape)
    features = (features / np.linalg.norm(features, axis=1)[:, None]).astype(np.float32)
    codes = plain_codes(features, nearest(features, 10, ENOUGH), 10, 3, ENOUGH)
    distances = jaccard_distances(codes, ENOUGH)
    full = np.ones(distances.shape, np.float32)
    rows = np.repeat(np.arange(len(full)), np.diff(distances.indptr))
    full[rows, distances.indices] = distances.data
    found = dbscan(distances, 0.5, 4)
    assert found.max() >= 30
    assert found.tolist() == slow(full, np.float32(0.5), 4)
