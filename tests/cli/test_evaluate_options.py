"""`tfipgan evaluate`: what is averaged, several datasets, and activation maps."""

import json
import re
import shutil
import weakref

import numpy as np
import pytest

from tfipgan.data.datasets import read_dataset
from tfipgan.data.pipelines import inference_batches
from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation.features import extract_features
from tfipgan.evaluation.query_expansion import averaged_queries

SIZE = (32, 16)


@pytest.fixture
def files(tmp_path):
    """Words of two feature files, rows of length 1, two queries of each person."""
    rng = np.random.default_rng(0)
    words = []
    for name, count in (("query", 12), ("gallery", 60)):
        rows = rng.standard_normal((count, 4))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        numbers = np.arange(count)
        features = FeatureSet(rows, numbers % 6, numbers // 12 + (name == "query"))
        features.save(tmp_path / f"{name}.npz")
        words += [f"--{name}", tmp_path / f"{name}.npz"]
    return words


def numbers_of(result):
    assert result.exit_code == 0, result.output
    return re.findall(r"^(?:rank-\d+|mAP|mINP) +(\S+)$", result.stdout, re.MULTILINE)


def test_options_of_feature_files(tfipgan, files, tmp_path):
    query, gallery = (FeatureSet.load(path) for path in files[1::2])
    several, counts = averaged_queries(query)
    assert (counts == 2).all()
    words = ["evaluate", *files, "--json", tmp_path / "m.json"]
    for more, queries, options, entries in (
        ([], query, {}, {}),
        (
            ["--query-expansion", "5"],
            query,
            {"query_expansion": 5},
            {"query_expansion": 5, "query_expansion_alpha": 3.0},
        ),
        (
            ["--multi-query", "--query-expansion", "2", "--alpha", "0", "--rerank"],
            several,
            {"query_expansion": 2, "alpha": 0.0, "rerank": True},
            {
                "query_expansion": 2,
                "query_expansion_alpha": 0.0,
                "multi_query": "query",
                "num_queries_averaged": 12,
            },
        ),
    ):
        expected = evaluate_ranking(queries, gallery, **options)
        result = tfipgan(*words, *more, "--figures", tmp_path / "figures")
        assert numbers_of(result) == [
            f"{expected[n]:.4f}"
            for n in ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
        ]
        found = json.loads((tmp_path / "m.json").read_text())
        names = ("query_expansion", "query_expansion_alpha", "multi_query")
        names += ("num_queries_averaged", "flip")
        assert {n: found[n] for n in names if n in found} == entries
        assert {n: found[n] for n in expected} == expected
        page = (tmp_path / "figures" / "report.html").read_text()
        assert ("query expansion by so many images" in page) == bool(entries)
        several_said = "mean of several queries, of the folder" in page
        assert several_said == ("multi_query" in entries)
        # Without the detail too.
        assert tfipgan("evaluate", *files, *more).stdout == result.stdout
    assert "12 of the queries are means of several images of query\n" in result.stdout
    assert "of them means of several images" in page


def test_the_mirror_image(tfipgan, tiny_reid_run, tiny_network, tiny_world, tmp_path):
    """Features are of both; the JSON and the page say so; the same by two files."""
    data = tiny_world / "target"
    words = ["evaluate", "--model", tiny_reid_run.path, "--data", data, "--flip"]
    words += ["--json", tmp_path / "m.json", "--figures", tmp_path / "figures"]
    result = tfipgan(*words, "--no-progress")
    assert result.exit_code == 0, result.output
    samples = read_dataset(data, splits=("query",)).query
    (images,) = inference_batches(samples, SIZE, len(samples))
    both = [
        tiny_network.extract_features(i / 255.0).numpy()
        for i in (images, images[:, :, ::-1])
    ]
    assert abs(both[0] - both[1]).max() > 1e-3
    expected = sum(both) / np.linalg.norm(sum(both), axis=1, keepdims=True)
    found = extract_features(tiny_network, samples, SIZE, 4, flip=True).features
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for split, folder in (("query", "query"), ("gallery", "bounding_box_test")):
        more = ["--images", data / folder, "--out", tmp_path / f"{split}.npz", "--flip"]
        assert tfipgan("extract", *words[1:3], *more).exit_code == 0
    np.testing.assert_allclose(
        FeatureSet.load(tmp_path / "query.npz").features, expected, atol=1e-5
    )
    files = [w for s in ("query", "gallery") for w in (f"--{s}", tmp_path / f"{s}.npz")]
    assert numbers_of(tfipgan("evaluate", *files)) == numbers_of(result)
    assert json.loads((tmp_path / "m.json").read_text())["flip"] is True
    page = (tmp_path / "figures" / "report.html").read_text()
    assert "mean with the mirror image" in page and "--flip" in page


def test_several_queries_of_hand_drawn_boxes(
    tfipgan, refused, tiny_reid_run, tiny_network, tiny_world, tmp_path
):
    data = shutil.copytree(tiny_world / "target", tmp_path / "data")
    pool = data / "gt_bbox"
    pool.mkdir()
    # Each query itself, and again as another image of its person and camera; of others
    # as well, which no query is made of.
    for path in (data / "query").iterdir():
        shutil.copy(path, pool)
    for number, path in enumerate(sorted((data / "bounding_box_test").glob("[!-]*"))):
        shutil.copy(path, pool / path.name.replace("s1_", f"s9{number}_"))
    words = ["evaluate", "--model", tiny_reid_run.path, "--data", data]
    words += ["--no-progress", "--multi-query", "--json", tmp_path / "m.json"]
    result = tfipgan(*words)
    assert result.exit_code == 0, result.output
    dataset = read_dataset(data, splits=("query", "gallery"))
    query, gallery = (
        extract_features(tiny_network, samples, SIZE, 7)
        for samples in (dataset.query, dataset.gallery)
    )
    rows = []
    for sample in dataset.query:
        start = f"{sample.person_id:04d}_c{sample.camera_id}"
        paths = sorted(str(path) for path in pool.glob(f"{start}s*"))
        assert len(paths) == 2
        (images,) = inference_batches(paths, SIZE, 9)
        mean = tiny_network.extract_features(images / 255.0).numpy().mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    query = FeatureSet(np.array(rows), query.person_ids, query.camera_ids, query.paths)
    expected = evaluate_ranking(query, gallery)
    assert numbers_of(result)[-2:] == [f"{expected[n]:.4f}" for n in ("mAP", "mINP")]
    found = json.loads((tmp_path / "m.json").read_text())
    assert (found["multi_query"], found["num_queries_averaged"]) == ("gt_bbox", 6)
    assert "6 of the queries are means of several images of gt_bbox" in result.stdout
    line = refused(1, *words, "--protocol", "cross-camera-off")
    assert line.startswith(
        "several queries of a person are not for the protocol cross-"
    )
    assert f"lies in {pool}, " in refused(1, *words, "--figures", pool / "report")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--multi-query", "--protocol", "cross-camera-off"], "several queries of a"),
        (["--rerank", "--metric", "cosine"], "re-ranking is for euclidean distances"),
        (["--query-expansion", "3", "--alpha", "inf"], "alpha of the query expansion"),
    ],
)
def test_options_that_exclude_each_other_are_refused_before_any_work(
    refused, tiny_reid_run, tiny_world, monkeypatch, words, line
):
    from tfipgan.cli import evaluated_network

    def work(*_, **__):
        raise AssertionError("features are extracted")

    monkeypatch.setattr(evaluated_network, "extract_features", work)
    given = ["--model", tiny_reid_run.path, "--data", tiny_world / "target"]
    assert refused(1, "evaluate", *given, *words).startswith(line)


