"""Clusters of images by density: DBSCAN on sparse distances."""

import numpy as np
from scipy import sparse
from sklearn.cluster import DBSCAN
from sklearn.neighbors import sort_graph_by_row_values


def dbscan(distances: sparse.csr_array, eps: float, min_samples: int) -> np.ndarray:
    """Return each image's cluster, int64 (N), -1 for outliers.

    Ester et al., "A Density-Based Algorithm for Discovering Clusters", KDD 1996, by
    scikit-learn. Clusters are numbered in the order of their first images.

    Args:
        distances: float32 (N, N) with an explicit 0 of each image and itself; pairs
            that have no value are farther than `eps`.
        eps: the distance up to which, itself included, two images are neighbours.
        min_samples: neighbours, itself included, that make an image one of a core.
    """
    kept = distances.data <= np.float32(eps)
    starts = np.append(0, np.cumsum(kept))[distances.indptr]
    near = sparse.csr_array(
        (distances.data[kept], distances.indices[kept], starts), shape=distances.shape
    )
    near = sort_graph_by_row_values(near, warn_when_not_sorted=False)
    # All that is left is near enough, however `eps` is rounded.
    found = DBSCAN(eps=2, min_samples=min_samples, metric="precomputed").fit(near)
    return numbered(found.labels_)


def numbered(labels: np.ndarray) -> np.ndarray:
    """Return the same clusters, int64, numbered in the order of their first images."""
    names, first, places = np.unique(labels, return_index=True, return_inverse=True)
    clusters = names >= 0
    order = np.full(len(names), -1, np.int64)
    order[clusters] = np.argsort(np.argsort(first[clusters]))
    return order[places]
