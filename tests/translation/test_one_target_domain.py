"""gan.target_domains one, from train-gan to what is made of its images."""

import json

import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.datasets import read_images
from tfipgan.runs.run import load_generator, open_run
from tfipgan.translation.manifest import read_manifest


@pytest.fixture(scope="module")
def settings(tiny_overrides):
    """Words that make a config tiny, and the whole target one domain."""
    values = [*tiny_overrides, "gan.target_domains=one", "gan.decay_epochs=0"]
    return [word for value in values for word in ("--set", value)]


@pytest.fixture(scope="module")
def gan(tfipgan, settings, tiny_world, tiny_reid_run, tmp_path_factory):
    """Path of the run."""
    out = tmp_path_factory.mktemp("runs") / "gan"
    result = tfipgan(
        "train-gan", "--config", "synthetic/ipgan", *settings,
        "--source", tiny_world / "source", "--target", tiny_world / "target",
        "--semantic", tiny_reid_run.path, "--out", out, "--devices", "CPU:0",
        "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def translated(tfipgan, gan, tiny_world, tmp_path_factory):
    """Folder of the source's images, translated."""
    out = tmp_path_factory.mktemp("translated") / "out"
    words = ["--model", gan, "--source", tiny_world / "source", "--out", out]
    result = tfipgan("translate", *words)
    assert result.exit_code == 0, result.output
    assert result.stdout == "30 images, 1 for each source image\n"
    return out


def test_the_run(gan):
    run = open_run(gan, "gan")
    assert (run.domains.cameras, run.domains.num_domains) == ((0,), 2)
    assert json.loads((gan / "domains.json").read_text()) == {"cameras": [0]}
    images = tf.zeros((2, 32, 16, 3))
    assert load_generator(run)((images, tf.one_hot([0, 1], 2))).shape == images.shape
    # The source's column and one more.
    with Image.open(gan / "samples" / "epoch_0001.png") as sheet:
        assert 2 * 32 < sheet.width < 4 * 64


@pytest.mark.slow
def test_resuming(tfipgan, refused, settings, gan, tiny_world, tiny_reid_run):
    words = [
        "train-gan", "--config", "synthetic/ipgan", *settings,
        "--source", tiny_world / "source", "--target", tiny_world / "target",
        "--semantic", tiny_reid_run.path, "--out", gan, "--devices", "CPU:0",
        "--no-progress", "--resume",
    ]  # fmt: skip
    assert tfipgan(*words).exit_code == 0
    line = refused(1, *words, "--set", "gan.target_domains=cameras")
    assert "config (gan.target_domains is one there, cameras here)" in line


def test_the_translated_set(translated, tiny_samples):
    samples = read_images(translated)
    assert sorted((s.person_id, s.source_camera_id) for s in samples) == sorted(
        (s.person_id, s.camera_id) for s in tiny_samples[0]
    )
    assert {s.camera_id for s in samples} == {0}
    assert all(s.path.endswith("_to_c0.jpg") for s in samples)
    assert read_manifest(translated).header["cameras"] == [0]


def test_a_network_is_trained_on_it(
    tfipgan, settings, translated, tiny_world, tiny_reid_run, tmp_path
):
    result = tfipgan(
        "train-reid", "--config", "synthetic/ipgan", *settings,
        "--data", tiny_world / "source", "--translated", translated,
        "--out", tmp_path / "reid", "--devices", "CPU:0", "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    words = ["--classifier", tiny_reid_run.path, "--images", translated]
    assert tfipgan("identity-accuracy", *words).exit_code == 0


def test_an_exported_translator(tfipgan, gan, tmp_path):
    """Camera 0 is the one that a request can name."""
    result = tfipgan("export", "translator", "--model", gan, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    signatures = tf.saved_model.load(str(tmp_path / "translator" / "1")).signatures
    images = tf.zeros((1, 32, 16, 3))
    answer = signatures["tensor"](images=images, camera=tf.constant([0]))
    assert answer["images"].shape == images.shape
    with pytest.raises(tf.errors.InvalidArgumentError, match="camera must be one of 0"):
        signatures["tensor"](images=images, camera=tf.constant([1]))
