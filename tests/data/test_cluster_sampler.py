"""Batches of clusters: who is in them, from which cameras, and in what order."""

from collections import Counter

import numpy as np
import pytest

from tfipgan.data.cluster_sampler import ClusterOrder

# 0: three images of camera 1, two of camera 2. 1: camera 1 alone. 2: one image of each
# of five cameras. 3: a single image.
CLUSTERS = np.array([2, 0, 1, 0, 2, 0, 1, 3, 0, 2, 0, 2, 1, 2])
CAMERAS = np.array([1, 1, 1, 2, 2, 1, 1, 1, 2, 3, 1, 4, 1, 5])


def drawn(per_batch=2, images=3, steps=40, epoch=0, seed=0):
    """Image indices, (steps, clusters of a batch, images of a cluster)."""
    order = ClusterOrder(
        CLUSTERS,
        CAMERAS,
        batch_clusters=per_batch,
        images_per_cluster=images,
        steps=steps,
        epoch=epoch,
        seed=seed,
    )
    return order, order.images.reshape(steps, per_batch, images)


def test_a_batch_has_p_clusters_with_k_images_each():
    _, images = drawn()
    clusters = CLUSTERS[images]
    assert (clusters == clusters[..., :1]).all()
    assert (clusters[:, 0, 0] != clusters[:, 1, 0]).all()


def test_the_others_are_of_other_cameras_where_there_are_some():
    _, images = drawn()
    first, others = images[..., 0], images[..., 1:]
    same_camera = CAMERAS[others] == CAMERAS[first][..., None]
    several = np.isin(CLUSTERS[first], (0, 2))
    assert not same_camera[several].any()
    # Of one camera alone: its other images, and a single one has itself only.
    assert same_camera[~several].all()
    itself = (others == first[..., None]).any(axis=-1)
    assert (itself == (CLUSTERS[first] == 3)).all()


def test_images_of_a_cluster_differ_where_there_are_enough():
    _, images = drawn(images=5)
    for group in images.reshape(-1, 5):
        if CLUSTERS[group[0]] == 2:
            assert sorted(group) == [0, 4, 9, 11, 13]
    # Every image gets its turn.
    assert set(images.ravel()) == set(range(len(CLUSTERS)))


def test_all_clusters_come_equally_often():
    _, images = drawn(steps=50)
    assert set(Counter(CLUSTERS[images[..., 0]].ravel()).values()) == {25}
    # Three of four: the one that is left over is shuffled in anew.
    _, images = drawn(per_batch=3, steps=200)
    counts = Counter(CLUSTERS[images[..., 0]].ravel())
    assert min(counts.values()) > 120


def test_fewer_clusters_than_a_batch_takes_come_again():
    _, images = drawn(per_batch=6, steps=10)
    for batch in CLUSTERS[images[..., 0]]:
        counts = Counter(batch)
        assert set(counts) == {0, 1, 2, 3}
        assert max(counts.values()) == 2


def test_epochs_and_seeds_differ_and_each_can_be_drawn_again():
    _, images = drawn()
    for other in ({"epoch": 1}, {"seed": 1}):
        assert (drawn(**other)[1] != images).any()
    np.testing.assert_array_equal(drawn()[1], images)


@pytest.mark.parametrize("epoch", [0, 3])
def test_rows_are_those_of_the_whole_run(epoch):
    order, images = drawn(epoch=epoch, steps=4)
    rows = np.arange(images.size) + epoch * images.size
    got = [int(order.sample_of(row)) for row in rows]
    assert got == images.ravel().tolist()
