"""Features of unit length to cluster, and their neighbours the slow way."""

import numpy as np


def unit(values):
    values = np.asarray(values, np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def random_features(count, values=16, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, values)))


def tied_features(count, seed=0):
    """Four values of +-0.5 in eight places: products are exact, ties are ties."""
    rng = np.random.default_rng(seed)
    features = np.zeros((count, 8), np.float32)
    for row in features:
        row[rng.choice(8, 4, replace=False)] = rng.choice([-0.5, 0.5], 4)
    return features


def sorted_neighbours(features, k, allowed):
    """Sorted lists of the allowed images, the image itself first, padded with -1."""
    features = features.astype(np.float64)
    squares = np.round(2 - 2 * features @ features.T, 6)
    np.fill_diagonal(squares, -1)
    rows = []
    for i, order in enumerate(np.argsort(squares, axis=1, kind="stable").tolist()):
        order = [j for j in order if allowed(i, j)]
        rows.append((order + [-1] * k)[:k])
    return np.array(rows)


FEATURES = {
    "random": random_features(90),
    "ties": tied_features(90),
    "alike": np.tile(random_features(1), (90, 1)),
    "pairs": np.repeat(random_features(45), 2, axis=0),
}


def people(count, images, num_cameras, noise, offset, values=64):
    """Features of people before cameras; returns them, cameras and persons.

    Each camera adds an offset of its own, each person looks a little different before
    each of them, and all have a common direction, as features of networks have.
    """
    rng = np.random.default_rng(images * 10 + num_cameras)
    looks = rng.normal(size=(count, values))
    offsets = offset * rng.normal(size=(num_cameras, values))
    persons = np.repeat(np.arange(count), images)
    cameras = np.tile(np.arange(images) % num_cameras, count)
    by_camera = 0.4 * rng.normal(size=(count, num_cameras, values))
    features = looks[persons] + offsets[cameras] + by_camera[persons, cameras]
    features += noise * rng.normal(size=features.shape) + 2 * rng.normal(size=values)
    return unit(features), cameras, persons
