"""Clusters of images that stand for people whose identities aren't known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

import numpy as np
from scipy import sparse

from tfipgan.clustering.camera_aware import MEAN_INTER, MEAN_INTRA, camera_aware_codes
from tfipgan.clustering.choose import candidates, score
from tfipgan.clustering.dbscan import dbscan
from tfipgan.clustering.jaccard import jaccard_distances, plain_codes
from tfipgan.clustering.neighbours import nearest, nearest_by_camera
from tfipgan.clustering.quality import Quality, quality_of
from tfipgan.clustering.settings import MEAN_PLAIN, ClusterSettings
from tfipgan.errors import InputError

# How far a row's squared length may be from 1: bfloat16 has 8 bits.
_ROUNDING = 0.02


@dataclass(frozen=True)
class Clustering:
    """Pseudo labels of images.

    Attributes:
        labels: int64 (N), each image's cluster, numbered from 0 in the order of their
            first images; -1 for outliers.
        settings_used: the settings with the distance and each value that counted.
        quality: the clustering's own numbers.
    """

    labels: np.ndarray
    settings_used: ClusterSettings
    quality: Quality


def cluster_images(
    features: np.ndarray,
    cameras: np.ndarray | None,
    settings: ClusterSettings,
    memory_bytes: int = 2**30,
) -> Clustering:
    """Return clusters of images, by DBSCAN on Jaccard distances of their neighbours.

    The way of cluster contrast (`tfipgan.clustering.jaccard`), with its distance or the
    camera-aware one of CA-Jaccard (`tfipgan.clustering.camera_aware`). What the
    settings leave open is chosen by `tfipgan.clustering.choose`. The result is a
    function of the arguments alone; identities play no part.

    Args:
        features: float32 (N, D), L2-normalised.
        cameras: int64 (N); None, or -1 for any image, if they aren't known. Then, and
            with one camera only, the plain distance is taken.
        settings: what is set, and what is to be chosen.
        memory_bytes: for blocks of distances and for lists of near pairs; neither the
            features nor up to some hundred bytes for each image and neighbour are
            counted. All pairs of images are never held at a time.

    Raises:
        InputError: for no images, arrays that don't fit each other, features that are
            not finite or not of length 1, and images so much alike that the lists of
            near pairs don't fit in the memory.
    """
    features, cameras = _checked(features, cameras)
    by_camera = cameras is not None and bool((cameras != cameras[0]).any())
    if not by_camera:
        settings = replace(settings, distance="plain")
    best, best_score = None, -np.inf
    for option, distances in _with_distances(features, cameras, settings, memory_bytes):
        labels = dbscan(distances, option.eps, option.min_samples)
        quality = quality_of(distances, labels, cameras)
        found = score(quality, by_camera)
        # Equal ones, such as without any cluster: the first.
        if found > best_score:
            best, best_score = Clustering(labels, option, quality), found
        del distances  # or they would be there while the next ones are made
    assert best is not None
    return best


def _checked(features, cameras):
    features = np.asarray(features)
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(
            f"features have shape {features.shape}, expected (images, values) with at "
            "least one of each"
        )
    features = np.ascontiguousarray(features, np.float32)
    squares = np.einsum("nd,nd->n", features, features)
    if not np.isfinite(squares).all():
        at = int(np.flatnonzero(~np.isfinite(squares))[0])
        raise InputError(
            f"features of image {at} are not finite; look for a diverged network"
        )
    worst = int(np.abs(squares - 1).argmax())
    if abs(squares[worst] - 1) > _ROUNDING:
        raise InputError(
            f"features of image {worst} have length {squares[worst] ** 0.5:.3g}, "
            "expected 1; L2-normalise them"
        )
    if cameras is None:
        return features, None
    cameras = np.asarray(cameras)
    if cameras.shape != (len(features),) or cameras.dtype.kind not in "iu":
        raise InputError(
            f"cameras are {cameras.dtype} of shape {cameras.shape}, expected a whole "
            f"number for each of {len(features)} images"
        )
    # One that isn't known may be the camera of any other image.
    return features, None if cameras.min() < 0 else cameras.astype(np.int64)


def _with_distances(
    features, cameras, settings, memory_bytes
) -> Iterator[tuple[ClusterSettings, sparse.csr_array]]:
    """Each setting to try, with its distances; the same of several are made once."""
    groups = groupby(candidates(settings), attrgetter("distance"))
    sizes, distances = None, None
    for options in (list(group) for _, group in groups):
        codes_of = _coder(features, cameras, options, memory_bytes)
        for option in options:
            its_sizes = option.distance, option.k, option.k_intra, option.k_inter
            if its_sizes != sizes:
                # Those before go first: there is memory for one.
                distances = None
                distances = jaccard_distances(codes_of(option), memory_bytes)
                sizes = its_sizes
            yield option, distances


def _coder(
    features, cameras, options, memory_bytes
) -> Callable[[ClusterSettings], sparse.csr_array]:
    """Return what makes an option's codes, of neighbours that are searched once."""
    if options[0].distance == "plain":
        most = max(MEAN_PLAIN, max(option.k for option in options) + 1)
        near = nearest(features, most, memory_bytes)
        return lambda option: plain_codes(
            features, near, option.k, min(MEAN_PLAIN, option.k), memory_bytes
        )
    intra, inter = nearest_by_camera(
        features,
        cameras,
        max(MEAN_INTRA, options[0].k_intra + 1),
        max(MEAN_INTER, max(option.k_inter for option in options) + 1),
        memory_bytes,
    )
    return lambda option: camera_aware_codes(
        features, intra, inter, option.k_intra, option.k_inter
    )
