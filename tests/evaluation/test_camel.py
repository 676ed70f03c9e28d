"""CAMEL: against its matrices written out, and what it is for."""

import logging
import re

import numpy as np
import pytest
from scipy.linalg import eig
from sklearn.cluster import KMeans

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation import camel as module
from tfipgan.evaluation.camel import fit_camel


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def written_out(rows, cameras, labels, consistency):
    """U, (V d, d), and its objective of fixed clusters, by the paper's matrices."""
    (count, size), places = rows.shape, sorted(set(cameras))
    total = len(places) * size
    spread = np.zeros((total, count))
    for i, camera in enumerate(cameras):
        at = places.index(camera) * size
        spread[at : at + size, i] = rows[i]
    moments = np.zeros((total, total))
    for v, camera in enumerate(places):
        at = slice(v * size, (v + 1) * size)
        own = spread[at][:, cameras == camera]
        moments[at, at] = own @ own.T / own.shape[1]
    moments += np.trace(moments) / total * np.eye(total)
    alike = len(places) * np.eye(total) - np.tile(np.eye(size), 2 * (len(places),))
    member = np.zeros((count, labels.max() + 1))
    member[np.arange(count), labels] = 1
    member /= np.sqrt(member.sum(axis=0))
    inner = spread @ (np.eye(count) - member @ member.T) @ spread.T / count
    values, vectors = eig(np.linalg.inv(moments) @ (consistency * alike + inner))
    u = np.real(vectors[:, np.argsort(np.real(values))[:size]])
    u *= np.sqrt(len(places) / np.einsum("ij,ij->j", u, moments @ u))
    return u


def objective(rows, cameras, labels, u, consistency):
    """As fit_camel's docstring has it."""
    blocks = dict(
        zip(sorted(set(cameras)), np.split(u, len(set(cameras))), strict=True)
    )
    points = np.array([blocks[c].T @ row for c, row in zip(cameras, rows, strict=True)])
    means = np.array(
        [points[labels == k].mean(axis=0) for k in range(labels.max() + 1)]
    )
    apart = sum(((a - b) ** 2).sum() for a in blocks.values() for b in blocks.values())
    return ((points - means[labels]) ** 2).sum() / len(rows) + consistency / 2 * apart


@pytest.fixture
def features(rng):
    """90 images of 9 people, 3 cameras, each of which shifts and mixes the values."""
    people, cameras = np.arange(90) % 9, np.arange(90) // 9 % 3 + 4
    rows = rng.standard_normal((9, 6))[people] + 0.2 * rng.standard_normal((90, 6))
    mixes = np.eye(6) + 0.1 * rng.standard_normal((3, 6, 6))
    rows = np.einsum("nd,nde->ne", rows, mixes[cameras - 4])
    rows += 0.6 * rng.standard_normal((3, 6))[cameras - 4]
    return FeatureSet(rows, people, cameras)


def test_one_round_against_the_matrices(features, monkeypatch):
    """The space of a round's projections is that of the paper's eigenvectors."""
    monkeypatch.setattr(module, "_MOST_ROUNDS", 1)
    found = fit_camel(features, dimensions=4, clusters=9, consistency=0.3, seed=2)
    rows = features.features.astype(float)
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0))
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.abs(found.basis.T @ axes[:4].T), np.eye(4), atol=1e-5)
    rows = (rows - found.mean) @ found.basis
    labels = KMeans(9, n_init=1, random_state=2).fit_predict(rows)
    u = written_out(rows, features.camera_ids, labels, 0.3)
    assert found.cameras.tolist() == [4, 5, 6]
    # Each vector up to its sign.
    signs = np.sign((found.projections.reshape(12, 4) * u).sum(axis=0))
    np.testing.assert_allclose(found.projections.reshape(12, 4) * signs, u, atol=1e-6)


