"""The command line as a whole: bad input is one line, an exit code and no output."""

import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from tfipgan import __version__
from tfipgan.cli.main import main
from tfipgan.errors import TrainingError

NAME = "0001_c1s1_000100_00.jpg"
COMMANDS = (
    "demo", "synthesize", "inspect", "train-reid", "train-gan", "adapt", "translate",
    "extract", "evaluate", "identity-accuracy", "translation-quality",
)  # fmt: skip


@pytest.fixture
def lines(tiny_world, tiny_reid_run, tiny_gan_run, tiny_overrides, tmp_path):
    """Words of each command that would run, as {option: value} without the first."""
    training = {"--config": "synthetic/ipgan"}
    settings = [word for value in tiny_overrides for word in ("--set", value)]
    data = {name: tiny_world / name for name in ("source", "target")}
    reid, gan = tiny_reid_run.path, tiny_gan_run.path
    images = data["source"] / "bounding_box_train"
    out = tmp_path / "out"
    options = {
        "train-reid": {**training, "--data": data["source"], "--out": out},
        "train-gan": {
            **training,
            "--source": data["source"],
            "--target": data["target"],
            "--semantic": reid,
            "--out": out,
        },
        "translate": {"--model": gan, "--source": data["source"], "--out": out},
        "extract": {"--model": reid, "--images": images, "--out": out},
        "evaluate": {"--model": reid, "--data": data["target"], "--json": out},
        "identity-accuracy": {"--classifier": reid, "--images": images},
    }

    def words(command, changes=None, more=()):
        given = options[command] | (changes or {})
        # First, so that what a test sets comes later and wins.
        first = settings if command.startswith("train") else []
        pairs = [w for option, value in given.items() for w in (option, value)]
        return [command, *first, *pairs, *more]

    return words


@pytest.fixture
def refused_and_clean(refused, lines, tmp_path):
    """Like `refused`, for a command of `lines`; nothing may have been written."""

    def run(exit_code, command, changes=None, more=()):
        before = sorted(tmp_path.rglob("*"))
        line = refused(exit_code, *lines(command, changes, more))
        assert sorted(tmp_path.rglob("*")) == before
        return line

    return run


READERS = [
    ("train-reid", "--data"),
    ("train-gan", "--source"),
    ("train-gan", "--target"),
    ("translate", "--source"),
    ("extract", "--images"),
    ("evaluate", "--data"),
    ("identity-accuracy", "--images"),
]
RUN_READERS = [
    ("train-gan", "--semantic", "reid"),
    ("translate", "--model", "gan"),
    ("extract", "--model", "reid"),
    ("evaluate", "--model", "reid"),
    ("identity-accuracy", "--classifier", "reid"),
]


@pytest.fixture
def dataset(tiny_world, tmp_path):
    """Path of a copy of the tiny source, to be damaged."""
    return Path(shutil.copytree(tiny_world / "source", tmp_path / "dataset"))


def read_folder(dataset, option):
    """(what the option is given, the folder that its images are read from)"""
    split = dataset / "bounding_box_train"
    return (split if option == "--images" else dataset), split


@pytest.mark.parametrize(("command", "option"), READERS)
def test_a_missing_folder(refused_and_clean, tmp_path, command, option):
    line = refused_and_clean(1, command, {option: tmp_path / "nowhere"})
    assert str(tmp_path / "nowhere") in line
    assert "not" in line and ("expected" in line or "give" in line)


@pytest.mark.parametrize(("command", "option"), READERS)
def test_an_empty_split(refused_and_clean, dataset, command, option):
    given, folder = read_folder(dataset, option)
    if command == "evaluate":
        folder = dataset / "query"
    for path in folder.iterdir():
        path.unlink()
    line = refused_and_clean(1, command, {option: given})
    assert str(folder) in line and "no images found" in line and "expected" in line


@pytest.mark.parametrize(
    ("command", "option"), [pair for pair in READERS if pair[0] != "extract"]
)
def test_a_name_that_does_not_match(refused_and_clean, dataset, command, option):
    given, folder = read_folder(dataset, option)
    if command == "evaluate":
        folder = dataset / "bounding_box_test"
    Image.new("RGB", (16, 32)).save(folder / "holiday.jpg")
    line = refused_and_clean(1, command, {option: given})
    assert str(folder) in line and "holiday.jpg" in line
    assert "of format market1501, but not" in line or "expected a market1501" in line


