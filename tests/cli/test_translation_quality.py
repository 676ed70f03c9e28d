"""`tfipgan translation-quality` on the tiny world, with a classifier of its cameras."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfipgan.config import load_config
from tfipgan.data.datasets import read_dataset, read_images
from tfipgan.evaluation.features import classes_and_features
from tfipgan.evaluation.kernel_distance import kernel_distance
from tfipgan.evaluation.sharpness import image_energies
from tfipgan.runs.run import load_reid_network, open_run


@pytest.fixture(scope="module")
def classifier(tfipgan, tiny_overrides, tiny_world, tmp_path_factory):
    """Path of a run of train-reid with reid.labels=camera on the tiny target."""
    out = tmp_path_factory.mktemp("runs") / "cameras"
    values = [*tiny_overrides, "reid.labels=camera"]
    result = tfipgan(
        "train-reid", "--config", "synthetic/semantic",
        *[word for value in values for word in ("--set", value)],
        "--data", tiny_world / "target", "--out", out, "--devices", "CPU:0",
        "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def translated(tfipgan, tiny_gan_run, tiny_world, tmp_path_factory):
    """Folder of the tiny source, translated."""
    out = tmp_path_factory.mktemp("translated") / "out"
    words = ["--model", tiny_gan_run.path, "--source", tiny_world / "source"]
    assert tfipgan("translate", *words, "--out", out).exit_code == 0
    return out


@pytest.fixture
def words(classifier, translated, tiny_world):
    """Function of changes: the words of a command line that would run without them."""

    def line(*more, **changes):
        given = {
            "translated": translated,
            "target": tiny_world / "target",
            "classifier": classifier,
        }
        options = (given | changes).items()
        pairs = [w for name, value in options for w in (f"--{name}", value)]
        return ["translation-quality", *pairs, "--no-progress", *more]

    return line


def test_the_numbers(tfipgan, words, classifier, translated, tiny_world, tmp_path):
    path = tmp_path / "new" / "quality.json"
    result = tfipgan(*words("--json", path, source=tiny_world / "source"))
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    network = load_reid_network(open_run(classifier, "reid"))
    target = read_dataset(tiny_world / "target")
    source = read_dataset(tiny_world / "source").train

    def measured(samples, camera=None):
        own = [s for s in samples if camera in (None, s.camera_id)]
        return classes_and_features(network, own, (32, 16), 7)

    people = [
        s
        for s in (*target.query, *target.gallery)
        if s.person_id != -1 and not s.distractor
    ]
    _, untranslated = measured(source)
    for label, values in enumerate(found["cameras"]):
        camera = label + 1
        classes, made = measured(read_images(translated), camera)
        _, real = measured(target.train, camera)
        held_out, others = measured(people, camera)
        energies = np.divide(
            *(
                image_energies(
                    [s for s in one if s.camera_id == camera], (32, 16)
                ).mean(axis=0)
                for one in (read_images(translated), target.train)
            )
        )
        assert values == {
            "camera": camera,
            "images": 30,
            "accuracy": np.mean(classes == label),
            "real_images": len(held_out),
            "real_accuracy": np.mean(held_out == label),
            "distance": pytest.approx(kernel_distance(made, real)),
            "source_distance": pytest.approx(kernel_distance(untranslated, real)),
            "floor": pytest.approx(kernel_distance(others, real)),
            "sharpness": pytest.approx(energies[0]),
            "fine": pytest.approx(energies[1]),
        }
    assert list(found) == [
        "accuracy", "real_accuracy", "distance", "source_distance", "floor",
        "sharpness", "fine", "cameras",
    ]  # fmt: skip
    assert len(found["cameras"]) == 3 and 0 <= found["accuracy"] <= 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "camera", "images", "accuracy", "real", "images", "real", "accuracy",
        "distance", "source", "distance", "floor", "sharpness", "fine",
    ]  # fmt: skip
    last = found["cameras"][-1]
    assert lines[-2].split() == [
        "3", "30", f"{last['accuracy']:.3f}", str(last["real_images"]),
        f"{last['real_accuracy']:.3f}", f"{last['distance']:.3f}",
        f"{last['source_distance']:.3f}", f"{last['floor']:.3f}",
        f"{last['sharpness']:.3f}", f"{last['fine']:.3f}",
    ]  # fmt: skip
    assert lines[-1].split()[:3] == ["all", "-", f"{found['accuracy']:.3f}"]


def test_a_target_that_is_a_folder_of_cameras(tfipgan, words, tiny_world, tmp_path):
    """No query, no gallery, no identities: there is nothing held out."""
    images = sorted((tiny_world / "target" / "bounding_box_train").iterdir())
    for number, path in enumerate(images):
        camera = path.name.split("_c")[1][0]
        place = tmp_path / "mine" / f"gate{camera}" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    path = tmp_path / "quality.json"
    given = ["--json", path, "--target-pattern", r"gate(?P<camera>\d)/"]
    result = tfipgan(*words(*given, target=tmp_path / "mine"))
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert found["real_accuracy"] is found["floor"] is found["source_distance"] is None
    whole = tmp_path / "whole.json"
    assert tfipgan(*words("--json", whole)).exit_code == 0
    for name in ("accuracy", "distance"):
        expected = json.loads(whole.read_text())[name]
        assert found[name] == pytest.approx(expected)


def test_the_classifier(classifier, tiny_overrides):
    run = open_run(classifier, "reid")
    assert run.labels.class_ids == (1, 2, 3)
    values = [*tiny_overrides, "reid.labels=camera"]
    assert run.config == load_config("synthetic/semantic", values)
    rows = json.loads((classifier / "images.json").read_text())["data"]
    assert all(person == camera for _, person, camera in rows) and len(rows) == 30


def test_a_classifier_of_identities(refused, words, tiny_reid_run):
    line = refused(1, *words(classifier=tiny_reid_run.path))
    assert "reid.labels person and can tell no cameras: give a run" in line


def test_a_classifier_of_cameras_elsewhere(
    refused, classifier, tiny_world, tiny_overrides, tmp_path
):
    images = tiny_world / "target" / "bounding_box_train"
    words = ["identity-accuracy", "--classifier", classifier, "--images", images]
    expected = "reid.labels camera and can tell no identities: give a run"
    assert expected in refused(1, *words)
    line = refused(
        1, "train-gan", "--config", "synthetic/ipgan",
        *[word for value in tiny_overrides for word in ("--set", value)],
        "--source", tiny_world / "source", "--target", tiny_world / "target",
        "--semantic", classifier, "--out", tmp_path / "out", "--no-progress",
    )  # fmt: skip
    assert expected in line and not (tmp_path / "out").exists()


def test_images_that_are_not_translated(refused, words, tiny_world):
    images = tiny_world / "source" / "bounding_box_train"
    assert "is not a translated image" in refused(1, *words(translated=images))


def test_a_folder_that_is_not_there(refused, words, tmp_path):
    for option in ("translated", "target", "classifier", "source"):
        line = refused(1, *words(**{option: tmp_path / "nowhere"}))
        assert str(tmp_path / "nowhere") in line


def test_a_classifier_without_a_checkpoint(refused, words, classifier, tmp_path):
    copy = shutil.copytree(classifier, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints")
    assert "has no checkpoint" in refused(1, *words(classifier=copy))


def test_unreadable_images(tfipgan, refused, words, translated, tmp_path, caplog):
    copy = shutil.copytree(translated, tmp_path / "copy")
    sorted(copy.glob("*.jpg"))[0].write_bytes(b"")
    path = tmp_path / "quality.json"
    line = refused(1, *words("--json", path, translated=copy))
    assert "images changed (1): " in line and not path.exists()
    given = ["--json", path, "--skip-unreadable"]
    with caplog.at_level(logging.WARNING):
        result = tfipgan(*words(*given, translated=copy))
    assert result.exit_code == 0, result.output
    assert "left out images that can't be read (1 of 90): " in caplog.text
    found = json.loads(path.read_text())
    assert [camera["images"] for camera in found["cameras"]] == [29, 30, 30]


def test_a_translated_folder_that_lacks_some(refused, words, translated, tmp_path):
    copy = Path(shutil.copytree(translated, tmp_path / "copy"))
    gone = sorted(copy.glob("*.jpg"))[0]
    gone.unlink()
    line = refused(1, *words(translated=copy))
    assert line.startswith(f"{copy} is not as its manifest.jsonl says: images missing")
    line = refused(1, *words(source=copy))
    assert f"images missing (1): {gone.name}; translate again" in line
