"""Time, memory and labels of clustering, beside the way that holds all pairs of images.

Run: python tests/bench/clustering.py [IMAGES ...]. Without numbers: 4,000 and 12,936
images (Market-1501) beside the dense way, 32,621 (MSMT17) and 100,000 alone. Features
are random with structure: people, 8 cameras with a look of their own, 2,048 values.
"""

import resource
import subprocess
import sys
import time

import numpy as np
from measure import print_machine, print_table
from sklearn.cluster import DBSCAN

from tfipgan.clustering import ClusterSettings, cluster_images
from tfipgan.clustering.camera_aware import MEAN_INTER, MEAN_INTRA
from tfipgan.clustering.dbscan import numbered

VALUES, CAMERAS, IMAGES_OF_ONE = 2048, 8, 16
MEMORY = 3 * 2**30
# Above this the dense way's four matrices of all pairs need more than 10 GB.
LARGEST_DENSE = 13_000
SETTINGS = ClusterSettings("camera_aware", k_intra=5, k_inter=20, eps=0.6)
SIZES = 4_000, 12_936, 32_621, 100_000


def features_of(count):
    """Features of length 1, float32, and cameras; made in parts to spare memory."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((count // IMAGES_OF_ONE + 1, 64), np.float32)
    looks = 0.5 * rng.standard_normal((CAMERAS, 64), np.float32)
    # What 64 hidden values say, as a network's features have it: few directions.
    spread = rng.standard_normal((64, VALUES), np.float32) / 8
    persons = np.arange(count) // IMAGES_OF_ONE
    cameras = rng.integers(0, CAMERAS, count)
    features = np.empty((count, VALUES), np.float32)
    for at in range(0, count, 4096):
        part = slice(at, min(at + 4096, count))
        hidden = people[persons[part]] + looks[cameras[part]]
        hidden += 0.8 * rng.standard_normal(hidden.shape, np.float32)
        features[part] = hidden @ spread
        features[part] /= np.linalg.norm(features[part], axis=1, keepdims=True)
    return features, cameras


def dense_labels(features, cameras):
    """CA-Jaccard and DBSCAN on matrices of all pairs of images."""
    count = len(features)
    squares = np.maximum(2 - 2 * (features @ features.T), 0)
    # In the steps in which the sparse way compares, so that ties are ties.
    squares = np.rint(squares * 2**22) / np.float32(2**22)
    np.fill_diagonal(squares, -1)
    same = cameras[:, None] == cameras

    def ranked(allowed, k):
        # Ties go by index, which a stable sort of whole rows keeps.
        rows = (np.where(ok, row, 9) for row, ok in zip(squares, allowed, strict=True))
        return np.array([np.argsort(row, kind="stable")[:k] for row in rows])

    intra = ranked(same, SETTINGS.k_intra + 1)
    inter = ranked(~same, SETTINGS.k_inter + 1)
    codes = np.zeros((count, count), np.float32)
    for i in range(count):
        own, other = intra[i], inter[i]
        near = own[(intra[own] == i).any(axis=1)]
        near = np.union1d(near, other[(inter[other] == i).any(axis=1)])
        weights = np.exp(2 * (features[near] @ features[i]) - 2)
        codes[i, near] = weights / weights.sum()
    means = np.empty_like(codes)
    for i in range(count):
        named = np.append(intra[i, :MEAN_INTRA], inter[i, :MEAN_INTER])
        means[i] = codes[named].mean(axis=0)
    holders = [np.flatnonzero(column) for column in means.T]
    distances = np.empty_like(codes)
    for i in range(count):
        shared = np.zeros(count)
        for column in np.flatnonzero(means[i]):
            at = holders[column]
            shared[at] += np.minimum(means[i, column], means[at, column])
        distances[i] = np.maximum(1 - shared / (2 - shared), 0)
    np.fill_diagonal(distances, 0)
    found = DBSCAN(eps=SETTINGS.eps, min_samples=4, metric="precomputed")
    return numbered(found.fit(distances).labels_)


def measure_one(way, count):
    """Print the seconds, the peak and the features' size in MiB, and the labels."""
    features, cameras = features_of(count)
    start = time.perf_counter(), time.process_time()
    if way == "dense":
        labels = dense_labels(features, cameras)
    else:
        settings = ClusterSettings() if way == "chosen" else SETTINGS
        labels = cluster_images(features, cameras, settings, MEMORY).labels
    print(time.perf_counter() - start[0], time.process_time() - start[1])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    print(features.nbytes / 2**20)
    print(" ".join(map(str, labels)))


def row(way, count):
    """Measure in a process of its own; return a table's row and the labels."""
    command = [sys.executable, "-W", "ignore", __file__, way, str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    times, peak, size, labels = done.stdout.splitlines()
    taken, computed = map(float, times.split())
    labels = np.array(labels.split(), int)
    cells = [f"{count:,}", way, f"{taken:.1f}", f"{computed:.1f}"]
    cells += [f"{float(peak):,.0f}", f"{float(size):,.0f}", labels.max() + 1]
    return [*cells, f"{np.mean(labels < 0):.3f}"], labels


def main():
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    print_machine("numpy", "scipy", "scikit-learn")
    rows, same = [], []
    for count in sizes:
        ours, labels = row("sparse", count)
        rows.append(ours)
        if count <= LARGEST_DENSE:
            theirs, dense = row("dense", count)
            rows.append(theirs)
            same.append(f"{count:,} images: {np.mean(labels == dense):.6f}")
        rows.append(row("chosen", count)[0])
    columns = ["images", "way", "s", "CPU s", "peak memory, MiB", "features, MiB"]
    print_table([*columns, "clusters", "outliers"], rows)
    print("Share of images with the dense way's label:", "; ".join(same))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("sparse", "dense", "chosen"):
        measure_one(sys.argv[1], int(sys.argv[2]))
    else:
        main()
