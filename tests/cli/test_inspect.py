import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from tfipgan.cli.inspect import inspect
from tfipgan.errors import InputError

NAMES = {
    "bounding_box_train": ["0001_c1s1_000001_01.jpg", "0001_c2s1_000001_01.jpg"],
    "query": ["0003_c1s1_000001_00.jpg"],
    "bounding_box_test": ["0003_c2s1_000001_01.jpg", "-1_c12s1_000001_01.jpg"],
}


@pytest.fixture
def dataset(tmp_path):
    shade = 0
    for folder, names in NAMES.items():
        (tmp_path / folder).mkdir()
        for name in names:
            shade += 40
            Image.new("RGB", (4, 8), (shade, 0, 0)).save(tmp_path / folder / name)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(inspect, list(map(str, arguments)))


def test_a_table_is_printed(dataset):
    result = run(dataset, "--strict")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"{dataset}: market1501"
    assert lines[2:6] == [
        "split    images  identities  junk  distractors  unlabelled  cameras",
        "train         2           1     0            0           0        2",
        "query         1           1     0            0           0        1",
        "gallery       2           1     1            0           0        2",
    ]
    assert lines[7:11] == [
        "images of camera  train  query  gallery",
        "1                     1      1        0",
        "2                     1      0        1",
        "12                    0      0        1",
    ]
    assert "Notes" in lines
    assert lines[-1] == "No problems found."


def test_problems_are_listed_and_fail_only_when_strict(dataset):
    (dataset / "query" / "0004_c1s1_000001_00.jpg").write_bytes(b"")
    result = run(dataset)
    assert result.exit_code == 0
    assert "Problems\n- query: images with no match" in result.output
    assert "\n- files that can't be read (1)" in result.output
    assert "No problems" not in result.output
    assert run(dataset, "--strict").exit_code == 1
    assert "can't be read" not in run(dataset, "--no-images").output


def test_all_unreadable_files_are_listed(dataset):
    paths = [
        dataset / "query" / f"0003_c1s1_00000{number}_00.jpg" for number in range(2, 8)
    ]
    paths.append(dataset / "query" / os.fsdecode(b"0003_c1s1_000009_00.jpg"))
    for path in paths:
        path.write_bytes(b"")
    lines = run(dataset).output.splitlines()
    start = lines.index("Files that can't be read")
    assert lines[start + 1 : start + 8] == [f"- {path}: empty" for path in paths]
    content = json.loads(run(dataset, "--json").output)
    assert content["unreadable"] == {str(path): "empty" for path in paths}


def test_names_that_cannot_be_printed(tmp_path):
    for name in (b"p1_\xff.jpg", b"p1_\n.jpg", "p1_\u05d0.jpg".encode()):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    words = ["--pattern", r"p(?P<person>\d)"]
    result = run(tmp_path, *words)
    assert result.exit_code == 0, result.exception
    assert r"\n.jpg': empty" in result.output and r"\udcff.jpg'" in result.output
    content = json.loads(run(tmp_path, *words, "--json").output)
    assert len(content["unreadable"]) == 3


def test_json_is_the_whole_result(dataset):
    result = run(dataset, "--json")
    content = json.loads(result.output)
    assert content["unreadable"] == {}
    assert content["format"] == "market1501"
    assert content["splits"]["gallery"]["cameras"] == {"2": 1, "12": 1}
    assert content["problems"] == []


def test_a_pattern_reads_names_of_ones_own(tmp_path):
    for name in ("anna_1.png", "bert_2.png"):
        Image.new("RGB", (4, 8)).save(tmp_path / name)
    result = run(tmp_path, "--pattern", r"_(?P<camera>\d)", "--no-images")
    assert result.exit_code == 0
    assert f"{tmp_path}: pattern" in result.output
    assert "no query split found" in result.output


def test_what_was_likely_misread_fails_when_strict(dataset):
    advised = "(?P<person>-1|[0-9]+)_c(?P<camera>[0-9]+)"
    for pattern, code in ((advised, 0), (advised.replace("-1|", ""), 1)):
        result = run(dataset, "--pattern", pattern, "--strict", "--no-images")
        assert result.exit_code == code, result.output
    assert "Problems\n- gallery: the pattern's group person cuts" in result.output
    (dataset / "query" / "0003_c1s1_000001_00.jxl").write_bytes(b"x")
    result = run(dataset, "--strict")
    assert result.exit_code == 1
    assert "- query: files passed over" in result.output and "1 .jxl" in result.output


