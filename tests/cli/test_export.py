"""`tfipgan export`: the folder it prints, and bad input as a line."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.images import decode_image, to_unit


@pytest.fixture
def words(tiny_gan_run, tiny_reid_run, tmp_path):
    """Function of a network and more words: a command line that would run."""
    runs = {"translator": tiny_gan_run.path, "extractor": tiny_reid_run.path}

    def line(network, *more, run=None):
        model = run or runs[network]
        out = tmp_path / "models"
        return ["export", network, "--model", model, "--out", out, *more]

    return line


def test_both_networks_beside_each_other(
    tfipgan, words, tiny_world, tiny_network, tmp_path
):
    images = tiny_world / "source" / "bounding_box_train"
    made = [
        tfipgan(*words("translator", "--version", 7, "--image-format", "png")),
        tfipgan(*words("extractor", "--check-images", images)),
    ]
    folders = ["translator/7", "extractor/1"]
    for result, folder in zip(made, folders, strict=True):
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{tmp_path}/models/{folder}\n"
        assert result.stderr == ""
        assert (tmp_path / "models" / folder / "saved_model.pb").is_file()
    paths = sorted(images.iterdir())[:2]
    contents = [path.read_bytes() for path in paths]
    folder = str(tmp_path / "models" / "extractor" / "1")
    signatures = tf.saved_model.load(folder).signatures
    got = signatures["serving_default"](image_bytes=tf.constant(contents))
    decoded = tf.stack([decode_image(file, (32, 16)) for file in contents])
    expected = tiny_network.extract_features(to_unit(decoded))
    np.testing.assert_allclose(got["embedding"], expected, rtol=0, atol=1e-5)


def test_a_run_of_the_other_kind(refused, words, tiny_reid_run, tmp_path):
    line = refused(1, *words("translator", run=tiny_reid_run.path))
    assert "is a run of kind 'reid', expected 'gan'" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there(refused, words, tmp_path):
    line = refused(1, *words("extractor", run=tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in line and "is not a run folder" in line
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_there(refused, words, tmp_path):
    (tmp_path / "models" / "extractor" / "3").mkdir(parents=True)
    line = refused(1, *words("extractor", "--version", 3))
    assert "extractor/3 exists" in line and "--version" in line


@pytest.mark.parametrize("name", ["models", "models/extractor"])
def test_a_file_in_place_of_the_folder(refused, words, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    line = refused(1, *words("extractor"))
    assert f"{tmp_path / name} is a file; expected a folder" in line


def test_images_that_can_not_be_read(refused, words, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    line = refused(1, *words("extractor", "--check-images", folder))
    assert "images that can't be read (1 of 1)" in line and "broken.jpg" in line
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("network", "more"),
    [
        ("extractor", ["--image-format", "png"]),
        ("translator", ["--image-format", "gif"]),
        ("translator", ["--version", "0"]),
        ("translator", ["--version", "one"]),
    ],
)
def test_wrong_usage(tfipgan, words, tmp_path, network, more):
    result = tfipgan(*words(network, *more))
    assert result.exit_code == 2 and result.stdout == ""
    assert more[0] in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_network(tfipgan):
    result = tfipgan("export", "classifier")
    assert result.exit_code == 2
    assert "'classifier' is not one of 'translator', 'extractor'" in result.stderr
