from dataclasses import replace

import numpy as np
import pytest
from unit_features import people

from tfipgan.clustering import ClusterSettings, Quality, agreement, cluster_images
from tfipgan.clustering.choose import candidates, score


def sizes(settings):
    return [(c.k, c.k_intra, c.k_inter, c.eps) for c in candidates(settings)]


def test_eight_candidates_of_a_distance():
    found = sizes(ClusterSettings(distance="camera_aware"))
    assert len(set(found)) == 8
    assert found[:3] == [(None, 5, 2, 0.5), (None, 5, 2, 0.6), (None, 5, 4, 0.5)]
    found = sizes(ClusterSettings(distance="plain"))
    assert len(set(found)) == 8
    assert found[:3] == [
        (5, None, None, 0.5),
        (5, None, None, 0.6),
        (10, None, None, 0.5),
    ]


def test_what_is_given_stays():
    given = ClusterSettings("camera_aware", 7, 1, 3, 0.4, min_samples=2)
    assert list(candidates(given)) == [given]
    plain = replace(given, distance="plain")
    assert list(candidates(plain)) == [plain]
    assert list(candidates(replace(given, distance=None))) == [given, plain]
    aware = ClusterSettings("camera_aware")
    assert {c[2] for c in sizes(replace(aware, k_inter=3))} == {3}
    assert sizes(replace(aware, eps=0.3, k_intra=2))[0] == (None, 2, 2, 0.3)
    assert len(sizes(replace(aware, eps=0.3))) == 4


def test_both_distances_are_tried_where_none_is_set():
    each = [*candidates(ClusterSettings("camera_aware"))]
    each += candidates(ClusterSettings("plain"))
    assert list(candidates(ClusterSettings())) == each


@pytest.mark.parametrize(
    ("cameras", "noise", "offset", "right", "wrong"),
    [(4, 0.9, 1.2, "camera_aware", "plain"), (2, 1.2, 0.3, "plain", "camera_aware")],
)
def test_the_distance_follows_the_looks_of_cameras(
    cameras, noise, offset, right, wrong
):
    """Where they outweigh people, clusters of the plain one are cameras."""
    features, seen_by, persons = people(40, 8, cameras, noise=noise, offset=offset)
    found = cluster_images(features, seen_by, ClusterSettings())
    assert found.settings_used.distance == right
    other = cluster_images(features, seen_by, ClusterSettings(distance=wrong))
    reached = agreement(found.labels, persons)
    assert reached > agreement(other.labels, persons) + 0.1


def test_score_by_hand():
    quality = Quality(
        clusters=10,
        outliers=0.2,
        images_per_cluster=8,
        cameras_per_cluster=2.5,
        silhouette=0.5,
    )
    assert score(quality, across_cameras=True) == pytest.approx(15 * 0.5 * 0.8**0.5)
    assert score(quality, across_cameras=False) == pytest.approx(10 * 0.5 * 0.8**0.5)
    # Clusters of one camera each are worth nothing across cameras.
    single = replace(quality, cameras_per_cluster=1.0)
    assert score(single, across_cameras=True) == 0


@pytest.mark.parametrize(("images", "cameras"), [(4, 2), (8, 4)])
def test_it_reaches_what_the_best_candidate_does(images, cameras):
    """Identities serve the test alone."""
    features, seen_by, persons = people(25, images, cameras, noise=0.9, offset=0.5)

    def rand_index(settings):
        return agreement(cluster_images(features, seen_by, settings).labels, persons)

    best = max(rand_index(option) for option in candidates(ClusterSettings()))
    assert best > 0.5
    assert rand_index(ClusterSettings()) > 0.9 * best


def test_no_fixed_size_suits_all():
    """What makes choosing worth its time: the size that is right for 16 fails for 4."""
    few = people(25, 4, 2, noise=0.9, offset=0.5)
    large = ClusterSettings("camera_aware", k_inter=20, eps=0.6)
    features, cameras, persons = few
    fixed = agreement(cluster_images(features, cameras, large).labels, persons)
    open_ones = ClusterSettings("camera_aware")
    chosen = cluster_images(features, cameras, open_ones)
    assert agreement(chosen.labels, persons) > fixed
    assert chosen.settings_used.k_inter < 20
    assert np.isfinite(chosen.quality.silhouette)
