import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import silhouette_samples
from unit_features import random_features

from tfipgan.clustering.jaccard import jaccard_distances, plain_codes
from tfipgan.clustering.neighbours import nearest
from tfipgan.clustering.quality import (
    Quality,
    agreement,
    purity,
    quality_of,
    silhouette,
)


def sparse_distances(full):
    full = np.asarray(full, np.float32)
    rows, columns = np.nonzero(full < 1)
    return sparse.csr_array((full[rows, columns], (rows, columns)), shape=full.shape)


def labels_of(*values):
    return np.array(values, np.int64)


HAND = sparse_distances(
    [
        [0.0, 0.2, 0.6, 1.0, 1.0],
        [0.2, 0.0, 1.0, 1.0, 1.0],
        [0.6, 1.0, 0.0, 0.4, 1.0],
        [1.0, 1.0, 0.4, 0.0, 0.1],
        [1.0, 1.0, 1.0, 0.1, 0.0],
    ]
)


def test_silhouette_by_hand():
    # a and b of the images: 0.2 and (0.6 + 1) / 2, 0.2 and 1, 0.4 and (0.6 + 1) / 2,
    # 0.4 and 1. The outlier's 0.1 counts nowhere.
    expected = np.mean([0.75, 0.8, 0.5, 0.6])
    assert silhouette(HAND, labels_of(0, 0, 1, 1, -1)) == pytest.approx(expected)


def test_silhouette_of_what_has_none():
    assert silhouette(HAND, labels_of(-1, -1, -1, -1, -1)) == 0
    # One cluster: nothing else is near, b is 1.
    only = silhouette(HAND, labels_of(0, 0, -1, -1, -1))
    assert only == pytest.approx(0.8)
    # Alone in a cluster: 0 for it.
    assert silhouette(HAND, labels_of(0, 0, 1, -1, -1)) == pytest.approx(
        np.mean([2 / 3, 0.8, 0])
    )
    # All alike: a and b are 0.
    alike = sparse_distances(np.zeros((4, 4)))
    assert silhouette(alike, labels_of(0, 0, 1, 1)) == 0


def test_silhouette_as_scikit_learn():
    features = random_features(120, 4)
    codes = plain_codes(features, nearest(features, 10, 2**28), 10, 3, 2**28)
    distances = jaccard_distances(codes, 2**28)
    full = np.ones(distances.shape)
    rows = np.repeat(np.arange(120), np.diff(distances.indptr))
    full[rows, distances.indices] = distances.data
    labels = np.random.default_rng(0).integers(0, 6, 120)
    kept = np.arange(120) % 7 > 0
    expected = silhouette_samples(
        full[np.ix_(kept, kept)], labels[kept], metric="precomputed"
    ).mean()
    found = silhouette(distances, np.where(kept, labels, -1))
    assert found == pytest.approx(expected, abs=1e-9)
    assert abs(expected) > 1e-3


def test_quality_by_hand():
    cameras = labels_of(1, 2, 1, 1, 9)
    found = quality_of(HAND, labels_of(0, 0, 1, 1, -1), cameras)
    assert found == Quality(
        clusters=2,
        outliers=pytest.approx(0.2),
        images_per_cluster=2,
        cameras_per_cluster=1.5,
        silhouette=pytest.approx(0.6625),
    )
    none = quality_of(HAND, labels_of(-1, -1, -1, -1, -1), cameras)
    assert none == Quality(0, 1, 0, 0, 0)
    assert quality_of(HAND, labels_of(0, 0, 1, 1, -1), None).cameras_per_cluster == 0


def test_agreement():
    labels = labels_of(0, 0, 1, 1, -1, -1)
    assert agreement(labels, labels_of(5, 5, 3, 3, -1, -1)) == pytest.approx(1)
    # Outliers are not together.
    assert agreement(labels, labels_of(0, 0, 1, 1, 2, 2)) < 0.9
    assert agreement(labels, labels_of(0, 0, 1, 1, 2, 3)) == pytest.approx(1)
    nothing = labels_of(-1, -1, -1, -1, -1, -1)
    assert agreement(labels, nothing) == pytest.approx(0)
    assert agreement(nothing, nothing) == pytest.approx(1)


def test_purity():
    persons = labels_of(7, 7, 8, 8, 8, 9)
    assert purity(labels_of(0, 0, 0, 1, 1, -1), persons) == pytest.approx(4 / 5)
    assert purity(labels_of(1, 1, 0, 0, 0, 3), persons) == 1
    assert purity(labels_of(-1, -1, -1, -1, -1, -1), persons) == 0
