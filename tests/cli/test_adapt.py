"""`tfipgan adapt`: by batch-norm statistics, by clusters, and what it refuses."""

import functools
import json
import shutil
import sys
from pathlib import Path

import pytest

from tfipgan.clustering import ClusterSettings
from tfipgan.runs.run import open_run
from tfipgan.training import adapt

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from near_clusters import near_clusters

SETTINGS = (
    "seed=3",
    "adapt.epochs=1",
    "adapt.steps=2",
    "adapt.batch_clusters=3",
    "adapt.images_per_cluster=2",
    "adapt.pad_crop=2",
    "evaluation.batch_size=7",
)
SET = [word for value in SETTINGS for word in ("--set", value)]


@pytest.fixture
def words(tiny_reid_run, tiny_world, tmp_path):
    """Words of a command that would run, without settings."""
    return [
        "adapt", "--model", tiny_reid_run.path, "--target", tiny_world / "target",
        "--out", tmp_path / "out", "--no-progress",
    ]  # fmt: skip


@pytest.fixture
def clusters(monkeypatch):
    """Puts `near_clusters` in the place of the clustering; list of its arguments."""
    given = []

    def cluster(*arguments):
        given.append(arguments)
        return near_clusters(*arguments)

    by_these = functools.partial(adapt.adapt_clusters, cluster=cluster)
    monkeypatch.setattr(adapt, "adapt_clusters", by_these)
    return given


def test_statistics_and_what_takes_the_run(tfipgan, words, tiny_world, tmp_path):
    result = tfipgan(*words, "--method", "statistics")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert result.stdout == f"{out}\n"
    assert open_run(out, "reid").adapted == "reid"
    evaluated = tmp_path / "numbers.json"
    target = tiny_world / "target"
    for line in (
        ["evaluate", "--model", out, "--data", target, "--json", evaluated],
        ["extract", "--model", out, "--images", target, "--out", tmp_path / "f.npz"],
        ["export", "extractor", "--model", out, "--out", tmp_path / "exported"],
    ):
        result = tfipgan(*line)
        assert result.exit_code == 0, result.output
    assert 0 < json.loads(evaluated.read_bytes())["mAP"] <= 1


def test_by_clusters(tfipgan, words, tmp_path, clusters):
    result = tfipgan(*words, *SET, "--devices", "CPU:0", "--memory", "3")
    assert result.exit_code == 0, result.output
    run = open_run(tmp_path / "out", "reid")
    assert (run.config.seed, run.config.adapt.steps) == (3, 2)
    ((features, cameras, settings, memory_bytes),) = clusters
    assert features.shape[0] == len(cameras) == 30
    assert (settings, memory_bytes) == (ClusterSettings(), 3 * 2**20)
    # Whole, there is nothing left to do.
    again = tfipgan(*words, *SET, "--devices", "CPU:0", "--resume")
    assert (again.exit_code, len(clusters)) == (0, 1)


def test_a_folder_of_any_names(tfipgan, refused, words, tiny_world, tmp_path, clusters):
    photos = tmp_path / "photos"
    (photos / "below").mkdir(parents=True)
    images = sorted((tiny_world / "target" / "bounding_box_train").iterdir())
    for number, image in enumerate(images[:12]):
        shutil.copy(image, photos / "below" / f"photo {number}.jpg")
    words[words.index("--target") + 1] = photos
    line = refused(1, *words, *SET)
    assert "photos" in line
    result = tfipgan(*words, *SET, "--devices", "CPU:0", "--unlabelled")
    assert result.exit_code == 0, result.output
    assert clusters[0][1] is None


@pytest.mark.parametrize("value", ["backbone.depth=18", "reid.neck=bnneck", "reid.x=1"])
def test_the_network_is_that_of_the_run(tfipgan, words, value):
    result = tfipgan(*words, "--set", value)
    assert result.exit_code == 2
    assert "backbone and reid are those of the run in --model" in result.stderr


def test_a_gan_is_no_start(refused, words, tiny_gan_run):
    words[2] = tiny_gan_run.path
    assert "is a run of kind 'gan', expected 'reid'" in refused(1, *words)


def test_out_that_is_there(refused, words, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("kept")
    for method in ("clusters", "statistics"):
        assert "is not empty" in refused(1, *words, "--method", method)


def test_out_among_the_images(refused, words, tiny_world):
    words[words.index("--out") + 1] = tiny_world / "target" / "bounding_box_train" / "r"
    assert "bounding_box_train" in refused(1, *words)


def test_another_worker_takes_no_statistics(tfipgan, words, tmp_path, monkeypatch):
    cluster = {"worker": ["a:1", "b:1"]}
    task = {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    result = tfipgan(*words, "--method", "statistics")
    assert (result.exit_code, result.stdout) == (0, "")
    assert not (tmp_path / "out").exists()