def test_several_datasets(tfipgan, refused, tiny_reid_run, tiny_world, tmp_path):
    other = shutil.copytree(tiny_world / "source", tmp_path / "target")
    data = [tiny_world / "target", other]
    words = ["evaluate", "--model", tiny_reid_run.path, "--no-progress"]
    words += ["--threshold", "0.3"]
    singles = []
    for number, folder in enumerate(data):
        out = tmp_path / f"{number}.json"
        result = tfipgan(*words, "--data", folder, "--json", out)
        assert result.exit_code == 0, result.output
        singles.append((json.loads(out.read_text()), result.stdout.splitlines()))
    out, figures = tmp_path / "m.json", tmp_path / "figures"
    words += [w for folder in data for w in ("--data", folder)]
    result = tfipgan(*words, "--json", out, "--figures", figures)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text()) == {
        "evaluations": [
            {"data": str(folder), **metrics}
            for folder, (metrics, _) in zip(data, singles, strict=True)
        ]
    }
    head, rule, *lines = result.stdout.splitlines()
    assert head.split() == [
        "data", "rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP",
    ]  # fmt: skip
    for folder, row, (_, printed) in zip(data, lines, singles, strict=False):
        assert row.split() == [str(folder), *(line.split()[1] for line in printed[:6])]
    notes = [
        f"{folder}: {note}"
        for folder, (_, printed) in zip(data, singles, strict=True)
        for note in printed[6:]
    ]
    assert lines[2:] == notes and any("same person below" in note for note in notes)
    assert sorted(path.name for path in figures.iterdir()) == ["target", "target_2"]
    for folder, name in zip(data, ("target", "target_2"), strict=True):
        page = (figures / name / "report.html").read_text()
        assert f"<h1>{tiny_reid_run.path} on {folder}</h1>" in page
        assert f"--data {data[0]} --data {data[1]}" in page

    line = refused(1, *words, "--data", other / ".." / "target")
    assert line.endswith("target is given twice, expected other datasets")
    shutil.rmtree(other / "bounding_box_test")
    assert str(other) in refused(1, *words)


