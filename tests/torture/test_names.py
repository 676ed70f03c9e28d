"""Names of files and folders that are not UTF-8: read, written and shown escaped."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tfipgan.evaluation import FeatureSet
from tfipgan.experiments.results import dataset_digest
from tfipgan.files.utf8_path import utf8_path
from tfipgan.runs.metrics_log import MetricsLog, read_metrics

ODD = os.fsdecode(b"caf\xe9")
SHOWN = "caf\\udce9"


@pytest.fixture
def odd(tmp_path):
    """A folder of such a name."""
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def test_a_path_that_libraries_take(odd, tmp_path):
    (odd / "file").write_text("x")
    with utf8_path(odd) as path:
        assert path.isascii() and os.listdir(path) == ["file"]
    assert not os.path.lexists(path) and os.listdir(odd) == ["file"]
    with utf8_path(tmp_path) as path:
        assert path == str(tmp_path)


def test_a_report_shows_them(tfipgan, odd, tiny_world, tally):
    data = tiny_world / "target"
    for split, folder in (("query", "query"), ("gallery", "bounding_box_test")):
        copy = shutil.copytree(data / folder, odd / split)
        paths = [os.fspath(p.rename(f"{p}{ODD}.jpg")) for p in sorted(copy.iterdir())]
        ids = np.arange(len(paths)) % 3
        cameras = np.full(len(paths), split == "query", np.int64)
        features = FeatureSet(np.eye(len(paths), 9), ids, cameras, paths)
        features.save(odd / f"{split}.npz")
    words = [w for s in ("query", "gallery") for w in (f"--{s}", odd / f"{s}.npz")]
    out = odd / "figures"
    result = tfipgan("evaluate", *words, "--figures", out, "--json", odd / "all.json")
    assert result.exit_code == 0, result.output
    assert (odd / "all.json").is_file()
    page = (out / "report.html").read_text("utf-8")
    assert SHOWN in page and f"{SHOWN}.jpg" in page
    tally["odd names written"] += 1


def test_an_export_is_made_and_served(tfipgan, odd, tiny_reid_run, tally):
    from tfipgan.serving.servable import Servable

    out = odd / "models"
    words = ["export", "extractor", "--model", tiny_reid_run.path, "--out", out]
    result = tfipgan(*words)
    assert result.exit_code == 0, result.exception
    # A script can go on with what is printed.
    assert result.stdout_bytes == os.fsencode(out / "extractor" / "1") + b"\n"
    servable = Servable("extractor", 1, out / "extractor" / "1")
    assert "serving_default" in servable.signatures
    servable.close()
    tally["odd names written"] += 1


def test_a_run_logs_there(odd):
    log = MetricsLog(odd)
    log.write(1, {"loss": 0.5})
    log.close()
    assert read_metrics(odd / "metrics.jsonl") == [{"step": 1, "loss": 0.5}]
    assert [name.name for name in (odd / "tensorboard").iterdir()]


def test_a_dataset_has_a_digest(odd):
    (odd / ODD).touch()
    assert len(dataset_digest(odd)) == 32


def test_stdout_that_lacks_a_letter(tiny_world, tmp_path):
    """Shown escaped, not a traceback."""
    data = shutil.copytree(tiny_world / "target", tmp_path / "東京")
    done = subprocess.run(
        [sys.executable, "-m", "tfipgan.cli", "inspect", data],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u6771\\u4eac: market1501" in done.stdout


LONG = "n" * 250


@pytest.mark.parametrize(
    "words",
    [["evaluate", "--query", "q", "--gallery", "g", "--json"],
     ["evaluate", "--query", "q", "--gallery", "g", "--figures"],
     ["extract", "--model", "m", "--images", "i", "--out"],
     ["query", "extract", "i", "--out"],
     ["train-reid", "--config", "synthetic/ipgan", "--data", "d", "--out"]],
)  # fmt: skip
def test_a_long_name_is_found_first(refused, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    line = refused(1, *words, tmp_path / LONG)
    assert line == f"{LONG} is a name of 250 bytes, expected at most 242: shorten it"


def test_a_long_name_of_a_translation_is_found_first(
    refused, tiny_world, tmp_path, monkeypatch
):
    data = shutil.copytree(tiny_world / "source" / "bounding_box_train", tmp_path / "a")
    (tmp_path / "dataset.yaml").write_text(
        "train: a\npattern: (?P<person>[0-9]+)_c(?P<camera>[0-9])\n"
    )
    first = sorted(data.iterdir())[0]
    first.rename(data / f"0001_c1_{'n' * 240}.jpg")
    line = refused(
        1, "translate", "--method", "colour-map", "--source", tmp_path,
        "--target", tiny_world / "target", "--out", tmp_path / "out", "--no-progress",
    )  # fmt: skip
    assert "_to_c3.jpg is a name of 258 bytes, expected at most 255" in line
    assert sorted(os.listdir(tmp_path)) == ["a", "dataset.yaml"]


def test_a_working_folder_that_is_gone(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", code, sys.executable, "-m", "tfipgan.cli"]
    done = subprocess.run(
        [*words, "inspect", "data"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the working folder can't be used (No such")
