"""`tfipgan train-reid`: what it trains on, and that each option arrives."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfipgan.config import load_config
from tfipgan.data.datasets import read_images
from tfipgan.data.filenames import translated_name
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import load_reid_network, open_run
from tfipgan.training import reid
from tfipgan.translation.manifest import (
    TranslatedImage,
    file_digest,
    format_line,
    write_manifest,
)


@pytest.fixture
def settings(tiny_overrides):
    return [word for value in tiny_overrides for word in ("--set", value)]


@pytest.fixture
def translated(tiny_world, tmp_path):
    """Folder of the source's images, named as if translated to camera 2."""
    folder = tmp_path / "translated"
    folder.mkdir()
    for path in (tiny_world / "source" / "bounding_box_train").iterdir():
        shutil.copy(path, folder / translated_name(path.name, 2))
    return folder


@pytest.fixture
def called(monkeypatch):
    """The arguments that `reid.train_reid` was called with, and not run."""
    calls = SimpleNamespace()

    def note(config, samples, out, **options):
        calls.config, calls.samples, calls.options = config, samples, options
        return SimpleNamespace(path=out)

    monkeypatch.setattr(reid, "train_reid", note)
    return calls


def test_held_out_identities_choose_the_best_checkpoint(
    checkpoint_values,
    tfipgan,
    settings,
    tiny_world,
    translated,
    tmp_path,
    monkeypatch,
):
    """A whole run, on translated images."""
    # The first epoch is made the better one.
    scores, held_out = iter([0.9, 0.4]), []

    def score(network, validation, config):
        held_out.append({s.person_id for s in validation})
        assert {s.source_camera_id for s in validation} == {None}
        return next(scores)

    monkeypatch.setattr(reid, "held_out_map", score)
    settings += ["--set", "reid.held_out_identities=2"]
    out = tmp_path / "runs" / "reid"
    result = tfipgan(
        "train-reid", "--config", "synthetic/ipgan", *settings,
        "--data", tiny_world / "source", "--translated", translated, "--out", out,
        "--devices", "CPU:0",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert "train-reid: 100%" in result.stderr and "4/4" in result.stderr
    run = open_run(out, "reid")
    assert run.config == load_config("synthetic/ipgan", settings[1::2])
    assert held_out[0] == held_out[1] and len(held_out[0]) == 2
    assert set(run.labels.class_ids) == {1, 2, 3, 4, 5} - held_out[0]
    # 18 images are left: two steps of 8 in an epoch.
    records = read_metrics(out / "metrics.jsonl")
    maps = {r["step"]: r["held_out/mAP"] for r in records if "held_out/mAP" in r}
    assert maps == {2: 0.9, 4: 0.4}
    assert [p.name for p in run.best.glob("*/*")] == ["network.safetensors"]
    # The best is what other stages use.
    kernel = load_reid_network(run).head.classifier.kernel.numpy()
    best, last = map(checkpoint_values, (run.best, run.checkpoints))
    name = "network/head.classifier.kernel"
    np.testing.assert_array_equal(kernel, best[name])
    assert (kernel != last[name]).any()


def test_options_arrive(tfipgan, called, tiny_world, translated, tmp_path):
    data = tiny_world / "source"
    result = tfipgan(
        "train-reid", "--config", "synthetic/semantic", "--set", "reid.epochs=4",
        "--set", "reid.epochs=5", "--data", data, "--translated", translated,
        "--out", tmp_path / "x", "--devices", "GPU:0,GPU:1",
        "--cache-images", "1.5", "--resume",
        "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert called.config == load_config("synthetic/semantic", ["reid.epochs=5"])
    assert called.samples == list(read_images(data / "bounding_box_train"))
    assert called.options.pop("translated") == list(read_images(translated))
    assert called.options == {
        "left_out": {},
        "devices": ["GPU:0", "GPU:1"],
        "cache_gib": 1.5,
        "resume": True,
        "progress": False,
    }


def test_defaults(tfipgan, called, tiny_world, tmp_path):
    words = ["--config", "synthetic/semantic", "--data", tiny_world / "source"]
    assert tfipgan("train-reid", *words, "--out", tmp_path / "x").exit_code == 0
    assert called.options == {
        "translated": None,
        "left_out": {},
        "devices": None,
        "cache_gib": None,
        "resume": False,
        "progress": True,
    }


def test_two_datasets(tfipgan, called, tiny_world, tmp_path):
    """Each is recognised by itself: the first has names of DukeMTMC-reID's kind."""
    source = tiny_world / "source" / "bounding_box_train"
    names = [path.name for path in sorted(source.iterdir())]
    other = tmp_path / "other" / "bounding_box_train"
    other.mkdir(parents=True)
    for number, name in enumerate(names[:4]):
        shutil.copy(source / name, other / f"000{number}_c{number + 1}_f0000001.jpg")
    result = tfipgan(
        "train-reid", "--config", "synthetic/semantic", "--data", other.parent,
        "--data", tiny_world / "source", "--out", tmp_path / "x",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [s.dataset for s in called.samples] == [0] * 3 + [1] * 30
    # Of DukeMTMC-reID's kind, person 0 is a distractor.
    own = [(s.person_id, s.camera_id) for s in called.samples[:3]]
    assert own == [(1, 2), (2, 3), (3, 4)]
    assert called.options["translated"] is None


def test_two_translated_folders(
    tfipgan, refused, called, tiny_world, translated, tmp_path
):
    words = ["train-reid", "--config", "synthetic/semantic", "--out", tmp_path / "x"]
    words += ["--data", tiny_world / "source", "--data", tiny_world / "target"]
    words += ["--translated", translated]
    line = refused(1, *words)
    assert line.startswith("1 --translated with 2 --data: expected one for each data")
    again = tmp_path / "again"
    shutil.copytree(translated, again)
    (again / "0001_c1s1_009999_01_to_c2.jpg").write_bytes(b"")
    assert "can't be read (1 of 31)" in refused(1, *words, "--translated", again)
    result = tfipgan(*words, "--translated", again, "--skip-unreadable")
    assert result.exit_code == 0, result.output
    found = called.options["translated"]
    assert [s.dataset for s in found] == [0] * 30 + [1] * 30
    assert {Path(s.path).parent for s in found[30:]} == {again}
    assert called.options["left_out"].keys() == {
        str(again / "0001_c1s1_009999_01_to_c2.jpg")
    }
    assert [s.dataset for s in called.samples] == [0] * 30 + [1] * 30


def test_one_dataset_twice(refused, settings, tiny_world, tmp_path):
    data = tiny_world / "source"
    line = refused(
        1, "train-reid", "--config", "synthetic/semantic", *settings, "--data", data,
        "--data", data / "bounding_box_train", "--out", tmp_path / "x",
        "--devices", "CPU:0",
    )  # fmt: skip
    assert "--data number 1 and number 2 (30 such images)" in line
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("held_out", "left_out"), [(0, ["new.jpg"]), (2, ["new.jpg", "old.jpg"])]
)
def test_unreadable_images(
    tfipgan, refused, called, settings, tiny_world, translated, tmp_path, held_out,
    left_out,
):  # fmt: skip
    """The dataset's own images are read only to hold some out."""
    shutil.copytree(tiny_world / "source" / "bounding_box_train", tmp_path / "data")
    old = tmp_path / "data" / "0001_c1s1_009999_01.jpg"
    new = translated / "0001_c1s1_009999_01_to_c2.jpg"
    for path in (old, new):
        path.write_text("no image")
    words = [
        "train-reid", "--config", "synthetic/semantic", *settings,
        "--set", f"reid.held_out_identities={held_out}",
        "--data", tmp_path / "data", "--translated", translated,
        "--out", tmp_path / "x",
    ]  # fmt: skip
    assert f"{new} (not an image)" in refused(1, *words)
    result = tfipgan(*words, "--skip-unreadable")
    assert result.exit_code == 0, result.output
    expected = {"new.jpg": str(new), "old.jpg": str(old)}
    assert called.options["left_out"] == {
        expected[name]: "not an image" for name in left_out
    }
    assert len(called.options["translated"]) == 30
    assert len(called.samples) == (30 if held_out else 31)


def test_stray_names_are_left_out_and_listed(
    tfipgan, called, settings, tiny_world, translated, tmp_path
):
    shutil.copytree(tiny_world / "source" / "bounding_box_train", tmp_path / "data")
    stray = [tmp_path / "data" / "copy (1).jpg", translated / "copy (2).jpg"]
    for path in stray:
        path.write_bytes(b"")
    words = ["train-reid", "--config", "synthetic/semantic", *settings]
    words += ["--data", tmp_path / "data", "--translated", translated]
    result = tfipgan(*words, "--out", tmp_path / "x", "--skip-unreadable")
    assert result.exit_code == 0, result.output
    assert list(called.options["left_out"]) == list(map(str, stray))


@pytest.fixture
def listed(translated):
    """The translated folder with the manifest of a translation."""
    lines = []
    for path in sorted(translated.iterdir()):
        digest, size = file_digest(path), path.stat().st_size
        lines.append(TranslatedImage(path.name, "x.jpg", "0" * 64, 2, digest, size))
    (translated.parent / "lines").write_text("".join(map(format_line, lines)))
    header = {"model": {}, "images": len(lines)}
    write_manifest(
        translated / "manifest.jsonl", header, {}, [translated.parent / "lines"]
    )
    return translated


def test_a_translated_folder_as_its_manifest_says(
    tfipgan, refused, called, tiny_world, listed, tmp_path
):
    words = ["train-reid", "--config", "synthetic/semantic", "--out", tmp_path / "x"]
    words += ["--no-progress", "--data", tiny_world / "source", "--translated", listed]
    for more in ([], ["--verify-contents"], ["--skip-unreadable"]):
        result = tfipgan(*words, *more)
        assert result.exit_code == 0, result.output
        assert len(called.options["translated"]) == 30
    first, second, *_ = sorted(listed.glob("*.png")) or sorted(listed.glob("*.jpg"))
    # As long as before, and an image: the checksum alone tells.
    content = bytearray(first.read_bytes())
    content[-3] ^= 1
    first.write_bytes(content)
    assert tfipgan(*words).exit_code == 0
    line = refused(1, *words, "--verify-contents")
    assert f"images changed (1): {first.name}; translate again, or remove" in line
    second.unlink()
    vars(called).clear()
    for more in ([], ["--skip-unreadable"], ["--resume"]):
        assert f"images missing (1): {second.name}; " in refused(1, *words, *more)
    # As the dataset itself it is no other.
    line = refused(1, *words[:-4], "--data", listed)
    assert f"images missing (1): {second.name}; " in line
    assert not vars(called)


def test_contents_that_nothing_lists(
    tfipgan, refused, tiny_world, translated, tmp_path
):
    words = ["train-reid", "--config", "synthetic/semantic", "--out", tmp_path / "x"]
    words += ["--data", tiny_world / "source", "--verify-contents"]
    result = tfipgan(*words)
    assert result.exit_code == 2 and "is for --translated" in result.stderr
    line = refused(1, *words, "--translated", translated)
    assert line.startswith(f"{translated} has no manifest.jsonl; expected a folder")


def test_names_of_ones_own(tfipgan, called, tiny_world, tmp_path):
    """The pattern is for the translated images too; person 0 may be a person."""
    source = sorted((tiny_world / "source" / "bounding_box_train").iterdir())
    for number, path in enumerate(source[:4]):
        name = f"cam{number % 2}/p{number // 2}-{number}.jpg"
        for place in (f"own/train/{name}", f"new/{translated_name(name, 9)}"):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / place)
    result = tfipgan(
        "train-reid", "--config", "synthetic/semantic", "--data", tmp_path / "own",
        "--pattern", r"cam(?P<camera>\d)/p(?P<person>\d)-",
        "--translated", tmp_path / "new", "--out", tmp_path / "x",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert sorted(s.person_id for s in called.samples) == [0, 0, 1, 1]
    assert [
        (s.person_id, s.camera_id, s.source_camera_id)
        for s in called.options["translated"]
    ] == [(0, 9, 0), (1, 9, 0), (0, 9, 1), (1, 9, 1)]


def test_a_classifier_of_cameras(
    tfipgan, refused, called, tiny_world, translated, tmp_path
):
    """Of images with cameras and no identities; of real ones alone."""
    images = sorted((tiny_world / "target" / "bounding_box_train").iterdir())
    for number, path in enumerate(images[:4]):
        place = tmp_path / "mine" / f"gate{number % 2 + 4}" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    words = [
        "train-reid", "--config", "synthetic/semantic", "--data", tmp_path / "mine",
        "--pattern", r"gate(?P<camera>\d)/", "--out", tmp_path / "x",
        "--set", "reid.labels=camera",
    ]  # fmt: skip
    result = tfipgan(*words)
    assert result.exit_code == 0, result.output
    assert [s.camera_id for s in called.samples] == [4, 4, 5, 5]
    line = refused(1, *words, "--translated", translated)
    assert "leave out --translated, or set reid.labels=person" in line
    # The same images can't be told apart as people.
    assert "have no identity" in refused(1, *words, "--set", "reid.labels=person")


def test_translated_images_of_strangers(refused, settings, tiny_world, tmp_path):
    (tmp_path / "new").mkdir()
    for path in sorted(Path(tiny_world / "source" / "query").iterdir())[:2]:
        shutil.copy(path, tmp_path / "new" / translated_name(path.name, 1))
    line = refused(
        1, "train-reid", "--config", "synthetic/semantic", *settings,
        "--set", "reid.batch_size=2", "--data", tiny_world / "source",
        "--translated", tmp_path / "new", "--out", tmp_path / "x",
        "--devices", "CPU:0",
    )  # fmt: skip
    assert "is not among the 5 identities" in line
    assert not (tmp_path / "x").exists()
