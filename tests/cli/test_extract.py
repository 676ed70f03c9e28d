"""`tfipgan extract`: the feature file of a folder."""

import logging
import shutil

import numpy as np
import pytest

from tfipgan.data.datasets import read_images
from tfipgan.evaluation import FeatureSet, features
from tfipgan.evaluation.features import extract_features

SECOND_OF_TWO = (
    '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
)


def test_features_of_a_gallery(
    tfipgan, tiny_reid_run, tiny_network, tiny_world, tmp_path
):
    images = tiny_world / "target" / "bounding_box_test"
    out = tmp_path / "new" / "gallery.npz"
    words = ["--model", tiny_reid_run.path, "--images", images, "--out", out]
    result = tfipgan("extract", *words)
    assert result.exit_code == 0, result.output
    samples = read_images(images)
    found = FeatureSet.load(out)
    assert result.stdout == f"{len(samples)} images, 32 values each\n"
    assert f"{len(samples)}/{len(samples)}" in result.stderr
    expected = extract_features(tiny_network, samples, (32, 16), 7)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-6)
    # Junk and distractors are features too; evaluation knows what to do with them.
    assert {-1, 0} < set(found.person_ids.tolist())
    for name in ("person_ids", "camera_ids", "paths"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_batch_size(tfipgan, tiny_reid_run, tiny_world, tmp_path, monkeypatch):
    sizes = []
    batches = features.inference_batches

    def spying(paths, image_size, batch_size):
        sizes.append(batch_size)
        return batches(paths, image_size, batch_size)

    monkeypatch.setattr(features, "inference_batches", spying)
    words = [
        "extract", "--model", tiny_reid_run.path,
        "--images", tiny_world / "target" / "query", "--out",
    ]  # fmt: skip
    assert tfipgan(*words, tmp_path / "a.npz").exit_code == 0
    assert tfipgan(*words, tmp_path / "b.npz", "--batch-size=2").exit_code == 0
    assert sizes == [7, 2]


def test_two_workers(tfipgan, tiny_reid_run, tiny_world, tmp_path, monkeypatch):
    images = tiny_world / "source" / "bounding_box_train"
    words = ["extract", "--model", tiny_reid_run.path, "--images", images, "--out"]
    assert tfipgan(*words, tmp_path / "one.npz").exit_code == 0
    out = tmp_path / "out.npz"
    monkeypatch.setenv("TF_CONFIG", SECOND_OF_TWO)
    result = tfipgan(*words, out)
    assert result.exit_code == 0, result.output
    line = f"worker 1 of 2 has done its share; the last one to end makes {out}\n"
    assert result.stdout == line and not out.exists()
    assert "16/16" in result.stderr
    monkeypatch.setenv("TF_CONFIG", SECOND_OF_TWO.replace("1}}", "0}}"))
    assert tfipgan(*words, out).stdout == "30 images, 32 values each\n"
    assert out.read_bytes() == (tmp_path / "one.npz").read_bytes()


@pytest.mark.parametrize("command", ["extract", "translate"])
def test_a_wrong_tf_config(refused, tiny_world, tmp_path, monkeypatch, command):
    monkeypatch.setenv("TF_CONFIG", SECOND_OF_TWO.replace("1}}", "2}}"))
    source = "--images" if command == "extract" else "--source"
    words = [source, tiny_world, "--out", tmp_path / "out"]
    line = refused(1, command, "--model", tiny_world, *words)
    assert line.startswith(
        "TF_CONFIG has the index 2 of a worker in a cluster with 2; "
    )
    assert not [*tmp_path.iterdir()]


def test_a_feature_file_that_is_there_stays(refused, tiny_reid_run, tmp_path):
    out = tmp_path / "out.npz"
    out.write_text("mine")
    line = refused(
        1, "extract", "--model", tiny_reid_run.path, "--images", "x", "--out", out
    )
    assert line.startswith(f"{out} exists; expected a new file for the output")
    assert out.read_text() == "mine"


def test_unreadable_images(
    tfipgan, refused, tiny_reid_run, tiny_world, tmp_path, caplog
):
    shutil.copytree(tiny_world / "target" / "query", tmp_path / "in")
    count = len(list((tmp_path / "in").iterdir()))
    for name in ("a.jpg", "b\n.jpg"):
        (tmp_path / "in" / name).write_bytes(b"\xff\xd8\xff")
    words = [
        "extract", "--model", tiny_reid_run.path, "--images", tmp_path / "in",
        "--out", tmp_path / "out.npz",
    ]  # fmt: skip
    line = refused(1, *words)
    assert f"can't be read (2 of {count + 2}): {tmp_path}/in/a.jpg (" in line
    assert not list(tmp_path.glob("out*"))
    with caplog.at_level(logging.WARNING):
        result = tfipgan(*words, "--skip-unreadable")
    assert result.exit_code == 0, result.output
    first, *others = [r.getMessage() for r in caplog.records]
    assert f"(2 of {count + 2})" in first
    plain, escaped = (line.removesuffix(" (not an image)") for line in others)
    assert plain == f"left out: {tmp_path}/in/a.jpg"
    assert escaped.startswith("left out: ") and escaped.endswith("in/b\\n.jpg'")
    assert len(FeatureSet.load(tmp_path / "out.npz")) == count


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
    written = FeatureSet.load(tmp_path / "out.npz")
    found = {
        path.rsplit("/", 1)[1]: (person, camera)
        for path, person, camera in zip(
            written.paths.tolist(),
            written.person_ids.tolist(),
            written.camera_ids.tolist(),
            strict=True,
        )
    }
    assert found == {
        "holiday.jpg": (-2, -1),
        "IMG 1.JPG": (-2, -1),
        "0031_c2s1_000001_01.jpg": (31, 2),
    }


def test_help_says_that_all_names_are_kept(tfipgan):
    said = " ".join(tfipgan("extract", "--help").stdout.split())
    assert "Leave out images that can't be read; the log lists them." in said
