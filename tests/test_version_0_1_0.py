"""What version 0.1.0 made still opens: its runs, images and feature files.

`golden/version_0.1.0` holds them; its README.md has the commands that they come from.
"""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tfipgan.evaluation import FeatureSet, evaluate_ranking

MADE = Path(__file__).parent / "golden" / "version_0.1.0"
SOURCE, TARGET = MADE / "data" / "source", MADE / "data" / "target"


@pytest.fixture
def succeeds(tfipgan):
    """Function of a command line's words: runs it here and gives its stdout."""

    def run(*words):
        result = tfipgan(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def resume(succeeds, tmp_path, kind, *data):
    """Continues a copy of a run that lost its last checkpoint; returns both paths."""
    run = shutil.copytree(MADE / kind, tmp_path / kind)
    shutil.rmtree(run / "checkpoints" / "step-00000006")
    succeeds(
        f"train-{kind}", "--config", MADE / kind / "config.yaml", *data,
        "--out", run, "--devices", "CPU:0", "--no-progress", "--resume",
    )  # fmt: skip
    return run, MADE / kind


def test_features_of_a_reid_run(succeeds, tmp_path):
    for name, folder in (("query", "query"), ("gallery", "bounding_box_test")):
        words = ["--model", MADE / "reid", "--images", TARGET / folder]
        succeeds("extract", *words, "--out", tmp_path / f"{name}.npz", "--no-progress")
        made, before = (
            FeatureSet.load(path / f"{name}.npz") for path in (tmp_path, MADE)
        )
        np.testing.assert_allclose(made.features, before.features, atol=1e-5)
        for values in ("person_ids", "camera_ids"):
            assert list(getattr(made, values)) == list(getattr(before, values))
        assert [Path(p).name for p in made.paths] == [
            Path(p).name for p in before.paths
        ]


def test_feature_files(succeeds, tmp_path):
    files = [MADE / "query.npz", MADE / "gallery.npz"]
    before = json.loads((MADE / "evaluation.json").read_text())
    measured = evaluate_ranking(*map(FeatureSet.load, files))
    assert {"mAP", "cmc", "num_queries"} <= measured.keys()
    assert measured.pop("num_gallery_copies") == 0  # not counted then
    for name, value in measured.items():
        assert before[name] == (
            pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        )
    path = tmp_path / "evaluation.json"
    succeeds("evaluate", "--query", files[0], "--gallery", files[1], "--json", path)
    assert json.loads(path.read_text()).keys() >= before.keys()


def test_images_of_a_gan_run(succeeds, tmp_path):
    out = tmp_path / "out"
    words = ["--model", MADE / "gan", "--source", SOURCE]
    succeeds("translate", *words, "--out", out, "--no-progress")
    names = sorted(path.name for path in (MADE / "translated").glob("*.jpg"))
    assert sorted(path.name for path in out.glob("*.jpg")) == names
    for name in names:
        made, before = (
            np.asarray(Image.open(folder / name), np.int16)
            for folder in (out, MADE / "translated")
        )
        assert before.std() > 1
        # The last bit of a network's output is another processor's own.
        assert abs(made - before).max() <= 3


def test_a_translated_folder(succeeds):
    assert "24 images" in succeeds(
        "translate", "--verify", MADE / "translated", "--source", SOURCE,
        "--model", MADE / "gan",
    )  # fmt: skip
    accuracy = succeeds(
        "identity-accuracy", "--classifier", MADE / "reid",
        "--images", MADE / "translated", "--no-progress",
    )  # fmt: skip
    assert accuracy == (MADE / "identity_accuracy.txt").read_text()


@pytest.mark.skipif(
    not keras.__version__.startswith("3."), reason="optimisers' state of Keras 3"
)
@pytest.mark.parametrize("kind", ["reid", pytest.param("gan", marks=pytest.mark.slow)])
def test_a_run_goes_on(succeeds, tmp_path, checkpoint_values, kind):
    data = {
        "reid": ("--data", SOURCE),
        "gan": ("--source", SOURCE, "--target", TARGET, "--semantic", MADE / "reid"),
    }[kind]
    run, before = resume(succeeds, tmp_path, kind, *data)
    made, expected = (checkpoint_values(path / "checkpoints") for path in (run, before))
    assert made.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(made[name], array, atol=2e-4, err_msg=name)


def test_a_translated_training(succeeds, tmp_path):
    """A training on the old images, with labels of the old run's data."""
    out = tmp_path / "run"
    succeeds(
        "train-reid", "--config", MADE / "reid" / "config.yaml", "--data", SOURCE,
        "--translated", MADE / "translated", "--out", out, "--devices", "CPU:0",
        "--no-progress", "--set", "reid.epochs=1",
    )  # fmt: skip
    assert (out / "checkpoints").is_dir()
