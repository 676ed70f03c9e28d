"""Queries that are more than one image: expanded by the gallery, or several at once."""

import math

import numpy as np

from tfipgan.data.filenames import JUNK
from tfipgan.errors import InputError
from tfipgan.evaluation.conditioning import squared_norms
from tfipgan.evaluation.distances import Distances
from tfipgan.evaluation.feature_set import FeatureSet

ALPHA = 3.0
# Of a squared length: what half precision leaves of it, and more.
_TOLERANCE = 1e-2


def check_expansion(k: int, alpha: float) -> None:
    """Raise InputError for options of `expanded_queries` out of their range."""
    if k < 1:
        raise InputError(
            f"query expansion is by {k} gallery images, expected 1 or more"
        )
    if not 0 <= alpha < math.inf:
        raise InputError(
            f"alpha of the query expansion is {alpha}, expected a number from 0 on"
        )


def check_averaging(protocol: str) -> None:
    """Raise InputError for a protocol that `averaged_queries` is not for."""
    if protocol == "cross-camera-off":
        raise InputError(
            "several queries of a person are not for the protocol cross-camera-off, "
            "whose gallery may hold the very images that are averaged; expected "
            "market1501 or cuhk03"
        )


def expanded_queries(
    query: np.ndarray,
    gallery: np.ndarray,
    k: int,
    alpha: float = ALPHA,
    memory_bytes: int = 2**28,
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """Return each query moved towards the gallery images nearest to it.

    It is q + sum of max(q . g, 0)^alpha g over the `k` gallery images of the largest
    cosine q . g, scaled to length 1: Chum et al. 2007 with alpha 0, and weighted as in
    Radenovic et al. 2018. No label is read: who is near counts, whoever it is.

    Args:
        query: float32 (queries, D), rows of length 1.
        gallery: float32 (images, D), rows of length 1.
        k: 1 or more; a smaller gallery is taken whole. Of equally near images the
            earlier ones are taken.
        alpha: from 0 on.
        memory_bytes: for the distances held at a time.
        kept: int64, rows of the gallery to look at, rising; None for all.

    Returns:
        float32 (queries, D), rows of length 1.

    Raises:
        InputError: options out of their range, rows of another length than 1.
    """
    check_expansion(k, alpha)
    _require_directions(query=query, gallery=gallery)
    nearest = _nearest(query, gallery, k, memory_bytes, kept)
    expanded = np.empty_like(query)
    for row, places in zip(range(len(query)), nearest, strict=True):
        neighbours = gallery[places].astype(np.float64)
        weights = np.maximum(neighbours @ query[row], 0) ** alpha
        expanded[row] = _scaled(query[row] + weights @ neighbours)
    return expanded


def averaged_queries(
    query: FeatureSet, pool: FeatureSet | None = None, protocol: str = "market1501"
) -> tuple[FeatureSet, np.ndarray]:
    """Return each query as the mean of several images of its person and camera.

    Market-1501's multiple queries (Zheng et al. 2015): the mean of the features of all
    images in the pool that show the query's person under the query's camera, scaled to
    length 1. A query of which the pool has no image stays as it is, and so does junk.

    Args:
        query: with rows of length 1; its labels and paths stay.
        pool: with rows of length 1; None for the queries themselves.
        protocol: that the queries are ranked by, one that leaves the query's own
            camera out.

    Returns:
        The queries; and of how many images each is made, int64 (queries), 1 for those
        that stay.

    Raises:
        InputError: another protocol, unknown cameras, rows of another length than 1,
            or of other numbers of values in the two.
    """
    check_averaging(protocol)
    pool = query if pool is None else pool
    if pool.features.shape[1] != query.features.shape[1]:
        raise InputError(
            f"features of the pool have {pool.features.shape[1]} values, those of the "
            f"queries {query.features.shape[1]}; extract both with the same network"
        )
    _require_directions(query=query.features, pool=pool.features)
    unknown = (query.person_ids != JUNK) & (query.camera_ids < 0)
    if unknown.any():
        raise InputError(
            f"{int(unknown.sum())} of {len(query)} query images have no camera id "
            "(-1), by which several queries of a person are found: read the images "
            "with their file name format"
        )
    of_pool = _by_label(pool)
    features = query.features.copy()
    counts = np.ones(len(query), np.int64)
    for (person, camera), rows in _by_label(query).items():
        places = of_pool.get((person, camera))
        if person != JUNK and places is not None:
            counts[rows] = len(places)
            if len(places) == 1:  # to the bit
                features[rows] = pool.features[places]
                continue
            mean = pool.features[places].mean(axis=0, dtype=np.float64)
            features[rows] = _scaled(mean)
    averaged = FeatureSet(features, query.person_ids, query.camera_ids, query.paths)
    return averaged, counts


def _nearest(query, gallery, k, memory_bytes, kept):
    """Yield of each query the rows of its nearest gallery images, nearest first."""
    tiles = Distances(query, gallery, "cosine", memory_bytes, kept)
    k = min(k, tiles.num_columns)
    values = np.full((len(query), k), np.inf, tiles.dtype)
    columns = np.zeros((len(query), k), np.int64)
    for tile in tiles:
        if not tile.is_last_pass:
            continue
        for query_row, row in enumerate(tile.block, tile.query_start):
            places = np.arange(len(row))
            if len(row) > k:
                places = np.flatnonzero(row <= np.partition(row, k - 1)[k - 1])
            # Earlier tiles hold earlier columns, so a stable sort keeps ties in order.
            both = np.concatenate([values[query_row], row[places]])
            found = np.concatenate([columns[query_row], places + tile.column_start])
            order = np.argsort(both, kind="stable")[:k]
            values[query_row], columns[query_row] = both[order], found[order]
    return columns if kept is None else kept[columns]


def _by_label(features):
    """Return {(person, camera): rows of its images, rising}."""
    pairs = np.stack([features.person_ids, features.camera_ids], axis=1)
    labels, numbers = np.unique(pairs, axis=0, return_inverse=True)
    order = np.argsort(numbers.ravel(), kind="stable")
    starts = np.cumsum(np.bincount(numbers.ravel(), minlength=len(labels)))[:-1]
    found = np.split(order, starts)
    return dict(zip(map(tuple, labels.tolist()), found, strict=True))


def _scaled(row):
    """Return a float64 row scaled to length 1; zeros stay zeros."""
    return row / (np.linalg.norm(row) or 1.0)


def _require_directions(**sets):
    for name, features in sets.items():
        off = np.abs(squared_norms(features) - 1)
        if off.max() > _TOLERANCE:
            row = int(off.argmax())
            length = float(np.linalg.norm(features[row].astype(np.float64)))
            raise InputError(
                f"{name} row {row} has the length {length:.4g}, expected 1, as "
                "`tfipgan extract` writes them: an average of several images is of "
                "their directions"
            )
