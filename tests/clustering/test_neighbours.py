import tracemalloc

import numpy as np
import pytest
from unit_features import FEATURES, random_features, sorted_neighbours

from tfipgan.clustering.neighbours import nearest, nearest_by_camera


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("memory_bytes", [1, 2**28])
def test_nearest_as_sorted(name, memory_bytes):
    features = FEATURES[name]
    found = nearest(features, 12, memory_bytes)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(
        found, sorted_neighbours(features, 12, lambda i, j: True)
    )


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("memory_bytes", [1, 2**28])
def test_nearest_by_camera_as_sorted(name, memory_bytes):
    features = FEATURES[name]
    cameras = np.random.default_rng(1).integers(0, 4, len(features)) * 7
    # A camera of one image, and one of two: fewer than what is asked for.
    cameras[:3] = 100, 101, 101
    intra, inter = nearest_by_camera(features, cameras, 6, 9, memory_bytes)
    expected = sorted_neighbours(features, 6, lambda i, j: cameras[i] == cameras[j])
    np.testing.assert_array_equal(intra, expected)
    assert intra[0].tolist() == [0, -1, -1, -1, -1, -1]
    expected = sorted_neighbours(features, 9, lambda i, j: cameras[i] != cameras[j])
    np.testing.assert_array_equal(inter, expected)


def test_fewer_images_than_neighbours():
    features = random_features(4)
    assert nearest(features, 9, 1).shape == (4, 4)
    assert nearest(features[:1], 9, 1).tolist() == [[0]]
    intra, inter = nearest_by_camera(features, np.array([3, 3, 3, 5]), 9, 9, 1)
    assert intra.shape == inter.shape == (4, 3)
    assert inter[3].min() >= 0 and inter[0].tolist() == [3, -1, -1]


def test_memory_is_bounded():
    features = random_features(3000, 8)
    tracemalloc.start()
    nearest(features, 5, 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The lists, and blocks: a matrix of all pairs has 36 MB of float32 alone.
    assert peak < 2**21
