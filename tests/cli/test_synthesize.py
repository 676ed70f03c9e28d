"""`tfipgan synthesize`: options, output and usage errors."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from tfipgan.cli.synthesize import synthesize
from tfipgan.errors import InputError


def run(*arguments):
    return CliRunner().invoke(synthesize, [str(argument) for argument in arguments])


def test_writes_and_says_what_was_written(tmp_path):
    out = tmp_path / "world"
    result = run(
        out,
        *("--seed", 3, "--identities", 2, "--test-identities", 2, "--cameras", 2),
        *("--images-per-camera", 2, "--size", "48x16", "--strength", 0.5),
    )
    assert result.exit_code == 0, result.output
    # 2 x 2 x 2 train; 2 x 2 queries; 4 others, 4 distractors and 2 junk.
    assert result.stdout.splitlines() == [
        f"{out / dataset / split}: {count} images"
        for dataset in ("source", "target")
        for split, count in (
            ("bounding_box_train", 8),
            ("query", 4),
            ("bounding_box_test", 10),
        )
    ]
    path = next((out / "target" / "query").iterdir())
    with Image.open(path) as image:
        assert image.size == (16, 48)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--size", "128", "'128' isn't HEIGHTxWIDTH, such as 128x64"),
        ("--size", "-64x32", "isn't HEIGHTxWIDTH"),
        ("--size", "100x64", "100x64 must be in multiples of 16 and at least 32x16"),
        ("--size", "16x16", "at least 32x16"),
        ("--identities", "1", "x>=2"),
        ("--test-identities", "1", "x>=2"),
        ("--cameras", "1", "x>=2"),
        ("--images-per-camera", "1", "x>=2"),
        ("--strength", "3.1", "0<=x<=3"),
        ("--seed", "-1", "x>=0"),
    ],
)
def test_usage_errors_exit_with_2_and_write_nothing(tmp_path, option, value, message):
    result = run(tmp_path / "out", option, value)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_existing_dataset_is_an_input_error(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "mine.txt").touch()
    result = run(tmp_path)
    assert isinstance(result.exception, InputError)


def test_help_needs_no_heavy_module():
    assert "OUT/source and OUT/target" in run("--help").output
    code = "import sys, tfipgan.cli.synthesize; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"numpy", "PIL", "tensorflow"} & set(loaded.stdout.split())


def test_inside_another_dataset(refused, tiny_world):
    place = tiny_world / "source" / "query" / "new"
    assert " lies in " in refused(1, "synthesize", place)
    assert not place.exists()


def test_a_full_disk_is_named(refused, tmp_path, monkeypatch):
    def save(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", save)
    line = refused(1, "synthesize", tmp_path / "out", "--identities", 2)
    assert line == f"[Errno 28] No space left on device: '{tmp_path}/out'"
