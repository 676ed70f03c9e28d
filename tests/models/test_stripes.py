"""Local max pooling: by hand, of any run's network, and more stripes than rows."""

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.models import ReidNetwork
from tfipgan.models.inference import InferenceNetwork
from tfipgan.models.stripes import check_stripes, pooled_stripes


def test_stripes_by_hand():
    """Five rows in two stripes: two rows and three."""
    maps = np.zeros((1, 5, 2, 2), np.float32)
    maps[0, :, 0, 0] = [3, 1, 2, 9, 4]
    maps[0, :, 1, 0] = [0, 7, 0, 0, 5]
    maps[0, :, 1, 1] = -1
    maps[0, :, 0, 1] = [-2, -3, -4, -0.5, -6]
    found = pooled_stripes(maps, 2)
    np.testing.assert_array_equal(found, [[[7, -1]], [[9, -0.5]]])
    # As many as rows: each row; one: all.
    rows = np.concatenate(pooled_stripes(maps, 5))
    np.testing.assert_array_equal(rows[:, 0], [3, 7, 2, 9, 5])
    np.testing.assert_array_equal(pooled_stripes(maps, 1), [[[9, -0.5]]])


@pytest.mark.parametrize("neck", ["none", "bnneck"])
def test_the_descriptor_of_a_network(neck):
    """Each stripe's maximum, through the neck, and the whole of length 1."""
    rng = np.random.default_rng(2)
    network = ReidNetwork(None, 18, None, 2, neck=neck, last_stride=1)
    images = rng.random((2, 64, 32, 3), np.float32)
    network.extract_features(images)
    if neck == "bnneck":
        network.neck.gamma.assign(1 + rng.random(16, np.float32))
        network.neck.moving_mean.assign(rng.random(16, np.float32))
    maps = InferenceNetwork(network).last_map(images).numpy()
    assert maps.shape == (2, 4, 2, 16)
    stripes = [maps[:, :2].max(axis=(1, 2)), maps[:, 2:].max(axis=(1, 2))]
    if neck == "bnneck":
        stripes = [network.neck(stripe).numpy() for stripe in stripes]
    expected = np.concatenate(stripes, axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = InferenceNetwork(network, pool_stripes=2)(images).numpy()
    assert found.shape == (2, 32)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("count", "height", "last_stride", "rows"),
    [(3, 64, 2, 2), (0, 64, 2, 2), (5, 64, 1, 4), (4, 66, 2, 3), (9, 256, 2, 8)],
)
def test_more_stripes_than_rows(count, height, last_stride, rows):
    with pytest.raises(InputError) as error:
        check_stripes(count, height, last_stride)
    line = str(error.value)
    assert line.startswith(
        f"pool-stripes is {count}, expected 1 to {rows}: the last map of images "
        f"{height} pixels high has so many rows; give fewer"
    )
    assert line.endswith("last_stride 1") == (last_stride == 2)
    check_stripes(rows, height, last_stride)
    check_stripes(1, height, last_stride)


@pytest.mark.parametrize("last_stride", [1, 2])
@pytest.mark.parametrize("height", [64, 66, 49])
def test_the_rows_are_those_of_the_network(height, last_stride):
    network = ReidNetwork(None, 18, None, 2, last_stride=last_stride)
    images = np.zeros((1, height, 32, 3), np.float32)
    network.extract_features(images)
    rows = InferenceNetwork(network).last_map(images).shape[1]
    check_stripes(rows, height, last_stride)
    with pytest.raises(InputError):
        check_stripes(rows + 1, height, last_stride)
