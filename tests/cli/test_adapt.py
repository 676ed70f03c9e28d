"""`tfipgan adapt`: by batch-norm statistics, by clusters, and what it refuses."""

import functools
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tfipgan.clustering import ClusterSettings
from tfipgan.config import save_config
from tfipgan.runs.run import load_reid_network, open_run
from tfipgan.training import adapt
from tfipgan.weights.checkpoints import save_checkpoint
from tfipgan.weights.variables import named_weights

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


def test_by_pul(tfipgan, words, tmp_path, tiny_world):
    by_pul = [
        *words,
        "--method",
        "pul",
        "--devices",
        "CPU:0",
        "--set",
        "adapt.pad_crop=2",
    ]
    for value in ("rounds=1", "steps=2", "clusters=4", "batch_size=6"):
        by_pul += ["--set", f"pul.{value}"]
    result = tfipgan(*by_pul)
    assert result.exit_code == 0, result.output
    out, evaluated = tmp_path / "out", tmp_path / "numbers.json"
    assert open_run(out, "reid").config.pul.clusters == 4
    result = tfipgan(
        "evaluate", "--model", out, "--data", tiny_world / "target",
        "--json", evaluated, "--figures", tmp_path / "figures",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert 0 < json.loads(evaluated.read_bytes())["mAP"] <= 1
    page = (tmp_path / "figures" / "report.html").read_text("utf-8")
    assert "Clusters by epoch" in page
    assert "Clusters of the training images" in page


def test_a_source_beside_the_target(tfipgan, words, tiny_world, tmp_path, clusters):
    source = ["--source", tiny_world / "source", "--devices", "CPU:0"]
    result = tfipgan(*words, *SET, *source)
    assert result.exit_code == 0, result.output
    ((features, *_),) = clusters
    assert len(features) == 30  # of the target alone
    images = json.loads((tmp_path / "out" / "images.json").read_bytes())
    assert {name: len(rows) for name, rows in images.items()} == {
        "target": 30, "source": 30,
    }  # fmt: skip


@pytest.mark.parametrize("method", ["pul", "statistics"])
def test_a_source_is_for_clusters(tfipgan, words, tiny_world, method):
    source = ["--source", tiny_world / "source", "--method", method]
    result = tfipgan(*words, *source)
    assert result.exit_code == 2
    assert "--source is for --method clusters" in result.stderr


def test_the_target_as_its_own_source(refused, words, tiny_world):
    target = tiny_world / "target"
    line = refused(1, *words, "--source", target.parent / "source" / ".." / "target")
    assert "is --source and --target: its identities would be read" in line


def test_out_among_the_source_s_images(refused, words, tiny_world):
    source = tiny_world / "source"
    words[words.index("--out") + 1] = source / "bounding_box_train" / "r"
    assert "bounding_box_train" in refused(1, *words, "--source", source)


def test_statistics_that_are_there(tfipgan, refused, words, tmp_path, tiny_reid_run):
    words += ["--method", "statistics", "--resume"]
    assert tfipgan(*words).exit_code == 0
    files = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    again = tfipgan(*words)
    assert (again.exit_code, again.stdout) == (0, f"{tmp_path / 'out'}\n")
    assert files == {p: p.read_bytes() for p in files}
    line = refused(1, *words, "--set", "seed=4")
    assert "out is another run, of reid or with another config; expected one" in line
    other = tmp_path / "other"
    shutil.copytree(tiny_reid_run.path, other)
    words[words.index("--model") + 1] = other
    assert "is another run, of reid or" in refused(1, *words)


def photographs(target, count, folder, name="photo {}.jpg"):
    """A folder of some of the target's training images, named otherwise."""
    folder.mkdir()
    images = sorted((target / "bounding_box_train").iterdir())[:count]
    for number, image in enumerate(images):
        shutil.copy(image, folder / name.format(number))
    return folder


def test_one_camera(tfipgan, words, tiny_world, tmp_path, clusters, caplog):
    name = "000{}_c1s1_000001_00.jpg"
    folder = photographs(tiny_world / "target", 9, tmp_path / "one", name)
    words[words.index("--target") + 1] = folder
    result = tfipgan(*words, *SET, "--devices", "CPU:0", "--unlabelled")
    assert result.exit_code == 0, result.output
    assert clusters[0][1] is None
    assert "all images are of one camera: clusters are made without" in caplog.text


def test_fewer_images_than_a_batch_or_clusters(
    tfipgan, refused, words, tiny_world, tmp_path, clusters
):
    words[words.index("--target") + 1] = photographs(
        tiny_world / "target", 12, tmp_path / "few"
    )
    line = refused(1, *words, "--unlabelled", "--method", "pul")
    assert line.startswith("12 target images can't make 750 clusters: set pul.clusters")
    assert not (tmp_path / "out").exists()
    few = [*SET, "--set", "adapt.batch_clusters=9", "--devices", "CPU:0"]
    result = tfipgan(*words, *few, "--unlabelled")
    assert result.exit_code == 0, result.output


def test_images_all_alike(tfipgan, words, tiny_world, tmp_path):
    (image, *_) = sorted((tiny_world / "target" / "bounding_box_train").iterdir())
    alike = tmp_path / "alike"
    alike.mkdir()
    for number in range(12):
        shutil.copy(image, alike / f"photo {number}.jpg")
    words[words.index("--target") + 1] = alike
    alone = [*SET, "--unlabelled", "--devices", "CPU:0"]
    result = tfipgan(*words, *alone)
    assert result.exit_code == 1
    assert "epoch 1: 12 images make 1 clusters, expected at least 2" in result.stderr
    assert "nothing is lost; start from a stronger run" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_whose_descriptors_are_nan(refused, words, tiny_reid_run, tmp_path):
    run = tmp_path / "nan"
    shutil.copytree(tiny_reid_run.path, run)
    shutil.rmtree(run / "checkpoints")
    network = load_reid_network(tiny_reid_run)
    kernel = named_weights(network)["backbone.stem.kernel"]
    kernel.assign(kernel * float("nan"))
    save_checkpoint(run / "checkpoints", 1, {"network": network})
    words[words.index("--model") + 1] = run
    for method in ("clusters", "pul", "statistics"):
        values = ["--method", method, "--set", "pul.clusters=4", *SET]
        assert "NaN" in refused(1, *words, *values)
        assert not (tmp_path / "out").exists()


def test_a_run_that_tells_cameras_apart(refused, words, tiny_reid_run, tmp_path):
    run = tmp_path / "cameras"
    shutil.copytree(tiny_reid_run.path, run)
    config = tiny_reid_run.config
    cameras = replace(config, reid=replace(config.reid, labels="camera"))
    save_config(cameras, run / "config.yaml")
    words[words.index("--model") + 1] = run
    for method in ("clusters", "pul", "statistics"):
        values = ["--method", method, "--set", "pul.clusters=4", *SET]
        assert "was trained with reid.labels camera" in refused(1, *words, *values)


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
