"""`tfipgan identity-accuracy`: real images; tests/cli/test_translate.py has others."""

import logging
import shutil

from tfipgan.data.datasets import training_samples
from tfipgan.evaluation.features import identity_accuracy


def test_the_share_of_real_images(
    tfipgan, tiny_reid_run, tiny_network, tiny_world, tiny_samples
):
    images = tiny_world / "source" / "bounding_box_train"
    words = ["--classifier", tiny_reid_run.path, "--images", images]
    result = tfipgan("identity-accuracy", *words)
    assert result.exit_code == 0, result.output
    expected = identity_accuracy(
        tiny_network,
        tiny_reid_run.labels,
        training_samples(tiny_samples[0]),
        (32, 16),
    )
    assert result.stdout == f"{expected:.4f}\n"
    words[2:] = ["--data", tiny_world / "source"]
    assert tfipgan("identity-accuracy", *words).stdout == result.stdout


def test_images_or_a_dataset(tfipgan, tiny_reid_run, tmp_path):
    words = ["identity-accuracy", "--classifier", tiny_reid_run.path]
    for more in ([], ["--images", tmp_path, "--data", tmp_path]):
        result = tfipgan(*words, *more)
        assert result.exit_code == 2
        assert "expected one of --images and --data" in result.stderr


def test_unreadable_images(
    tfipgan, refused, tiny_reid_run, tiny_world, tmp_path, caplog
):
    shutil.copytree(tiny_world / "source" / "bounding_box_train", tmp_path / "images")
    (tmp_path / "images" / "0001_c1s1_009999_01.jpg").write_bytes(b"")
    words = ["identity-accuracy", "--classifier", tiny_reid_run.path, "--images"]
    whole = tfipgan(*words, tiny_world / "source" / "bounding_box_train")
    line = refused(1, *words, tmp_path / "images")
    assert "can't be read (1 of 31): " in line
    with caplog.at_level(logging.WARNING):
        result = tfipgan(*words, tmp_path / "images", "--skip-unreadable")
    assert result.exit_code == 0, result.output
    assert result.stdout == whole.stdout
    assert "left out images that can't be read (1 of 31): " in caplog.text


def test_people_that_the_classifier_never_saw(refused, tiny_reid_run, tiny_world):
    line = refused(
        1, "identity-accuracy", "--classifier", tiny_reid_run.path,
        "--images", tiny_world / "source" / "query",
    )  # fmt: skip
    assert line.startswith("person 6 is not among the 5 identities")
