"""Means of clusters and cameras, and the memory's update, against slow versions."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.training.cluster_memory import find_proxies, group_means, updated_memory


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def test_the_means_of_clusters_by_hand():
    features = np.float32([[1, 0], [0, 1], [0, 1], [0.6, 0.8], [1, 0]])
    means = group_means(features, np.array([1, 0, -1, 1, 1]))
    # (1 + 0.6 + 1, 0.8) / 3, scaled to length 1.
    np.testing.assert_allclose(means, [[0, 1], unit([2.6, 0.8])], atol=1e-7)
    # Opposite ones have no direction, and no NaN.
    opposite = group_means(np.float32([[1, 0], [-1, 0]]), np.array([0, 0]))
    assert opposite.tolist() == [[0, 0]]


def test_the_means_do_not_depend_on_who_else_is_there():
    draw = np.random.default_rng(0)
    features, groups = draw.normal(size=(40, 6)), draw.integers(0, 7, 40)
    features = unit(features)
    means = group_means(features, groups)
    for group in range(7):
        expected = unit(features[groups == group].mean(axis=0))
        np.testing.assert_allclose(means[group], expected, atol=1e-6)


def test_proxies_are_pairs_of_cluster_and_camera():
    labels = np.array([1, -1, 0, 1, 1, 0])
    cameras = np.array([4, 2, 9, 2, 4, 9])
    proxies = find_proxies(labels, cameras)
    assert proxies.clusters.tolist() == [0, 1, 1]
    assert proxies.cameras.tolist() == [9, 2, 4]
    assert proxies.of_image.tolist() == [2, -1, 0, 1, 2, 0]


@pytest.mark.parametrize("momentum", [0.1, 0.7])
def test_the_memory_takes_row_after_row(momentum):
    draw = np.random.default_rng(1)
    memory, features = (unit(draw.normal(size=(n, 5))) for n in (6, 20))
    # One cluster once, one eight times, one not at all; not in a row.
    clusters = draw.permutation([0] + [1] * 8 + [2] * 4 + [3] * 4 + [5] * 3)
    expected = memory.copy()
    for feature, cluster in zip(features, clusters, strict=True):
        moved = momentum * expected[cluster] + (1 - momentum) * feature
        expected[cluster] = moved / np.linalg.norm(moved)
    got = updated_memory(tf.Variable(memory), features, clusters, momentum).numpy()
    np.testing.assert_allclose(got, expected, atol=2e-6)
    np.testing.assert_array_equal(got[4], memory[4])
    # The order decides: backwards it is another memory.
    back = updated_memory(memory, features[::-1], clusters[::-1], momentum).numpy()
    assert abs(back - expected).max() > 0.01