@pytest.mark.parametrize(("command", "option"), READERS)
@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_an_unreadable_image(refused_and_clean, dataset, command, option, damage):
    given, folder = read_folder(dataset, option)
    if command == "evaluate":
        folder = dataset / "bounding_box_test"
    path = sorted(folder.iterdir())[3]
    data = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "cut": data[: len(data) // 2], "text": b"x"}[damage]
    )
    line = refused_and_clean(1, command, {option: given})
    assert line.startswith("images that can't be read (1 of ")
    assert path.name in line and "mend or remove" in line


def test_an_unreadable_translated_image(refused_and_clean, dataset):
    path = sorted((dataset / "bounding_box_train").iterdir())[0]
    path.write_bytes(b"")
    changes = {"--translated": dataset / "bounding_box_train"}
    line = refused_and_clean(1, "train-reid", changes)
    assert line.startswith("images that can't be read (1 of 30)") and path.name in line


@pytest.mark.parametrize("command", ["train-reid", "train-gan"])
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("gan.widht=3", "unknown key gan.widht; did you mean gan.width?"),
        ("width=3", "unknown key width; did you mean gan.width?"),
        ("gan", "expected section.key=value"),
        ("=3", "expected section.key=value"),
        ("gan.width=", "expected a whole number from 1 to 4096, found None"),
        ("gan.width=abc", "expected a whole number from 1 to 4096, found 'abc'"),
        ("gan.image_size=[1,2", "--set gan.image_size=[1,2"),
        ("seed=-1", "seed: expected"),
        ("gan.image_size=[30, 16]", "gan.image_size: expected multiples of 16 "),
        ("gan.num_layers=5", "gan.image_size: expected multiples of 32 "),
        ("backbone.weights=imagenet", "imagenet is for depth 50 or 101"),
    ],
)
def test_settings_that_make_no_sense(refused_and_clean, command, setting, words):
    line = refused_and_clean(2, command, more=["--set", setting])
    assert words in line


def test_config_files_that_make_no_sense(refused_and_clean, tmp_path):
    path = tmp_path / "mine.yaml"
    for text, words in (
        ("base: synthetic/ipgan\ngan:\n  depth: 3\n", "unknown key gan.depth"),
        ("gan: [1", "mine.yaml"),
        ("base: nothing.yaml\n", "config nothing.yaml not found"),
        ("gan: 3\n", "gan: expected a section of keys, found 3"),
    ):
        path.write_text(text)
        line = refused_and_clean(2, "train-gan", {"--config": path})
        assert str(path) in line and words in line
    line = refused_and_clean(2, "train-reid", {"--config": "synthetic/ipgam"})
    assert "synthetic/ipgam not found" in line and "mean synthetic/ipgan?" in line


def test_a_target_with_one_camera(refused_and_clean, dataset):
    for path in (dataset / "bounding_box_train").iterdir():
        if "_c2" not in path.name:
            path.unlink()
    line = refused_and_clean(1, "train-gan", {"--target": dataset})
    assert "at least two cameras, found only camera 2" in line


@pytest.mark.parametrize(("command", "option", "kind"), RUN_READERS)
def test_a_run_of_the_wrong_kind(
    refused_and_clean, tiny_reid_run, tiny_gan_run, tmp_path, command, option, kind
):
    wrong = (tiny_gan_run if kind == "reid" else tiny_reid_run).path
    line = refused_and_clean(1, command, {option: wrong})
    assert f"{wrong} is a run of kind" in line and f"expected '{kind}'" in line
    for path in (tmp_path, tmp_path / "nowhere"):
        line = refused_and_clean(1, command, {option: path})
        assert f"{path} is not a run folder" in line


