"""`tfipgan translate`, and what the next commands make of its folder."""

import shutil

import pytest
from PIL import Image

from tfipgan.data.datasets import read_images
from tfipgan.evaluation.features import identity_accuracy


@pytest.fixture(scope="module")
def translated(tfipgan, tiny_gan_run, tiny_world, tmp_path_factory):
    """(folder, result) of the tiny source, translated."""
    out = tmp_path_factory.mktemp("translated") / "out"
    words = ["--model", tiny_gan_run.path, "--source", tiny_world / "source"]
    return out, tfipgan("translate", *words, "--out", out)


def test_each_training_image_for_each_camera(translated, tiny_samples):
    out, result = translated
    assert result.exit_code == 0, result.output
    assert result.stdout == "90 images, 3 for each source image\n"
    assert "30/30" in result.stderr
    samples = read_images(out)
    assert len(samples) == 90
    assert {(s.person_id, s.source_camera_id, s.camera_id) for s in samples} == {
        (s.person_id, s.camera_id, camera)
        for s in tiny_samples[0]
        for camera in (1, 2, 3)
    }
    for sample in samples:
        with Image.open(sample.path) as image:
            assert image.format == "JPEG" and image.size == (16, 32)


def test_identity_accuracy_of_the_translated_images(
    tfipgan, translated, tiny_reid_run, tiny_network
):
    words = ["--classifier", tiny_reid_run.path, "--images", translated[0]]
    result = tfipgan("identity-accuracy", *words)
    assert result.exit_code == 0, result.output
    samples = read_images(translated[0])
    labels = tiny_reid_run.labels
    expected = identity_accuracy(tiny_network, labels, samples, (32, 16))
    assert result.stdout == f"{expected:.4f}\n"


def test_a_plain_folder_as_png(tfipgan, tiny_gan_run, tiny_world, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    images = sorted((tiny_world / "source" / "bounding_box_train").iterdir())
    for path in images[:2]:
        shutil.copy(path, folder)
    result = tfipgan(
        "translate", "--model", tiny_gan_run.path, "--source", folder,
        "--out", tmp_path / "out", "--image-format", "png", "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    stems = [path.stem for path in images[:2]]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{stem}_to_c{camera}.png" for stem in stems for camera in (1, 2, 3)
    ]


def test_folders_of_ones_own_are_kept(tfipgan, tiny_gan_run, tiny_world, tmp_path):
    path = next((tiny_world / "source" / "bounding_box_train").iterdir())
    for place in ("c7/p12.jpg", "c8/deep/p13.jpg"):
        (tmp_path / "own" / place).parent.mkdir(parents=True)
        shutil.copy(path, tmp_path / "own" / place)
    pattern = r"c(?P<camera>\d)/.*p(?P<person>\d+)"
    result = tfipgan(
        "translate", "--model", tiny_gan_run.path, "--source", tmp_path / "own",
        "--pattern", pattern, "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.jpg")) == [
        f"{stem}_to_c{camera}.jpg"
        for stem in ("c7/p12", "c8/deep/p13")
        for camera in (1, 2, 3)
    ]
    back = read_images(out, pattern=pattern)
    assert {(s.person_id, s.source_camera_id) for s in back} == {(12, 7), (13, 8)}
