"""What clusters are remembered by: means of their images' features, kept up to date.

The memory and its update are those of cluster contrast (Dai et al. 2021), the means by
camera those of PPLR (Cho et al. 2022).
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Proxies(NamedTuple):
    """The pairs of a cluster and a camera that have images, sorted.

    Attributes:
        of_image: int64 (images,), each clustered image's pair; -1 for outliers.
        clusters, cameras: int64 (pairs,), what each pair is.
    """

    of_image: np.ndarray
    clusters: np.ndarray
    cameras: np.ndarray


def find_proxies(labels: np.ndarray, cameras: np.ndarray) -> Proxies:
    """Return the pairs of cluster and camera.

    Args:
        labels: int64 (images,), clusters from 0; -1 is an outlier.
        cameras: int64 (images,).
    """
    kept = labels >= 0
    pairs = np.stack([labels[kept], cameras[kept]], axis=1)
    found, place = np.unique(pairs, axis=0, return_inverse=True)
    of_image = np.full(len(labels), -1, np.int64)
    of_image[kept] = place.reshape(-1)
    return Proxies(of_image, found[:, 0], found[:, 1])


def group_means(features: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the L2-normalised mean of each group's rows, float32 (groups, size).

    Args:
        features: float32 (rows, size).
        groups: int64 (rows,), from 0, none empty; -1 is of no group.
    """
    kept = np.flatnonzero(groups >= 0)
    order = kept[np.argsort(groups[kept], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    means = np.empty((len(starts), features.shape[1]), np.float32)
    # A group at a time: the rows in another order would be a second copy of them all.
    for place, rows in enumerate(np.split(order, starts[1:])):
        mean = features[rows].mean(axis=0, dtype=np.float64)
        means[place] = mean / max(np.linalg.norm(mean), 1e-12)
    return means


def updated_memory(memory, features, clusters, momentum):
    """Return the memory after a batch: m <- momentum m + (1 - momentum) f, normalised.

    Row after row, in their order, each with the memory that the one before it has left.

    Args:
        memory: float32 (clusters, size), L2-normalised.
        features: float32 (batch, size), L2-normalised.
        clusters: int64 (batch,).
        momentum: float, the share of what was there.
    """
    # Rows of different clusters don't meet: all first ones can go at once, and so on.
    same = clusters[:, tf.newaxis] == clusters[tf.newaxis, :]
    earlier = tf.linalg.band_part(tf.cast(same, tf.int32), -1, 0)
    turn = tf.reduce_sum(earlier, axis=1) - 1

    def take_turn(number, memory):
        rows = tf.where(turn == number)[:, 0]
        places = tf.gather(clusters, rows)
        moved = momentum * tf.gather(memory, places)
        moved += (1.0 - momentum) * tf.gather(features, rows)
        moved = tf.math.l2_normalize(moved, axis=1)
        updated = tf.tensor_scatter_nd_update(memory, places[:, tf.newaxis], moved)
        return number + 1, updated

    turns = tf.reduce_max(turn) + 1
    _, memory = tf.while_loop(
        lambda number, memory: number < turns,
        take_turn,
        (0, tf.convert_to_tensor(memory)),
    )
    return memory
