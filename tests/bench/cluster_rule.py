"""What the rule of `tfipgan.clustering.choose` reaches, beside each fixed setting.

Run: python tests/bench/cluster_rule.py [FEATURES.npz ...]. The files are of `tfipgan
extract`, of images whose identities are known; without any, features are Gaussian
people: 4, 8 and 16 images, 2, 4 and 8 cameras, noise and looks of cameras in four
strengths. The numbers are adjusted Rand indices with the identities, which serve the
table alone.
"""

import sys
from pathlib import Path

import numpy as np
from measure import print_machine, print_table

from tfipgan.clustering import ClusterSettings, agreement, cluster_images, score
from tfipgan.clustering.choose import candidates
from tfipgan.evaluation import FeatureSet

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from unit_features import people

WORLDS = (4, 2), (8, 2), (8, 4), (16, 2), (16, 4), (16, 8)
STRENGTHS = (0.9, 0.5), (1.2, 0.3), (0.9, 1.2), (0.7, 1.8)
PEOPLE = 40
OPTIONS = list(candidates(ClusterSettings()))


def gaussian_sets():
    """Yield (name, features, cameras, persons)."""
    for images, cameras in WORLDS:
        for noise, offset in STRENGTHS:
            name = f"{images} images, {cameras} cameras, noise {noise}, looks {offset}"
            yield name, *people(PEOPLE, images, cameras, noise=noise, offset=offset)


def sets_of_files(paths):
    """Yield the same of feature files."""
    for path in paths:
        found = FeatureSet.load(path)
        yield Path(path).stem, found.features, found.camera_ids, found.person_ids


def measured(features, cameras, persons):
    """Return the adjusted Rand index of each option, and its score."""
    reached, scores = [], []
    for option in OPTIONS:
        found = cluster_images(features, cameras, option)
        reached.append(agreement(found.labels, persons))
        scores.append(score(found.quality, across_cameras=True))
    return np.array(reached), np.array(scores)


def main():
    sets = sets_of_files(sys.argv[1:]) if sys.argv[1:] else gaussian_sets()
    aware = np.array([option.distance == "camera_aware" for option in OPTIONS])
    rows, fixed = [], []
    for name, *arrays in sets:
        reached, scores = measured(*arrays)
        by_rule = [
            reached[np.where(tried, scores, -np.inf).argmax()]
            for tried in (aware, ~aware, aware | ~aware)
        ]
        rows.append([name, *(f"{value:.3f}" for value in (*by_rule, reached.max()))])
        fixed.append([*reached, *by_rule, reached.max()])
    print_machine("numpy", "scipy", "scikit-learn")
    columns = ["features", "rule, camera-aware", "rule, plain", "rule, both"]
    print_table([*columns, "best of all"], rows)
    means = np.mean(fixed, axis=0)
    names = [f"{o.distance} {o.k or o.k_inter}, {o.eps}" for o in OPTIONS]
    names += ["rule, camera-aware", "rule, plain", "rule, both", "best of all"]
    means = [f"{value:.3f}" for value in means]
    print_table(["setting", "mean"], list(zip(names, means, strict=True)))


if __name__ == "__main__":
    main()
