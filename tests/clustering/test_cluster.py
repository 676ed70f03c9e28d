import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from unit_features import FEATURES, people, random_features

from tfipgan.clustering import ClusterSettings, agreement, cluster_images
from tfipgan.clustering.choose import candidates, score
from tfipgan.errors import InputError

FIXED = ClusterSettings("camera_aware", k=8, k_intra=3, k_inter=6, eps=0.6)
PLAIN = replace(FIXED, distance="plain")
PEOPLE = people(12, 8, 2, noise=0.5, offset=0.5)


def test_people_are_found():
    features, cameras, persons = PEOPLE
    found = cluster_images(features, cameras, FIXED)
    assert found.labels.dtype == np.int64
    assert agreement(found.labels, persons) > 0.9
    # Numbered by their first images, and people come in order here.
    assert (np.diff(found.labels[found.labels >= 0]) >= 0).all()
    assert found.settings_used == FIXED
    assert found.quality.clusters == found.labels.max() + 1
    assert 1.5 < found.quality.cameras_per_cluster <= 2


def test_cameras_decide_where_they_look_different():
    """With the plain distance each cluster is of one camera, as the paper tells."""
    features, cameras, persons = people(12, 8, 2, noise=0.3, offset=2.5)
    aware = cluster_images(features, cameras, FIXED)
    plain = cluster_images(features, cameras, PLAIN)
    assert plain.quality.cameras_per_cluster == 1
    assert aware.quality.cameras_per_cluster > 1.5
    assert agreement(aware.labels, persons) > agreement(plain.labels, persons) + 0.1


@pytest.mark.parametrize("memory_bytes", [2**19, 2**30])
@pytest.mark.parametrize("settings", [FIXED, PLAIN])
def test_the_same_again_and_in_other_blocks(settings, memory_bytes):
    features, cameras, _ = PEOPLE
    expected = cluster_images(features, cameras, settings, 2**26)
    found = cluster_images(features.copy(), cameras.copy(), settings, memory_bytes)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.quality.silhouette == pytest.approx(expected.quality.silhouette)


@pytest.mark.parametrize("distance", ["camera_aware", None])
@pytest.mark.parametrize("which", ["none", "one", "unknown"])
def test_without_cameras_it_is_plain(which, distance):
    features, cameras, _ = PEOPLE
    given = {"none": None, "one": np.full_like(cameras, 3), "unknown": cameras.copy()}
    given["unknown"][5] = -1
    settings = replace(FIXED, distance=distance)
    found = cluster_images(features, given[which], settings)
    assert found.settings_used == PLAIN
    plain = cluster_images(features, cameras, PLAIN)
    np.testing.assert_array_equal(found.labels, plain.labels)
    assert found.quality.cameras_per_cluster == (which == "one")


@pytest.mark.parametrize("fixed", [{}, {"k": 8, "k_inter": 6}])
@pytest.mark.parametrize("offset", [0.2, 1.0])
def test_the_best_score_is_taken(offset, fixed):
    features, cameras, _ = people(30, 8, 2, noise=1.2, offset=offset)
    open_ones = ClusterSettings(k_intra=3, eps=0.6, **fixed)
    options = list(candidates(open_ones))
    each = [cluster_images(features, cameras, option) for option in options]
    scores = [score(one.quality, True) for one in each]
    assert len(set(scores)) > 1
    assert {one.settings_used.distance for one in each} == {"camera_aware", "plain"}
    found = cluster_images(features, cameras, open_ones)
    expected = each[int(np.argmax(scores))]
    assert found.settings_used == expected.settings_used
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_distances_are_made_once_for_each_size(monkeypatch):
    from tfipgan.clustering import cluster

    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return jaccard_distances(*arguments)

    jaccard_distances = cluster.jaccard_distances
    monkeypatch.setattr(cluster, "jaccard_distances", counted)
    features, cameras, _ = PEOPLE
    assert len(list(candidates(ClusterSettings()))) == 16
    cluster_images(features, cameras, ClusterSettings())
    assert len(calls) == 8


@pytest.mark.parametrize("settings", [ClusterSettings(), PLAIN])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_images_for_a_cluster(settings, count):
    found = cluster_images(random_features(count), np.arange(count), settings)
    assert found.labels.tolist() == [-1] * count
    assert found.quality.clusters == 0 and found.quality.outliers == 1


@pytest.mark.parametrize("settings", [ClusterSettings(), FIXED, PLAIN])
def test_images_all_alike_are_one_cluster(settings):
    cameras = np.arange(90) % 3
    found = cluster_images(FEATURES["alike"], cameras, settings)
    assert found.quality.clusters == 1
    assert found.labels.max() == 0


def test_cameras_of_one_image_each():
    found = cluster_images(random_features(30), np.arange(30), FIXED)
    assert len(found.labels) == 30


def test_other_dtypes_are_taken():
    features, cameras, _ = PEOPLE
    expected = cluster_images(features, cameras, FIXED).labels
    other = np.asfortranarray(features.astype(np.float64))
    found = cluster_images(other, cameras.astype(np.int8), FIXED).labels
    np.testing.assert_array_equal(found, expected)


NAN = random_features(4)
NAN[2, 3] = np.nan
NULL = random_features(4)
NULL[1] = 0
GOOD = random_features(4)


@pytest.mark.parametrize(
    ("features", "cameras", "message"),
    [
        (np.zeros((0, 8), np.float32), None, r"features have shape \(0, 8\), expected"),
        (np.zeros((4, 0), np.float32), None, r"features have shape \(4, 0\), expected"),
        (np.zeros(4, np.float32), None, r"features have shape \(4,\), expected"),
        (NAN, None, "features of image 2 are not finite; look for a diverged network"),
        (NULL, None, "features of image 1 have length 0, expected 1; L2-normalise"),
        (3 * GOOD, None, "have length 3, expected 1; L2-normalise them"),
        (GOOD, np.zeros(3, int), r"int64 of shape \(3,\), expected .* 4 images"),
        (GOOD, np.zeros((4, 1), int), r"shape \(4, 1\), expected"),
        (GOOD, np.zeros(4), "cameras are float64 of shape"),
    ],
)
def test_bad_input_is_a_line(features, cameras, message):
    with pytest.raises(InputError, match=message) as caught:
        cluster_images(features, cameras, FIXED)
    assert "\n" not in str(caught.value)


def test_too_little_memory_is_a_line():
    with pytest.raises(InputError, match="allow more memory"):
        cluster_images(FEATURES["alike"], None, PLAIN, 2**14)


def test_no_tensorflow():
    code = (
        "import sys, tfipgan.clustering; assert not {'tensorflow', 'keras'} & "
        "set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