@pytest.mark.parametrize(
    ("command", "option", "kind"), [r for r in RUN_READERS if r[0] != "train-gan"]
)
def test_a_run_without_a_checkpoint(
    request, refused_and_clean, tmp_path, command, option, kind
):
    run = request.getfixturevalue(f"tiny_{kind}_run")
    copy = shutil.copytree(run.path, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints")
    line = refused_and_clean(1, command, {option: copy})
    assert "has no checkpoint" in line


@pytest.mark.parametrize("command", ["train-reid", "train-gan", "translate"])
def test_an_output_that_is_there(refused_and_clean, tmp_path, command):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    line = refused_and_clean(1, command)
    assert f"{tmp_path / 'out'} exists and is not empty" in line and "--out" in line


@pytest.mark.parametrize(
    ("command", "option"), [("extract", "--out"), ("evaluate", "--json")]
)
def test_an_output_file_that_cannot_be_written(
    tfipgan, refused_and_clean, lines, tmp_path, command, option
):
    (tmp_path / "out").mkdir()
    result = tfipgan(*lines(command))
    assert result.exit_code == 2
    assert f"'{tmp_path / 'out'}' is a directory" in result.stderr
    (tmp_path / "file").write_text("x")
    changes = {option: tmp_path / "file" / "below"}
    line = refused_and_clean(1, command, changes, ["--no-progress"])
    assert str(tmp_path / "file") in line


def test_devices_that_are_not_there(refused_and_clean):
    line = refused_and_clean(1, "train-reid", more=["--devices", "GPU:7"])
    assert "device GPU:7 is not there; this machine has CPU:0, CPU:1" in line


@pytest.mark.parametrize(
    ("pattern", "words"), [("(", "not a regular expression"), ("x", "no group named")]
)
def test_patterns_that_make_no_sense(refused_and_clean, pattern, words):
    for command, option in (
        ("extract", "--pattern"),
        ("train-gan", "--target-pattern"),
    ):
        assert words in refused_and_clean(2, command, more=[option, pattern])


# ------------------------------------------------------------------- the group itself


def test_version_and_help(tfipgan):
    assert __version__ in tfipgan("--version").stdout
    for flag in ("-h", "--help"):
        result = tfipgan(flag)
        assert result.exit_code == 0
        assert all(f"\n  {command} " in result.stdout for command in COMMANDS)
    for command in COMMANDS:
        assert tfipgan(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [["nothing"], ["--nothing"], ["train-gan"], ["extract", "--format", "other"]],
)
def test_usage_errors_exit_with_2(tfipgan, words):
    result = tfipgan(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ") and "\nError: " in result.stderr


def test_a_package_that_is_not_there(refused, monkeypatch):
    def broken():
        raise ImportError("Keras 2.15.0 is installed without tensorflow_addons: ...")

    monkeypatch.setattr(main, "callback", broken)
    assert refused(1, "inspect", os.curdir).startswith("Keras 2.15.0 is installed")


def test_a_training_that_cannot_go_on_is_one_line(refused, monkeypatch):
    def fail():
        raise TrainingError("the training diverged at step 7: ...")

    monkeypatch.setattr(main, "callback", fail)
    assert refused(1, "inspect", os.curdir) == "the training diverged at step 7: ..."


def test_ctrl_c_ends_as_a_shell_has_it(tfipgan, monkeypatch):
    def fail():
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "callback", fail)
    result = tfipgan("inspect", os.curdir)
    assert (result.exit_code, result.stderr) == (130, "Interrupted\n")


def test_an_error_of_ours_keeps_its_traceback(tfipgan, monkeypatch):
    """Only what a user can mend is a line; a bug is told with all that helps."""

    def fail():
        raise KeyError("a bug")

    monkeypatch.setattr(main, "callback", fail)
    result = tfipgan("inspect", os.curdir)
    assert isinstance(result.exception, KeyError)


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--version"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("tfipgan.cli", run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out == f"tfipgan, version {__version__}\n"


def test_a_failed_operation_is_one_line(refused, monkeypatch):
    import tensorflow as tf

    def fail(*arguments, **options):
        told = "Detected at node map\n  Not enough memory for [8,8]\nand more"
        raise tf.errors.ResourceExhaustedError(None, None, told)

    monkeypatch.setattr("tfipgan.data.inspection.inspect_dataset", fail)
    line = refused(1, "inspect", "anything")
    assert line == "TensorFlow: ResourceExhaustedError: Not enough memory for [8,8]"
