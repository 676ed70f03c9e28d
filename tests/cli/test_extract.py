"""`tfipgan extract`: the feature file of a folder."""

import shutil

import numpy as np

from tfipgan.data.datasets import read_images
from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.features import extract_features


def test_features_of_a_gallery(
    tfipgan, tiny_reid_run, tiny_network, tiny_world, tmp_path
):
    images = tiny_world / "target" / "bounding_box_test"
    out = tmp_path / "new" / "gallery.npz"
    words = ["--model", tiny_reid_run.path, "--images", images, "--out", out]
    result = tfipgan("extract", *words)
    assert result.exit_code == 0, result.output
    samples = read_images(images)
    features = FeatureSet.load(out)
    assert result.stdout == f"{len(samples)} images, 32 values each\n"
    assert f"{len(samples)}/{len(samples)}" in result.stderr
    expected = extract_features(tiny_network, samples, (32, 16), 7)
    np.testing.assert_allclose(features.features, expected.features, atol=1e-6)
    # Junk and distractors are features too; evaluation knows what to do with them.
    assert {-1, 0} < set(features.person_ids.tolist())
    for name in ("person_ids", "camera_ids", "paths"):
        np.testing.assert_array_equal(getattr(features, name), getattr(expected, name))


def test_images_that_nobody_labelled(tfipgan, tiny_reid_run, tiny_world, tmp_path):
    images = sorted((tiny_world / "target" / "query").iterdir())
    (tmp_path / "in" / "below").mkdir(parents=True)
    shutil.copy(images[0], tmp_path / "in" / "below" / "holiday.jpg")
    shutil.copy(images[1], tmp_path / "in" / "IMG 1.JPG")
    shutil.copy(images[2], tmp_path / "in" / "0031_c2s1_000001_01.jpg")
    result = tfipgan(
        "extract", "--model", tiny_reid_run.path, "--images", tmp_path / "in",
        "--out", tmp_path / "out.npz", "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    features = FeatureSet.load(tmp_path / "out.npz")
    found = {
        path.rsplit("/", 1)[1]: (person, camera)
        for path, person, camera in zip(
            features.paths.tolist(),
            features.person_ids.tolist(),
            features.camera_ids.tolist(),
            strict=True,
        )
    }
    assert found == {
        "holiday.jpg": (-2, -1),
        "IMG 1.JPG": (-2, -1),
        "0031_c2s1_000001_01.jpg": (31, 2),
    }
