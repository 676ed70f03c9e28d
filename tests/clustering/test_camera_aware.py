import numpy as np
import pytest
from unit_features import FEATURES, sorted_neighbours, unit

from tfipgan.clustering.camera_aware import camera_aware_codes
from tfipgan.clustering.neighbours import nearest_by_camera

ENOUGH = 2**28


def codes_of(features, cameras, k_intra, k_inter, most=40):
    intra, inter = nearest_by_camera(features, cameras, most, most, ENOUGH)
    return camera_aware_codes(features, intra, inter, k_intra, k_inter)


def slow_codes(features, cameras, k_intra, k_inter):
    """The published method with sets and loops, in float64."""
    count = len(features)

    def ranked(k, allowed):
        rows = sorted_neighbours(features, k, allowed).tolist()
        return [[j for j in row if j >= 0] for row in rows]

    intra = ranked(k_intra + 1, lambda i, j: cameras[i] == cameras[j])
    inter = ranked(k_inter + 1, lambda i, j: cameras[i] != cameras[j])
    double = features.astype(np.float64)
    codes = np.zeros((count, count))
    for i in range(count):
        near = {j for j in intra[i] if i in intra[j]}
        near |= {j for j in inter[i] if i in inter[j]}
        for j in near:
            codes[i, j] = np.exp(-(2 - 2 * double[i] @ double[j]))
        codes[i] /= codes[i].sum()
    longer = ranked(2, lambda i, j: cameras[i] == cameras[j])
    others = ranked(4, lambda i, j: cameras[i] != cameras[j])
    return np.array([codes[longer[i] + others[i]].mean(axis=0) for i in range(count)])


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize(("k_intra", "k_inter"), [(1, 1), (5, 8), (3, 20), (60, 60)])
def test_as_the_slow_way(name, k_intra, k_inter):
    features = FEATURES[name]
    cameras = np.random.default_rng(2).integers(0, 4, len(features))
    # Cameras of one image and of two.
    cameras[5], cameras[7:9] = 10, 11
    codes = codes_of(features, cameras, k_intra, k_inter, most=61)
    expected = slow_codes(features, cameras, k_intra, k_inter)
    np.testing.assert_allclose(codes.toarray(), expected, atol=1e-6)
    np.testing.assert_allclose(codes.sum(axis=1), 1, atol=1e-5)


def test_by_hand():
    """Two people before two cameras, which differ more than the people do."""
    features = unit([[10, 0, 1], [10, 0, -1], [0, 10, 1], [0, 10, -1]])
    codes = codes_of(features, np.array([1, 1, 2, 2]), 1, 1)
    # Of two images each has all others near: two of its camera, two of the other.
    assert (codes.toarray() > 0).all()
    # A person's image of the other camera has more weight than the other person's.
    assert codes.toarray()[0, 2] > codes.toarray()[0, 3]


def test_the_other_cameras_have_a_say():
    """Even where all that is near is of an image's own camera."""
    rng = np.random.default_rng(0)
    people = rng.normal(size=(10, 16))
    cameras = np.repeat([1, 2], 100)
    persons = np.tile(np.repeat(np.arange(10), 10), 2)
    offsets = 3 * rng.normal(size=(3, 16))
    noise = 0.1 * rng.normal(size=(200, 16))
    features = unit(people[persons] + offsets[cameras] + noise)
    codes = codes_of(features, cameras, 5, 8).toarray()
    across = cameras[:, None] != cameras
    assert (codes * across).sum(axis=1).min() > 0.1
