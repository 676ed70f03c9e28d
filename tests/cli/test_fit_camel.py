"""`tfipgan fit-camel`, and `evaluate --camel` by what it made."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation.camel import fit_camel
from tfipgan.evaluation.camera_projections import CameraProjections
from tfipgan.evaluation.query_expansion import averaged_queries


@pytest.fixture
def files(tmp_path):
    """Words for evaluate, of two feature files; train.npz lies beside them."""
    rng = np.random.default_rng(1)
    words = []
    for name, count in (("train", 40), ("query", 12), ("gallery", 30)):
        rows = rng.standard_normal((count, 5))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        numbers = np.arange(count)
        features = FeatureSet(rows, numbers % 4, numbers // 4 % 3)
        features.save(tmp_path / f"{name}.npz")
        words += [f"--{name}", tmp_path / f"{name}.npz"]
    return words[2:]


def test_fitted_and_used(tfipgan, files, tmp_path):
    out = tmp_path / "camel.npz"
    options = {"dimensions": 3, "clusters": 6, "consistency": 0.2, "seed": 4}
    words = [f"--{name}={value}" for name, value in options.items()]
    result = tfipgan(
        "fit-camel", "--features", tmp_path / "train.npz", "--out", out, *words
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == "40 images of 3 cameras, 3 values each\n"
    expected = fit_camel(FeatureSet.load(tmp_path / "train.npz"), **options)
    found = CameraProjections.load(out)
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array)

    query, gallery = (
        expected.project("", FeatureSet.load(path)) for path in files[1::2]
    )
    several, _ = averaged_queries(query)
    plain = evaluate_ranking(*(FeatureSet.load(path) for path in files[1::2]))
    for more, queries in (([], query), (["--multi-query"], several)):
        json_path = tmp_path / "m.json"
        result = tfipgan("evaluate", *files, "--camel", out, *more, "--json", json_path)
        assert result.exit_code == 0, result.output
        numbers = json.loads(json_path.read_text())
        assert numbers["camel"] is True
        metrics = evaluate_ranking(queries, gallery)
        assert {name: numbers[name] for name in metrics} == metrics
        assert metrics["mAP"] != plain["mAP"]
    assert "camel" not in _numbers(
        tfipgan("evaluate", *files, "--json", json_path), json_path
    )


def _numbers(result, path):
    assert result.exit_code == 0, result.output
    return json.loads(path.read_text())


def test_a_network_is_projected_too(tfipgan, tiny_reid_run, tiny_world, tmp_path):
    """As its feature files are, and the images of gt_bbox with the queries."""
    model, target = ["--model", tiny_reid_run.path], tiny_world / "target"
    for name, split in (
        ("train", "bounding_box_train"),
        ("query", "query"),
        ("gallery", "bounding_box_test"),
    ):
        words = ["--images", target / split, "--out", tmp_path / f"{name}.npz"]
        assert tfipgan("extract", *model, *words).exit_code == 0
    camel = tmp_path / "camel.npz"
    words = ["--features", tmp_path / "train.npz", "--clusters=5", "--dimensions=4"]
    assert tfipgan("fit-camel", *words, "--out", camel).exit_code == 0
    files = ["--query", tmp_path / "query.npz", "--gallery", tmp_path / "gallery.npz"]
    by_files = tfipgan("evaluate", *files, "--camel", camel)
    by_network = tfipgan("evaluate", *model, "--data", target, "--camel", camel)
    assert by_files.exit_code == 0, by_files.output
    assert by_network.stdout == by_files.stdout


def test_an_output_that_is_there_stays(refused, tmp_path):
    (tmp_path / "out.npz").write_text("mine")
    words = ["--features", tmp_path / "x", "--out", tmp_path / "out.npz"]
    assert f"{tmp_path}/out.npz exists" in refused(1, "fit-camel", *words)
    assert (tmp_path / "out.npz").read_text() == "mine"


def test_what_cannot_be_fitted(refused, files, tmp_path):
    words = ["fit-camel", "--features", tmp_path / "train.npz", "--out", tmp_path / "o"]
    line = refused(1, *words)
    assert line.startswith("40 images have 40 different features, expected at least")
    assert not (tmp_path / "o").exists()


def test_cameras_without_a_projection(tfipgan, refused, files, tmp_path):
    camel = tmp_path / "camel.npz"
    words = ["--features", tmp_path / "train.npz", "--clusters=6", "--out", camel]
    assert tfipgan("fit-camel", *words).exit_code == 0
    gallery = FeatureSet.load(tmp_path / "gallery.npz")
    for camera, line in (
        (-1, "30 of 30 gallery images have no camera id (-1), by which CAMEL projects"),
        (9, "gallery images are of camera 9, expected cameras that CAMEL was fitted"),
    ):
        other = FeatureSet(gallery.features, gallery.person_ids, [camera] * 30)
        other.save(tmp_path / "other.npz")
        words = [*files[:2], "--gallery", tmp_path / "other.npz", "--camel", camel]
        assert refused(1, "evaluate", *words).startswith(line)
    line = refused(1, "evaluate", *files, "--camel", tmp_path / "none")
    assert line.startswith(f"{tmp_path}/none: does not exist; expected a file of `tf")


def test_no_tensorflow_is_needed(files, tmp_path):
    code = (
        "import sys; from tfipgan.cli.main import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    camel = tmp_path / "camel.npz"
    for words in (
        ["fit-camel", "--features", tmp_path / "train.npz", "--clusters=6",
         "--out", camel],
        ["evaluate", *files, "--camel", camel],
    ):  # fmt: skip
        words = [sys.executable, "-c", code, *map(str, words)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
