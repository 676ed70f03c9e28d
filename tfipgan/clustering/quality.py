"""How good a clustering is: by itself, beside another one, and beside known labels."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

# Pairs of images of which a silhouette is computed at a time.
_PAIRS = 2**20


@dataclass(frozen=True)
class Quality:
    """What a clustering says of itself; no label is needed for it.

    Attributes:
        clusters: how many there are.
        outliers: share of the images that are in none, 0 to 1.
        images_per_cluster: mean over clusters; 0 without clusters.
        cameras_per_cluster: mean over clusters of how many cameras saw one; 0 without
            clusters or cameras.
        silhouette: see `silhouette`.
    """

    clusters: int
    outliers: float
    images_per_cluster: float
    cameras_per_cluster: float
    silhouette: float


def quality_of(
    distances: sparse.csr_array, labels: np.ndarray, cameras: np.ndarray | None
) -> Quality:
    """Return the numbers of a clustering.

    Args:
        distances: of `jaccard_distances`, (N, N).
        labels: int64 (N), clusters from 0 on, -1 for outliers.
        cameras: int64 (N), or None where they aren't known.
    """
    clustered = labels >= 0
    count = int(labels.max()) + 1
    seen = 0
    if cameras is not None:
        pairs = np.stack([labels[clustered], cameras[clustered]])
        seen = np.unique(pairs, axis=1).shape[1]
    return Quality(
        clusters=count,
        outliers=float(1 - clustered.mean()),
        images_per_cluster=float(clustered.sum() / max(count, 1)),
        cameras_per_cluster=seen / max(count, 1),
        silhouette=silhouette(distances, labels),
    )


def silhouette(distances: sparse.csr_array, labels: np.ndarray) -> float:
    """Return the mean silhouette of the images in clusters, -1 to 1; 0 if none is.

    Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of
    cluster analysis", 1987: (b - a) / max(a, b) of an image's mean distance a to the
    others of its cluster, and b to the images of the nearest other cluster. Pairs
    without a value are at distance 1, so that b is 1 where no other cluster is near.
    Outliers are no cluster. An image that is alone in its cluster has 0, as have images
    with a and b of 0.
    """
    count = int(labels.max()) + 1
    members = np.flatnonzero(labels >= 0)
    if not len(members):
        return 0.0
    own = labels[members]
    sizes = np.bincount(own, minlength=count)
    places = np.ones(len(members)), (members, own)
    member_of = sparse.csr_array(places, shape=(len(labels), count))
    step = max(1, _PAIRS * len(labels) // max(distances.nnz, 1))
    scores = []
    for at in range(0, len(members), step):
        part = slice(at, at + step)
        scores.append(_scores(distances, members[part], own[part], sizes, member_of))
    return float(np.concatenate(scores).mean())


def _scores(distances, members, own, sizes, member_of):
    """Return the silhouette of each of some images, which are of the clusters `own`."""
    near = distances[members].tocoo()
    others = near.col != members[near.row]
    shared = 1.0 - near.data[others], (near.row[others], near.col[others])
    sums = (sparse.csr_array(shared, shape=near.shape) @ member_of).tocoo()
    mine = sums.col == own[sums.row]
    within, beside = np.zeros(len(members)), np.zeros(len(members))
    within[sums.row[mine]] = sums.data[mine]
    means = sums.data[~mine] / sizes[sums.col[~mine]]
    np.maximum.at(beside, sums.row[~mine], means)
    a = 1 - within / np.maximum(sizes[own] - 1, 1)
    b = 1 - beside
    larger = np.maximum(a, b)
    scores = np.divide(b - a, larger, out=np.zeros_like(a), where=larger > 0)
    scores[sizes[own] == 1] = 0
    return scores


def agreement(labels: np.ndarray, other: np.ndarray) -> float:
    """Return the adjusted Rand index of two clusterings of the same images, up to 1.

    Hubert and Arabie, "Comparing partitions", 1985; 0 is what chance gives. Each
    outlier counts as a cluster of its own. With the clustering of the epoch before it
    says how much still changes; with known identities, how right it is.

    Args:
        labels, other: int64 (N), -1 for outliers.
    """
    return float(adjusted_rand_score(_singles(other), _singles(labels)))


def purity(labels: np.ndarray, persons: np.ndarray) -> float:
    """Return the share of clustered images that are of their cluster's main person.

    For reports on datasets whose identities are known; 0 where no image is clustered.

    Args:
        labels: int64 (N), -1 for outliers.
        persons: int64 (N).
    """
    clustered = labels >= 0
    if not clustered.any():
        return 0.0
    pairs = np.stack([labels[clustered], persons[clustered]])
    (clusters, _), sizes = np.unique(pairs, axis=1, return_counts=True)
    main = np.zeros(clusters[-1] + 1, np.int64)
    np.maximum.at(main, clusters, sizes)
    return float(main.sum() / clustered.sum())


def _singles(labels):
    """Outliers as clusters of one image."""
    single = labels < 0
    return np.where(single, labels.max() + np.cumsum(single), labels)
