"""Which images make the batches of an epoch: P clusters with K images of each."""

from collections.abc import Iterator

import numpy as np

from tfipgan.data.epoch_order import EpochOrder


class ClusterOrder(EpochOrder):
    """Which image stands at a row of an epoch's batches of P clusters with K images.

    As cluster contrast draws them (Dai et al. 2021): the clusters are shuffled, and
    batch after batch takes the next P; where fewer are left all are shuffled anew. With
    fewer than P clusters in all, a batch has some of them more than once. A cluster
    gives one image drawn at random, and K - 1 of those that other cameras have of it;
    where there is none, of its others. They are different ones where there are enough.

    Args:
        clusters: int (images,), from 0, none left out.
        cameras: int (images,), alike where they are not known.
        batch_clusters: P.
        images_per_cluster: K.
        steps: batches of the epoch.
        epoch: from 0; the rows of the run before it are those of `epoch` such epochs.
        seed: int.
    """

    def __init__(
        self,
        clusters: np.ndarray,
        cameras: np.ndarray,
        *,
        batch_clusters: int,
        images_per_cluster: int,
        steps: int,
        epoch: int,
        seed: int,
    ):
        draw = np.random.default_rng([seed, epoch])
        count = int(clusters.max()) + 1
        by_cluster = np.argsort(clusters, kind="stable")
        starts = np.searchsorted(clusters[by_cluster], np.arange(1, count))
        members = np.split(by_cluster, starts)
        turns = _turns(draw, count, batch_clusters)
        drawn = [
            _images(draw, members[cluster], cameras, images_per_cluster)
            for _ in range(steps)
            for cluster in next(turns)
        ]
        super().__init__(np.concatenate(drawn), epoch)


def _turns(draw, count, batch_clusters) -> Iterator[np.ndarray]:
    """Yield the clusters of batch after batch."""
    left = np.zeros(0, np.int64)
    while True:
        if len(left) < batch_clusters:
            left = draw.permutation(count)
            while len(left) < batch_clusters:
                left = np.concatenate([left, draw.permutation(count)])
        yield left[:batch_clusters]
        left = left[batch_clusters:]


def _images(draw, members, cameras, count):
    """Draw the images of one cluster for one batch."""
    first = draw.choice(members)
    others = members[cameras[members] != cameras[first]]
    if not len(others):
        others = members[members != first]
    if not len(others):
        others = members
    rest = draw.choice(others, count - 1, replace=len(others) < count - 1)
    return np.concatenate([[first], rest]).astype(np.int64)
