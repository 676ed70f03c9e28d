"""Clusters by k-means and their reliable images: by hand, and against slow versions."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from unit_features import random_features

from tfipgan.clustering.reliable import reliable_clusters
from tfipgan.errors import InputError


def at(degrees):
    """Unit vectors at these angles."""
    angles = np.radians(np.asarray(degrees, np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_by_hand():
    # Means near 182 and 8 degrees, so that the images at 180 and 4 are the centres.
    features = at([180, 4, 0, 215, 170, 30, 175])
    # cos 10 = 0.985, cos 4 = 0.998; cos 26 = 0.899, cos 35 = 0.819
    assert reliable_clusters(features, 2, 0.95, 0).tolist() == [0, 1, 1, -1, 0, -1, 0]
    assert reliable_clusters(features, 2, 0.85, 0).tolist() == [0, 1, 1, -1, 0, 1, 0]
    assert reliable_clusters(features, 2, 0.8, 0).tolist() == [0, 1, 1, 0, 0, 1, 0]


def test_near_to_another_cluster_s_centre_is_not_reliable():
    # By this seed the image at 80 is of the cluster at 0 (cosine 0.17), though it is
    # nearer to the centre of the other one (0.31).
    features = at([0, 0, 80] + [152] * 5)
    assert reliable_clusters(features, 2, 0.1, 8).tolist() == [0, 0, 0] + [1] * 5
    assert reliable_clusters(features, 2, 0.25, 8).tolist() == [0, 0, -1] + [1] * 5


@pytest.mark.parametrize("seed", range(4))
def test_against_a_slow_version(seed):
    features = random_features(90, 12, seed)
    found = KMeans(9, n_init=1, random_state=seed).fit(features)
    right = [-1] * len(features)
    for cluster in range(9):
        members = [k for k in range(len(features)) if found.labels_[k] == cluster]
        mean = features[members].mean(axis=0)
        centre = min(members, key=lambda k: float(((features[k] - mean) ** 2).sum()))
        for k in members:
            if float(features[k] @ features[centre]) >= 0.3:
                right[k] = cluster
    order = list(dict.fromkeys(label for label in right if label >= 0))
    right = [order.index(label) if label >= 0 else -1 for label in right]
    labels = reliable_clusters(features, 9, 0.3, seed)
    assert labels.dtype == np.int64
    assert labels.tolist() == right
    assert 10 < (labels >= 0).sum() < 85


def test_a_centre_is_always_reliable():
    labels = reliable_clusters(random_features(40, 6, 0), 7, 1.0, 0)
    assert sorted(set(labels)) == [-1, *range(7)]
    assert (labels >= 0).sum() == 7


def test_images_alike_make_fewer_clusters(recwarn):
    features = at([10, 10, 10, 200, 200, 10])
    labels = reliable_clusters(features, 4, 0.5, 0)
    assert labels.tolist() == [0, 0, 0, 1, 1, 0]
    assert not recwarn.list


def test_fewer_images_than_clusters():
    line = "^3 target images can't make 4 clusters: set pul.clusters to about as many"
    with pytest.raises(InputError, match=line):
        reliable_clusters(at([0, 1, 2]), 4, 0.5, 0)