def test_the_pattern_that_help_shows_knows_junk(dataset):
    words = " ".join(run("--help").output.split())
    advised = re.search("like '(.*?)'", words)[1]
    result = run(dataset, "--pattern", advised, "--strict", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["splits"]["gallery"]["junk"] == 1


def test_augmented_images(tiny_world, tiny_overrides, tmp_path, monkeypatch):
    from tfipgan.training import augmentation_sheet

    given = []
    monkeypatch.setattr(
        augmentation_sheet, "write_augmentation_sheet", lambda *a: given.append(a)
    )
    data = tmp_path / "data"
    shutil.copytree(tiny_world / "source", data)
    (data / "bounding_box_train" / "0001_c1s1_009999_01.jpg").write_bytes(b"")
    words = ["--augment", "synthetic/ipgan", "--figures", tmp_path / "out"]
    words += [word for value in tiny_overrides for word in ("--set", value)]
    result = run(data, *words, "--set", "reid.random_erasing=0.5")
    assert result.exit_code == 0, result.output
    path = tmp_path / "out" / "augmentation.png"
    assert result.output.endswith(f"\nAugmented images: {path}\n")
    ((config, samples, to),) = given
    # What can't be read is listed, and not drawn.
    assert "0001_c1s1_009999_01.jpg: empty" in result.output and len(samples) == 30
    assert config.reid.random_erasing == 0.5 and config.reid.batch_size == 8
    assert to == path
    # JSON is the result alone; a classifier of cameras is trained on everyone.
    result = run(data, "--json", *words, "--set", "reid.labels=camera")
    assert json.loads(result.output)["format"] == "market1501"
    assert given[1][0].reid.labels == "camera"


def test_augmented_images_leave_out_names_that_do_not_match(
    tiny_world, tiny_overrides, tmp_path, monkeypatch
):
    """As a training does with --skip-unreadable; they are a problem all the same."""
    from tfipgan.training import augmentation_sheet

    given = []
    monkeypatch.setattr(
        augmentation_sheet, "write_augmentation_sheet", lambda *a: given.append(a)
    )
    data = shutil.copytree(tiny_world / "source", tmp_path / "data")
    split = data / "bounding_box_train"
    first = min(split.iterdir())
    shutil.copy(first, split / "copy (1).jpg")
    words = ["--augment", "synthetic/ipgan", "--figures", tmp_path / "out"]
    words += [word for value in tiny_overrides for word in ("--set", value)]
    result = run(data, "--format", "market1501", *words)
    assert result.exit_code == 0, result.output
    ((_, samples, _),) = given
    assert len(samples) == 30 and str(first) in {s.path for s in samples}
    assert "images whose names don't match (1)" in result.output


def test_augmented_images_that_are_refused(dataset):
    for words in (
        ["--augment", "synthetic/ipgan"],
        ["--figures", dataset / "x"],
        ["--set", "reid.random_erasing=0.5"],
    ):
        result = run(dataset, *words)
        assert result.exit_code == 2 and "--figures go together" in result.output
    words = ["--augment", "synthetic/ipgan", "--figures"]
    result = run(dataset, *words, dataset / "query" / "new")
    assert "where images are read from" in str(result.exception)
    result = run(dataset, *words, dataset / "new", "--set", "reid.pad_crop=3")
    assert "expected 0 with reid.random_sized_crop true" in str(result.exception)
    result = run(dataset, *words, dataset / "new")
    assert "1 training identity, expected at least 2" in str(result.exception)
    assert not (dataset / "new").exists()


def test_errors_rise_to_the_command_line(tmp_path):
    result = run(tmp_path / "nowhere")
    assert isinstance(result.exception, InputError)
    assert run(tmp_path, "--format", "other").exit_code == 2


def test_help_does_not_import_tensorflow():
    code = (
        "import sys; from tfipgan.cli.inspect import inspect; import "
        "tfipgan.data.inspection, tfipgan.data.labels; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
