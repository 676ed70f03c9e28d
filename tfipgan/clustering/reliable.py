"""Clusters by k-means, of which the images near the centres count (PUL).

Fan, Zheng, Yan and Yang, "Unsupervised Person Re-identification: Clustering and
Fine-tuning", ACM TOMM 2018.
"""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from tfipgan.clustering.dbscan import numbered
from tfipgan.errors import InputError


def reliable_clusters(
    features: np.ndarray, clusters: int, reliability: float, seed: int
) -> np.ndarray:
    """Return each image's cluster, int64 (N), -1 for images that are not reliable.

    K-means (of k-means++ starts) makes the clusters; the image nearest to a cluster's
    mean stands for its centre, as in the published code; reliable are the cluster's
    images whose cosine to it is `reliability` or more. That code also takes images that
    are near the centre of any other cluster. Clusters are numbered in the order of
    their first reliable images; images alike may make fewer than were asked for.

    Args:
        features: float32 (N, D), rows of length 1.
        clusters: at least 2.
        reliability: from 0 to 1.
        seed: of the starts.

    Raises:
        InputError: fewer images than clusters.
    """
    require_images(len(features), clusters)
    # Threads add up a mean's images in any order: the result would depend on it.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Of images alike there are fewer clusters, which the caller is told by numbers.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(clusters, n_init=1, random_state=seed).fit(features)
    distances = np.sum((features - found.cluster_centers_[found.labels_]) ** 2, axis=1)
    order = np.lexsort((distances, found.labels_))
    names, first = np.unique(found.labels_[order], return_index=True)
    centres = np.zeros(clusters, np.int64)
    centres[names] = order[first]
    own = features[centres[found.labels_]]
    cosines = np.einsum("nd,nd->n", features, own)
    # A centre is reliable, whatever was rounded.
    near = (cosines >= reliability) | (centres[found.labels_] == np.arange(len(own)))
    return numbered(np.where(near, found.labels_, -1).astype(np.int64))


def require_images(count: int, clusters: int) -> None:
    """Raise InputError for fewer images than clusters."""
    if count < clusters:
        raise InputError(
            f"{count} target images can't make {clusters} clusters: set pul.clusters "
            "to about as many as there are people, or add images"
        )
