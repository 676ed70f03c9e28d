"""`tfipgan evaluate`: of a network, and of feature files without TensorFlow."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tfipgan.evaluation import FeatureSet, evaluate_ranking

NO_TENSORFLOW = """
import sys
from tfipgan.cli.main import main
main(sys.argv[1:], standalone_mode=False)
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


@pytest.fixture
def files(tmp_path):
    """(query.npz, gallery.npz): the second query's match is second best."""
    query = FeatureSet(np.array([[0.0, 1], [4, 0]]), [1, 2], [1, 1])
    gallery = FeatureSet(np.array([[0.0, 1.5], [5, 0], [4.5, 0]]), [1, 2, 3], [2, 2, 2])
    query.save(tmp_path / "query.npz")
    gallery.save(tmp_path / "gallery.npz")
    return ["--query", tmp_path / "query.npz", "--gallery", tmp_path / "gallery.npz"]


def test_feature_files(tfipgan, files):
    result = tfipgan("evaluate", *files)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "rank-1   0.5000",
        "rank-5   1.0000",
        "rank-10  1.0000",
        "rank-20  1.0000",
        "mAP      0.7500",
        "mINP     0.7500",
        "2 queries, 3 gallery images, 0 queries without a match",
    ]
    assert result.stderr == ""


def test_settings_of_ones_own(tfipgan, files, tmp_path):
    out = tmp_path / "new" / "m.json"
    result = tfipgan(
        "evaluate", *files, "--ap", "trapezoid", "--metric", "cosine",
        "--protocol", "cross-camera-off", "--json", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    query, gallery = (FeatureSet.load(path) for path in files[1::2])
    expected = evaluate_ranking(
        query, gallery, metric="cosine", ap="trapezoid", protocol="cross-camera-off"
    )
    found = json.loads(out.read_text())
    assert {name: found[name] for name in expected} == expected
    assert expected != evaluate_ranking(query, gallery)


def test_feature_files_need_no_tensorflow(files, tmp_path):
    words = [sys.executable, "-c", NO_TENSORFLOW, "evaluate", *map(str, files)]
    words += ["--figures", str(tmp_path / "figures")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rank-1   0.5000\n")
    with Image.open(tmp_path / "figures" / "cmc.png") as image:
        assert image.format == "PNG"


def test_a_network_on_a_dataset(tfipgan, tiny_reid_run, tiny_world, tmp_path):
    """The same numbers as by way of two feature files."""
    model = ["--model", tiny_reid_run.path]
    data = tiny_world / "target"
    result = tfipgan(
        "evaluate", *model, "--data", data, "--json", tmp_path / "whole.json",
        "--no-progress", "--figures", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for split, folder in (("query", "query"), ("gallery", "bounding_box_test")):
        words = ["--images", data / folder, "--out", tmp_path / f"{split}.npz"]
        assert tfipgan("extract", *model, *words).exit_code == 0
    words = [w for s in ("query", "gallery") for w in (f"--{s}", tmp_path / f"{s}.npz")]
    parts = tfipgan("evaluate", *words, "--json", tmp_path / "parts.json")
    assert parts.stdout == result.stdout
    whole, parts = (
        json.loads((tmp_path / f"{name}.json").read_text())
        for name in ("whole", "parts")
    )
    assert whole == parts
    # Two test identities in three cameras: 6 queries, 6 others, 6 distractors, 3 junk.
    assert (whole["num_queries"], whole["num_queries_evaluated"]) == (6, 6)
    assert f"6 queries, {whole['num_gallery']} gallery images" in result.stdout
    assert {
        "rank-1",
        "rank-5",
        "rank-10",
        "rank-20",
        "mAP",
        "mINP",
        "cmc",
    } <= whole.keys()
    assert (tmp_path / "cmc.png").exists()


def test_queries_copied_out_of_the_gallery(
    tfipgan, tiny_reid_run, tiny_world, tmp_path
):
    data = shutil.copytree(tiny_world / "target", tmp_path / "data")
    gallery = sorted((data / "bounding_box_test").glob("[!-]*"))
    copied = [path for path in gallery if not path.name.startswith("0000")]
    shutil.rmtree(data / "query")
    (data / "query").mkdir()
    for path in copied:
        shutil.copy(path, data / "query")
    words = ["evaluate", "--data", data, "--model", tiny_reid_run.path]
    words += ["--protocol", "cross-camera-off", "--no-progress"]
    out = tmp_path / "out"
    result = tfipgan(*words, "--json", out / "m.json", "--figures", out)
    assert result.exit_code == 0, result.output
    found = json.loads((out / "m.json").read_text())
    assert found["num_gallery_copies"] == found["num_queries"] == len(copied) > 3
    # The network is hardly trained: whoever it finds at once is the query itself.
    assert found["rank-1"] < 1
    line = (
        f"{len(copied)} times left out: the query image itself, which the gallery has"
    )
    assert line in result.stdout.splitlines()[-1]
    assert "times left out: the query image itself" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "got"),
    [
        ([], "got none of them"),
        (["--model", "x"], "got --model"),
        (["--model", "x", "--query", "y"], "got --model and --query"),
        (["--query", "x"], "got --query"),
        (["--query", "x", "--gallery", "y", "--data", "z"], "--data and --gallery and"),
    ],
)
def test_one_of_two_pairs_is_needed(tfipgan, words, got):
    result = tfipgan("evaluate", *words)
    assert result.exit_code == 2
    assert "expected --model and --data, or --query and --gallery" in result.stderr
    assert got in result.stderr


def test_files_that_are_none(refused, files, tmp_path):
    line = refused(1, "evaluate", "--query", tmp_path / "no.npz", *files[2:])
    assert str(tmp_path / "no.npz") in line
    (tmp_path / "bad.npz").write_text("x")
    line = refused(1, "evaluate", *files[:2], "--gallery", tmp_path / "bad.npz")
    assert "bad.npz: not a readable .npz file" in line
    other = FeatureSet(np.ones((2, 5)), [1, 2], [1, 2])
    other.save(tmp_path / "other.npz")
    refused(1, "evaluate", *files[:2], "--gallery", tmp_path / "other.npz")


def test_all_numbers_of_the_json(tfipgan, files, tmp_path):
    out = tmp_path / "m.json"
    result = tfipgan("evaluate", *files, "--json", out, "--threshold", "0.3")
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    for name in (
        "rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP", "num_queries",
        "num_queries_without_match", "num_queries_junk", "metric", "ap", "protocol",
        "equal_error_rate", "area_under_roc",
    ):  # fmt: skip
        assert name in found
    assert found["camera_pairs"] == [
        {"query_camera": 1, "gallery_camera": 2, "rank-1": 0.5, "mAP": 0.75,
         "num_queries": 2}
    ]  # fmt: skip
    # Matches are at 0.5 and 1, the four others at 0.5 and from 4.272 on.
    point = found["threshold"]
    assert 1 < point["threshold"] <= 4.272 and point["true_accept_rate"] == 1
    assert point["num_false_accepts"] == 1 and point["num_negative_pairs"] == 4
    assert result.stdout.splitlines()[-1] == (
        f"same person below a distance of {point['threshold']:.4f}: 100.00% of the "
        "same person's pairs, and 1 of 4 others (0.25)"
    )


def test_queries_left_out_and_why(tfipgan, files, tmp_path):
    query = FeatureSet(np.eye(4, 2), [1, -1, 9, 3], [1, 1, 1, 2])
    query.save(tmp_path / "query.npz")
    result = tfipgan("evaluate", *files)
    assert result.stdout.splitlines()[-1] == (
        "1 queries, 3 gallery images, 3 queries without a match (1 junk, 1 person not "
        "in the gallery, 1 no other image that counts)"
    )


def test_options_change_the_ranking(tfipgan, files, tmp_path):
    generator = np.random.default_rng(0)
    for file, size in zip(files[1::2], (20, 60), strict=True):
        features = generator.standard_normal((size, 4))
        FeatureSet(features, np.arange(size) % 5, np.arange(size) % 3).save(file)
    plain = tfipgan("evaluate", *files).stdout
    assert tfipgan("evaluate", *files, "--memory", "1").stdout == plain
    for words in (["--rerank"], ["--protocol", "cuhk03"]):
        other = tfipgan("evaluate", *files, *words)
        assert other.exit_code == 0 and other.stdout != plain
    draws = [
        tfipgan("evaluate", *files, "--protocol", "cuhk03", "--seed", seed).stdout
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_small_threshold_keeps_its_digits(tfipgan, files):
    words = ["evaluate", *files, "--threshold", "0.3"]
    usual = tfipgan(*words).stdout.split("a distance of ")[1].split(":")[0]
    for file in files[1::2]:
        features = FeatureSet.load(file)
        features.features *= np.float32(2.0**-40)
        features.save(file)
    small = tfipgan(*words).stdout.split("a distance of ")[1].split(":")[0]
    assert float(small) == pytest.approx(float(usual) * 2.0**-40, rel=1e-3)


@pytest.mark.parametrize("rate", ["0", "1", "x"])
def test_a_rate_that_is_none(tfipgan, files, rate):
    result = tfipgan("evaluate", *files, "--threshold", rate)
    assert result.exit_code == 2 and "--threshold" in result.stderr


def test_the_report_names_its_command(tfipgan, files, tmp_path):
    out = tmp_path / "a folder"
    words = ["evaluate", *files, "--rerank", "--figures", out]
    assert tfipgan(*words).exit_code == 0
    page = (out / "report.html").read_text()
    query, gallery = files[1::2]
    assert f"tfipgan evaluate --query {query} --gallery {gallery} --rerank" in page
    assert f"--figures &#39;{out}&#39;" in page


def test_figures_among_the_images(
    refused, tfipgan, tiny_reid_run, tiny_world, tmp_path
):
    """Those of the dataset, and those that the features are of."""
    images = tmp_path / "images"
    for camera in (1, 2):
        (images / f"cam{camera}").mkdir(parents=True)
    paths = [str(images / f"cam{camera}" / "x.jpg") for camera in (1, 2)]
    features = FeatureSet(np.eye(2), [1, 1], [1, 2], paths)
    features.save(tmp_path / "f.npz")
    words = ["evaluate", "--query", tmp_path / "f.npz", "--gallery", tmp_path / "f.npz"]
    for place in (images, images / "report"):
        line = refused(1, *words, "--figures", place)
        assert line.startswith(f"{place} lies in {images}, ")
        assert not (images / "report.html").exists()
    data = tiny_world / "target"
    words = ["evaluate", "--model", tiny_reid_run.path, "--data", data]
    line = refused(1, *words, "--figures", data / "query" / "report")
    assert " lies in " in line and not (data / "query" / "report").exists()