def test_of_several_datasets_one_is_in_memory(
    tfipgan, tiny_reid_run, tiny_world, monkeypatch
):
    from tfipgan.cli import evaluated_network

    made, alive = [], []

    def extract(network, samples, *arguments):
        alive.append(sum(reference() is not None for reference in made))
        rows = np.random.default_rng(len(samples)).standard_normal((len(samples), 4))
        persons, cameras = zip(
            *((s.person_id, s.camera_id) for s in samples), strict=True
        )
        features = FeatureSet(rows, persons, cameras, [s.path for s in samples])
        made.append(weakref.ref(features))
        return features

    monkeypatch.setattr(evaluated_network, "extract_features", extract)
    words = ["evaluate", "--model", tiny_reid_run.path, "--no-progress"]
    words += [w for n in ("target", "source") for w in ("--data", tiny_world / n)]
    for more in ([], ["--threshold", "0.3"]):
        result = tfipgan(*words, *more)
        assert result.exit_code == 0, result.output
    assert alive == [0, 1] * 4


def test_a_dataset_that_can_not_be_evaluated_is_named(
    refused, tiny_reid_run, tiny_world, tmp_path
):
    other = shutil.copytree(tiny_world / "source", tmp_path / "other")
    for path in (other / "query").iterdir():
        path.rename(path.with_name(f"9{path.name[1:]}"))
    words = ["evaluate", "--model", tiny_reid_run.path, "--no-progress"]
    line = refused(1, *words, "--data", other)
    assert line.startswith("none of the 6 queries has a match")
    line = refused(1, *words, "--data", tiny_world / "target", "--data", other)
    assert line.startswith(f"{other}: none of the 6 queries has a match")


def test_activation_maps(tfipgan, tiny_reid_run, tiny_world, tmp_path):
    words = ["evaluate", "--model", tiny_reid_run.path, "--no-progress"]
    words += ["--data", tiny_world / "target", "--figures", tmp_path]
    assert tfipgan(*words).exit_code == 0
    assert not (tmp_path / "activation_maps.png").exists()
    result = tfipgan(*words, "--activation-maps")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "activation_maps.png").exists()
    assert "<h3>Activation maps</h3>" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--flip"], "--flip is for --model; expected feature files of"),
        (["--pool-stripes=2"], "--pool-stripes is for --model; expected feature files"),
        (["--activation-maps"], "--activation-maps needs --model and --figures"),
        (["--activation-maps", "--figures", "x"], "needs --model and --figures"),
        (["--alpha", "2"], "--alpha needs --query-expansion"),
        (["--query-expansion", "0"], "0 is not in the range x>=1"),
    ],
)
def test_options_that_need_others(tfipgan, files, words, line):
    result = tfipgan("evaluate", *files, *words)
    assert result.exit_code == 2 and line in result.stderr


def test_stripes_of_the_last_map(
    tfipgan, refused, tiny_reid_run, tiny_world, tmp_path, monkeypatch
):
    from tfipgan.cli import evaluated_network

    words = ["evaluate", "--model", tiny_reid_run.path, "--no-progress"]
    words += ["--data", tiny_world / "target", "--pool-stripes"]
    line = refused(1, *words, 2)
    assert line.startswith("pool-stripes is 2, expected 1 to 1: the last map of images")
    given = []

    def extract(*arguments):
        given.append(arguments[-1])
        return extract_features(*arguments)

    monkeypatch.setattr(evaluated_network, "extract_features", extract)
    result = tfipgan(*words, 1, "--json", tmp_path / "m.json")
    assert result.exit_code == 0, result.output
    assert given == [1, 1]
    assert json.loads((tmp_path / "m.json").read_text())["pool_stripes"] == 1
