"""Ranked lists, camera pairs and histograms against a slow and obvious version."""

import numpy as np
import pytest

from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation.metrics import evaluate_in_detail


def random_sets(seed, metric):
    generator = np.random.default_rng(seed)
    people, cameras = generator.integers(1, 5), generator.integers(1, 4)
    sets = []
    # Now and then more columns than a tile has at least.
    for most in (12, 200 if seed % 5 == 0 else 40):
        size = generator.integers(1, most)
        # Whole numbers, so that distances are exact and many are equal.
        features = generator.integers(-2, 3, (size, 2))
        if metric == "cosine":
            features = np.array([[1, 0], [0, -2], [4, 0]])[
                generator.integers(3, size=size)
            ]
        persons = generator.integers(-1, people, size)
        sets.append(
            FeatureSet(features, persons, generator.integers(1, cameras + 1, size))
        )
    return sets


def slow_rows(query, gallery, metric):
    """For each query: (distance, gallery row, whether it is a match), nearest first."""
    for i, feature in enumerate(query.features):
        row = []
        for j, other in enumerate(gallery.features):
            same = query.person_ids[i] == gallery.person_ids[j]
            if gallery.person_ids[j] == -1:
                continue
            if same and query.camera_ids[i] == gallery.camera_ids[j]:
                continue
            if metric == "euclidean":
                far = np.linalg.norm(feature - other)
            else:
                lengths = np.linalg.norm(feature) * np.linalg.norm(other)
                far = 1 - feature @ other / lengths
            row.append((far, j, bool(same)))
        yield sorted(row)


def precision_of(hits):
    places = np.flatnonzero(hits) + 1
    return np.mean(np.arange(1, len(places) + 1) / places)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("memory_bytes", [1, 2**28])
def test_agrees_with_sorting(metric, memory_bytes):
    compared = 0
    for seed in range(120):
        query, gallery = random_sets(seed, metric)
        options = {"metric": metric, "memory_bytes": memory_bytes}
        try:
            metrics, detail = evaluate_in_detail(query, gallery, **options, top=4)
        except ValueError:
            continue
        compared += 1
        assert metrics == evaluate_ranking(query, gallery, **options)
        cells, negatives, positives = {}, [], []
        for i, row in enumerate(slow_rows(query, gallery, metric)):
            hits = [hit for _, _, hit in row]
            found = [j for _, j, _ in row[:4]]
            assert detail.top[i].tolist() == found + [-1] * (4 - len(found))
            far = [far for far, _, _ in row[:4]] + [np.inf] * (4 - len(found))
            np.testing.assert_allclose(detail.top_distance[i], far, atol=1e-6)
            if query.person_ids[i] == -1:
                row = []
            positives += [far for far, _, hit in row if hit]
            negatives += [far for far, _, hit in row if not hit]
            if not any(hits):
                assert np.isnan(detail.average_precision[i])
                assert detail.first_rank[i] == 0
                continue
            assert detail.average_precision[i] == pytest.approx(precision_of(hits))
            assert detail.first_rank[i] == hits.index(True) + 1
            for camera in np.unique(gallery.camera_ids):
                there = [hit for _, j, hit in row if gallery.camera_ids[j] == camera]
                if any(there):
                    key = query.camera_ids[i], camera
                    cells.setdefault(key, []).append((there[0], precision_of(there)))
        pairs = detail.camera_pairs
        for a, query_camera in enumerate(pairs.query_cameras):
            for b, gallery_camera in enumerate(pairs.gallery_cameras):
                cell = cells.pop((query_camera, gallery_camera), [])
                assert pairs.num_queries[a, b] == len(cell)
                if cell:
                    rank1, mean_ap = np.mean(cell, axis=0)
                    assert pairs.rank1[a, b] == pytest.approx(rank1)
                    assert pairs.mean_ap[a, b] == pytest.approx(mean_ap)
                else:
                    assert np.isnan(pairs.rank1[a, b]) and np.isnan(pairs.mean_ap[a, b])
        assert not cells
        histogram = detail.histogram
        for counts, right in (
            (histogram.positives, positives),
            (histogram.negatives, negatives),
        ):
            assert counts.sum() == len(right)
            # Each distance lies in its bin or, by rounding, in the next.
            places = np.repeat(np.arange(len(counts)), counts)
            width = histogram.edges[1]
            middle = histogram.edges[places] + width / 2
            np.testing.assert_allclose(middle, np.sort(right), atol=2 * width)
    assert compared > 60


def test_without_cameras_there_are_no_pairs():
    query = FeatureSet([[0.0]], [1], [-1])
    gallery = FeatureSet([[1.0], [2.0]], [1, 2], [1, -1])
    detail = evaluate_in_detail(query, gallery, protocol="cross-camera-off")[1]
    assert detail.camera_pairs is None
    assert detail.top.tolist() == [[0, 1, *[-1] * 8]]


def test_reranked_distances():
    generator = np.random.default_rng(0)
    features = generator.standard_normal((30, 3))
    persons = np.arange(30) % 3
    query = FeatureSet(features[:6], persons[:6], [1] * 6)
    gallery = FeatureSet(features[6:], persons[6:], [2] * 24)
    metrics, detail = evaluate_in_detail(query, gallery, rerank=True)
    assert metrics == evaluate_ranking(query, gallery, rerank=True)
    assert (np.diff(detail.top_distance, axis=1) >= 0).all()
    assert detail.top_distance.max() <= 1 and detail.histogram.edges[-1] >= 1
