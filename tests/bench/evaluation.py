"""Ranking against torchreid's, and what large galleries take.

    python tests/bench/evaluation.py CHECKOUT

CHECKOUT is a checkout of github.com/KaiyangZhou/deep-person-reid. Its Cython ranking is
built in a temporary folder; nothing is written into the checkout.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import RUNS, in_turns, print_machine, print_table, row

from tfipgan.evaluation import FeatureSet, evaluate_ranking

MARKET = 3368, 15913, 2048
MSMT17 = 11659, 82161, 2048
CAMERAS = 6
LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
print(time.perf_counter() - start)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
COLUMNS = ["", "tfipgan, s", "torchreid, s", "times as fast", "in single runs"]


def feature_sets(num_query, num_gallery, values, identities=750, noise=3.4, seed=0):
    """Query and gallery of normal clusters, L2-normalised, as a good network's are."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((identities, values), np.float32)
    sets = []
    for size in (num_query, num_gallery):
        persons = rng.integers(identities, size=size)
        features = np.empty((size, values), np.float32)
        for start in range(0, size, 10_000):
            part = persons[start : start + 10_000]
            rows = noise * rng.standard_normal((len(part), values), np.float32)
            rows += centres[part]
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            features[start : start + 10_000] = rows
        cameras = rng.integers(1, CAMERAS + 1, size)
        sets.append(FeatureSet(features, persons + 1, cameras))
    return sets


def build_cython(checkout, folder):
    """Build torchreid's rank_cy in a copy; return its evaluate_cy."""
    source = checkout / "torchreid" / "metrics" / "rank_cylib"
    shutil.copytree(source, folder, dirs_exist_ok=True)
    words = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    from rank_cy import evaluate_cy

    return evaluate_cy


def against_torchreid(checkout):
    """Time both on features of Market-1501's sizes; compare their numbers."""
    import torch

    folder = Path(tempfile.mkdtemp())
    evaluate_cy = build_cython(checkout, folder)
    # Its distances, loaded by file: the package itself asks for much that isn't needed.
    sys.path.insert(0, str(checkout / "torchreid" / "metrics"))
    from distance import compute_distance_matrix

    query, gallery = feature_sets(*MARKET)
    labels = query.person_ids, gallery.person_ids, query.camera_ids, gallery.camera_ids

    def distance_matrix():
        tensors = map(torch.from_numpy, (query.features, gallery.features))
        return compute_distance_matrix(*tensors, "euclidean").numpy()

    distances = distance_matrix()

    def their_ranking():
        return evaluate_cy(distances, *labels, 50)

    def our_ranking():
        return evaluate_ranking(query, gallery, distances=distances)

    def their_whole():
        return evaluate_cy(distance_matrix(), *labels, 50)

    def our_whole():
        return evaluate_ranking(query, gallery)

    rows = [
        row("ranking, from one distance matrix", *in_turns(our_ranking, their_ranking)),
        row("from features to numbers", *in_turns(our_whole, their_whole)),
    ]
    query_count, gallery_count, values = MARKET
    print(f"{query_count} queries, {gallery_count} gallery images, {values} values; ")
    print(f"medians of {RUNS} runs in turns:\n")
    print_table(COLUMNS, rows)
    cmc, mean_ap = their_ranking()
    same, whole = our_ranking(), our_whole()
    print(f"mAP {same['mAP']:.6f}, torchreid's {mean_ap:.6f}; from the matrix they ")
    print(f"differ by {abs(same['mAP'] - mean_ap):.1e}, the CMC by ", end="")
    print(f"{np.abs(np.array(same['cmc']) - cmc).max():.1e}; from the features mAP by ")
    print(f"{abs(whole['mAP'] - mean_ap):.1e}\n", flush=True)


def at_scale(num_query, num_gallery, values, identities, folder):
    """Run `tfipgan evaluate` on files of these sizes; return a row of what it took."""
    names = [folder / "query.npz", folder / "gallery.npz"]
    sets = feature_sets(num_query, num_gallery, values, identities)
    for features, name in zip(sets, names, strict=True):
        features.save(name)
    size = sum(features.features.nbytes for features in sets)
    del sets
    # From a small process: the peak of a child counts what its parent had at its start.
    command = ["tfipgan", "evaluate", "--query", *names[:1], "--gallery", *names[1:]]
    words = [sys.executable, "-c", LAUNCHER, *command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    *lines, took, peak = done.stdout.splitlines()
    numbers = dict(line.split() for line in lines[:6])
    return [
        f"{num_query:,} x {num_gallery:,} x {values:,}",
        f"{float(took):.1f}",
        f"{int(peak) / 2**10:,.0f}",
        f"{size / 2**20:,.0f}",
        numbers["mAP"],
    ]


def main():
    checkout = Path(sys.argv[1])
    if not (checkout / "torchreid" / "metrics" / "rank_cylib").is_dir():
        sys.exit(f"{checkout} is not a checkout of deep-person-reid")
    print_machine("numpy", "torch", "cython")
    against_torchreid(checkout)
    sizes = [(*MSMT17, 3060)]
    sizes += [(1000, count * 1000, 256, count * 20) for count in (250, 500, 1000)]
    columns = ["sizes", "whole command, s", "peak memory, MiB", "features, MiB", "mAP"]
    with tempfile.TemporaryDirectory() as folder:
        print_table(columns, [at_scale(*size, Path(folder)) for size in sizes])


if __name__ == "__main__":
    main()
