"""The feature file that is written from the disk: the bytes of `FeatureSet.save`."""

import numpy as np
import pytest

from tfipgan.data.filenames import Sample
from tfipgan.evaluation import FeatureSet, feature_writer
from tfipgan.evaluation.feature_writer import write_features

PATHS = ["a.jpg", "below/caf\udce9 \u540d.png", "c\n.jpg", "d.jpg", "e.jpg"]
SAMPLES = [Sample(path, n - 2, 10**17 + n) for n, path in enumerate(PATHS)]
ROWS = np.random.default_rng(0).random((5, 3), np.float32)


@pytest.mark.parametrize("at_once", [2, 4096])
@pytest.mark.parametrize("shares", [[5], [2, 3], [0, 5, 0]])
def test_the_bytes_are_those_of_a_saved_set(tmp_path, monkeypatch, shares, at_once):
    monkeypatch.setattr(feature_writer, "_AT_ONCE", at_once)
    ends = np.cumsum(shares)
    files = [tmp_path / str(number) for number in range(len(shares))]
    for file, end, count in zip(files, ends, shares, strict=True):
        file.write_bytes(ROWS[end - count : end].tobytes())
    assert write_features(tmp_path / "out.npz", files, SAMPLES) == (5, 3)
    ids = ([s.person_id for s in SAMPLES], [s.camera_id for s in SAMPLES])
    FeatureSet(ROWS, *ids, PATHS).save(tmp_path / "saved.npz")
    written = (tmp_path / "out.npz").read_bytes()
    assert written == (tmp_path / "saved.npz").read_bytes()
    assert FeatureSet.load(tmp_path / "out.npz").paths.tolist() == PATHS
