"""CAMEL: a space where images of all cameras cluster, without labels (Yu et al. 2017).

Cross-view asymmetric metric learning gives each camera a projection of its own, such
that images of the same cluster come near, and cameras' projections stay alike. Which
images are a cluster is found by k-means in the space so far, in turns with the
projections.
"""

import logging

import numpy as np
from scipy.linalg import block_diag, eigh
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from tfipgan.errors import InputError
from tfipgan.evaluation.camera_projections import CameraProjections
from tfipgan.evaluation.feature_set import FeatureSet

DIMENSIONS = 64
CLUSTERS = 500
CONSISTENCY = 0.01
# Of the mean variance, added to all: the authors' alpha.
_REGULARISATION = 1.0
_MOST_ROUNDS = 100
# A round that brings less, as a share, is the last.
_LEAST_GAIN = 1e-4
# Cameras times values: the eigenproblem takes the cube of it in time, 1 GB at this.
_MOST_UNKNOWNS = 5000

logger = logging.getLogger(__name__)


def fit_camel(
    features: FeatureSet,
    *,
    dimensions: int = DIMENSIONS,
    clusters: int = CLUSTERS,
    consistency: float = CONSISTENCY,
    seed: int = 0,
) -> CameraProjections:
    """Return a projection for each camera, learnt from images without labels.

    The features, less their mean and on their first principal axes, are y_i (PCA; the
    authors' network gives 64 values, a ResNet 2048). With U of all cameras' projections
    it minimises

        1/n sum_i |U_v(i)' y_i - mean of its cluster|^2
        + consistency/2 sum_(v, w) |U_v - U_w|^2

    under sum_v U_v' M_v U_v = V I, M_v the second moments of the camera's y_i plus the
    mean variance: U are the smallest generalised eigenvectors. Clusters are those of
    k-means, which goes on from the clusters before, so no round is worse than the last.

    Args:
        features: of training images of the target; person ids are not read.
        dimensions: principal axes, and values of a projected row; fewer where the
            features have fewer values or images.
        clusters: the authors take 500 for any dataset.
        consistency: the authors' lambda.
        seed: of the first k-means.

    Raises:
        InputError: images without a camera, or of one camera only; fewer different
            images than clusters, or only one; an option out of its range; more cameras
            times dimensions than 5000.
    """
    cameras, numbers = _cameras(features)
    _check(features, cameras, dimensions, clusters, consistency)
    rows = features.features.astype(np.float64)
    # On several threads sums are rounded in the order in which these end.
    with threadpool_limits(1):
        pca = PCA(min(dimensions, *rows.shape), svd_solver="covariance_eigh")
        rows = pca.fit_transform(rows)
        projections = _alternate(rows, numbers, clusters, consistency, seed)
    return CameraProjections(
        pca.mean_, np.ascontiguousarray(pca.components_.T), cameras, projections
    )


def _alternate(rows, numbers, clusters, consistency, seed):
    """Return (V, d, d): projections and clusters in turns, until neither gains."""
    moments, constraint = _moments(rows, numbers)
    num_cameras, size = len(moments), rows.shape[1]
    alike = num_cameras * np.eye(num_cameras) - 1
    alike = np.kron(alike, np.eye(size))
    within = block_diag(*moments)

    def cost_matrix(labels):
        sums = _sums(rows, numbers, labels, num_cameras)
        return consistency * alike + (within - sums @ sums.T) / len(rows)

    labels = KMeans(clusters, n_init=1, random_state=seed).fit_predict(rows)
    costs = cost_matrix(labels)
    last = np.inf
    for number in range(1, _MOST_ROUNDS + 1):
        _, vectors = eigh(costs, constraint, subset_by_index=(0, size - 1))
        vectors *= num_cameras**0.5
        projections = vectors.reshape(num_cameras, size, size)
        labels = _clusters(_projected(rows, numbers, projections), labels)
        costs = cost_matrix(labels)
        cost = float(np.einsum("ij,ij->", vectors, costs @ vectors))
        logger.info("round %d: the objective is %.6g", number, cost)
        if last - cost <= _LEAST_GAIN * abs(cost):
            break
        last = cost
    return projections


def _moments(rows, numbers):
    """Return of each camera the sum of y y', and the matrix of the constraint."""
    sums, means = [], []
    for number in range(numbers.max() + 1):
        own = rows[numbers == number]
        sums.append(own.T @ own)
        means.append(sums[-1] / len(own))
    constraint = block_diag(*means)
    size = len(constraint)
    constraint += _REGULARISATION * np.trace(constraint) / size * np.eye(size)
    return sums, constraint


def _sums(rows, numbers, labels, num_cameras):
    """Return (V d, clusters): each camera's sums, over the roots of the sizes."""
    sizes = np.maximum(np.bincount(labels), 1)
    sums = np.zeros((num_cameras, len(sizes), rows.shape[1]))
    np.add.at(sums, (numbers, labels), rows)
    sums /= sizes[:, None] ** 0.5
    return sums.transpose(0, 2, 1).reshape(-1, len(sizes))


def _projected(rows, numbers, projections):
    found = np.empty_like(rows)
    for number, projection in enumerate(projections):
        own = numbers == number
        found[own] = rows[own] @ projection
    return found


def _clusters(points, labels):
    """Return k-means' labels of points, which goes on from the labels before."""
    sizes = np.bincount(labels)
    means = np.zeros((len(sizes), points.shape[1]))
    np.add.at(means, labels, points)
    means /= np.maximum(sizes, 1)[:, None]
    return KMeans(len(means), init=means, n_init=1).fit_predict(points)


def _cameras(features):
    """Return the cameras, rising, and of each image the place of its camera."""
    unknown = int((features.camera_ids < 0).sum())
    if unknown:
        raise InputError(
            f"{unknown} of {len(features)} images have no camera id (-1), by which "
            "CAMEL tells them apart: read the images with their file name format"
        )
    cameras, numbers = np.unique(features.camera_ids, return_inverse=True)
    if len(cameras) < 2:
        raise InputError(
            f"all {len(features)} images are of camera {cameras[0]}, expected images "
            "of two cameras or more, which CAMEL brings together"
        )
    return cameras, numbers.ravel()


def _check(features, cameras, dimensions, clusters, consistency):
    """Raise InputError for options out of their range, or too large for the images."""
    if dimensions < 1:
        raise InputError(f"dimensions is {dimensions}, expected 1 or more")
    if clusters < 1:
        raise InputError(f"clusters is {clusters}, expected 1 or more")
    if not 0 <= consistency < np.inf:
        raise InputError(f"consistency is {consistency}, expected a number from 0 on")
    different = len(np.unique(features.features, axis=0))
    if different < 2:
        raise InputError(
            f"all {len(features)} images have the same feature, expected different "
            "ones: look for a dead network"
        )
    if different < clusters:
        raise InputError(
            f"{len(features)} images have {different} different features, expected "
            f"at least as many as clusters, {clusters}: give fewer --clusters"
        )
    unknowns = len(cameras) * min(dimensions, *features.features.shape)
    if unknowns > _MOST_UNKNOWNS:
        raise InputError(
            f"{len(cameras)} cameras times {unknowns // len(cameras)} dimensions is "
            f"more than the {_MOST_UNKNOWNS:,} allowed: give fewer --dimensions"
        )
