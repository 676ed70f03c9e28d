"""`tfipgan extract`: the feature file of a folder."""

import logging
import shutil
import subprocess
import sys

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


def test_descriptors_without_a_network(tfipgan, tiny_world, tmp_path):
    """Query and gallery by commands of their own, which evaluate takes."""
    target = tiny_world / "target"
    for kind, values in (("lomo", 26960), ("bow", 5600)):
        more = ["--codebook", target / "bounding_box_train"] if kind == "bow" else []
        for split in ("query", "bounding_box_test"):
            result = tfipgan(
                "extract", "--features", kind, *more, "--images", target / split,
                "--out", tmp_path / f"{kind}_{split}.npz", "--threads", 2,
            )  # fmt: skip
            assert result.exit_code == 0, result.output
            count = len([*(target / split).glob("*.jpg")])
            assert result.stdout == f"{count} images, {values} values each\n"
            assert ("codebook: 100%|" in result.stderr) == (kind == "bow")
            found = FeatureSet.load(tmp_path / f"{kind}_{split}.npz")
            lengths = np.linalg.norm(found.features, axis=1)
            np.testing.assert_allclose(lengths, 1, atol=1e-5)
        result = tfipgan(
            "evaluate", "--query", tmp_path / f"{kind}_query.npz",
            "--gallery", tmp_path / f"{kind}_bounding_box_test.npz",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert "mAP" in result.stdout


def test_two_workers_without_a_network(tfipgan, tiny_world, tmp_path, monkeypatch):
    words = ["--features", "lomo", "--images", tiny_world / "target" / "query", "--out"]
    out = tmp_path / "out.npz"
    monkeypatch.setenv("TF_CONFIG", SECOND_OF_TWO)
    result = tfipgan("extract", *words, out)
    line = f"worker 1 of 2 has done its share; the last one to end makes {out}\n"
    assert result.stdout == line and not out.exists()


def test_images_of_a_codebook_that_cannot_be_read(
    tfipgan, refused, tiny_world, tmp_path, caplog
):
    target = tiny_world / "target"
    shutil.copytree(target / "bounding_box_train", tmp_path / "in")
    (tmp_path / "in" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    words = [
        "extract", "--features", "bow", "--codebook", tmp_path / "in",
        "--images", target / "query", "--out", tmp_path / "out.npz", "--no-progress",
    ]  # fmt: skip
    assert "a.jpg (" in refused(1, *words)
    result = tfipgan(*words, "--skip-unreadable")
    assert result.exit_code == 0, result.output
    assert f"left out: {tmp_path}/in/a.jpg" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "missing option --model: a run of train-reid; or give --features bow"),
        (["--features=bow"], "--features bow needs --codebook: a folder of images to"),
        (
            ["--features=lomo", "--codebook=x"],
            "--codebook is for --features bow, not for lomo",
        ),
        (
            ["--model=x", "--codebook=x"],
            "--codebook is for --features bow, not for net",
        ),
        (["--features=bow", "--model=x"], "--model is for --features network, not for"),
        (["--features=lomo", "--flip"], "--flip is for --features network, not for lo"),
        (["--features=bow", "--pool-stripes=2"], "--pool-stripes is for --features n"),
        (["--features=lomo", "--batch-size=3"], "--batch-size is for --features netw"),
    ],
)
def test_options_of_other_features(tfipgan, tmp_path, words, message):
    result = tfipgan("extract", *words, "--images=x", "--out", tmp_path / "o.npz")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")


def test_bow_and_lomo_need_no_tensorflow(tiny_world, tmp_path):
    code = (
        "import sys; from tfipgan.cli.main import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    images = tiny_world / "target" / "query"
    for kind, more in (("lomo", []), ("bow", ["--codebook", images])):
        words = ["--features", kind, *more, "--images", images]
        words += ["--out", tmp_path / f"{kind}.npz", "--no-progress"]
        result = subprocess.run(
            [sys.executable, "-c", code, "extract", *map(str, words)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "[]"


def test_stripes_of_the_last_map(tfipgan, refused, tiny_reid_run, tiny_world, tmp_path):
    """Of images 32 pixels high the last map has one row, pooled by its maximum."""
    images = tiny_world / "target" / "query"
    words = ["extract", "--model", tiny_reid_run.path, "--images", images, "--out"]
    assert tfipgan(*words, tmp_path / "mean.npz").exit_code == 0
    result = tfipgan(*words, tmp_path / "max.npz", "--pool-stripes", 1)
    assert result.exit_code == 0, result.output
    mean, most = (FeatureSet.load(tmp_path / f"{n}.npz") for n in ("mean", "max"))
    # The map has one place only: its maximum is its mean.
    np.testing.assert_allclose(most.features, mean.features, atol=1e-6)
    line = refused(1, *words, tmp_path / "o.npz", "--pool-stripes", 2)
    assert line == (
        "pool-stripes is 2, expected 1 to 1: the last map of images 32 pixels high has "
        "so many rows; give fewer, or train with backbone.last_stride 1"
    )
    assert not [*tmp_path.glob("o.npz*")]