def test_rounds_get_better_and_end(features, caplog, monkeypatch):
    found_labels, clusters = [], module._clusters
    monkeypatch.setattr(
        module,
        "_clusters",
        lambda *words: found_labels.append(clusters(*words)) or found_labels[-1],
    )
    with caplog.at_level(logging.INFO):
        found = fit_camel(features, dimensions=6, clusters=9)
    told = re.findall(r"round (\d+): the objective is (\S+)", caplog.text)
    costs = [float(cost) for _, cost in told]
    assert [int(n) for n, _ in told] == [*range(1, len(told) + 1)]
    assert 2 <= len(costs) < 100
    assert all(b <= a * (1 + 1e-6) for a, b in zip(costs, costs[1:], strict=False))
    assert costs[-2] - costs[-1] <= 1e-4 * costs[-1]
    rows = (features.features - found.mean) @ found.basis
    last = found_labels[-1], found.projections.reshape(18, 6), 0.01
    expected = objective(rows, features.camera_ids, *last)
    assert costs[-1] == pytest.approx(expected, rel=1e-5)


def test_it_brings_cameras_together(features):
    """Which is what mAP over cameras measures."""
    found = fit_camel(features, clusters=9, consistency=1.0)
    found = found.project("query", features)
    before = evaluate_ranking(features, features)["mAP"]
    assert evaluate_ranking(found, found)["mAP"] > before + 0.05


def test_much_consistency_makes_all_projections_one(features):
    free = fit_camel(features, clusters=9, consistency=0.0).projections
    alike = fit_camel(features, clusters=9, consistency=1e4).projections
    assert np.abs(free - free[0]).max() > 0.1
    np.testing.assert_allclose(alike, np.broadcast_to(alike[0], alike.shape), atol=1e-3)


def test_the_same_twice_and_labels_are_not_read(features):
    first = fit_camel(features, clusters=9)
    other = FeatureSet(features.features, [-2] * 90, features.camera_ids)
    again = fit_camel(other, clusters=9)
    for name, array in vars(first).items():
        np.testing.assert_array_equal(getattr(again, name), array)
    # No more dimensions than values.
    assert first.basis.shape == (6, 6)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"dimensions": 0}, "dimensions is 0, expected 1 or more"),
        ({"clusters": 0}, "clusters is 0, expected 1 or more"),
        ({"consistency": -1.0}, "consistency is -1.0, expected a number from 0 on"),
        ({"consistency": np.nan}, "consistency is nan, expected a number from 0 on"),
        ({"clusters": 91}, "90 images have 90 different features, expected at least "
                           "as many as clusters, 91: give fewer --clusters"),
    ],
)  # fmt: skip
def test_options_out_of_range(features, options, line):
    with pytest.raises(InputError) as error:
        fit_camel(features, **{"clusters": 9, **options})
    assert str(error.value) == line


def test_too_many_unknowns(features, monkeypatch):
    monkeypatch.setattr(module, "_MOST_UNKNOWNS", 17)
    with pytest.raises(InputError) as error:
        fit_camel(features, clusters=9)
    assert str(error.value) == (
        "3 cameras times 6 dimensions is more than the 17 allowed: give fewer "
        "--dimensions"
    )
    fit_camel(features, clusters=9, dimensions=5)


@pytest.mark.parametrize(
    ("cameras", "line"),
    [
        (
            [-1] * 30 + [3] * 60,
            "30 of 90 images have no camera id (-1), by which CAMEL",
        ),
        ([3] * 90, "all 90 images are of camera 3, expected images of two cameras or"),
    ],
)
def test_images_without_cameras(features, cameras, line):
    other = FeatureSet(features.features, features.person_ids, cameras)
    with pytest.raises(InputError) as error:
        fit_camel(other, clusters=9)
    assert str(error.value).startswith(line)


def test_images_that_are_all_the_same(features):
    other = FeatureSet(np.ones((90, 6)), features.person_ids, features.camera_ids)
    with pytest.raises(InputError) as error:
        fit_camel(other, clusters=1)
    assert str(error.value) == (
        "all 90 images have the same feature, expected different ones: look for a "
        "dead network"
    )
