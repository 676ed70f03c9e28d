"""CamStyle: a CycleGAN to each camera, made, gone on with and used as one run."""

import json
import logging
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.labels import WHOLE_TARGET
from tfipgan.errors import InputError
from tfipgan.files.tensor_file import load_arrays
from tfipgan.runs.run import (
    generator_runs,
    load_discriminator,
    load_generator,
    load_translator,
    open_run,
)
from tfipgan.training import camstyle as module
from tfipgan.training import runner
from tfipgan.training.camstyle import train_camstyle
from tfipgan.training.cyclegan import train_cyclegan
from tfipgan.translation.manifest import read_manifest
from tfipgan.weights.fingerprint import weights_digest

QUIET = {"devices": ["CPU:0"], "progress": False}
# Two epochs of 30 source images, 4 in a batch; a camera of the target has fewer.
STEPS = 14


def camstyle(config, **values):
    gan = {
        "method": "camstyle",
        "lambda_semantic": 0,
        "target_domains": "cameras",
        "conditioning": "planes",
        "num_layers": 2,
        "pool_size": 6,
    }
    return replace(config, gan=replace(config.gan, **gan | values))


@pytest.fixture(scope="module")
def run(tiny_config, tiny_samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("camstyle") / "run"
    return train_camstyle(camstyle(tiny_config), *tiny_samples, path, **QUIET)


def contents(folder):
    """What is in all files below a folder, but TensorBoard's; of tensors the values."""
    return {
        str(path.relative_to(folder)): _arrays(path)
        if path.suffix == ".safetensors"
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tensorboard" not in path.parts
    }


def _arrays(path):
    # Their order, and that of the metadata, is any.
    return {name: array.tobytes() for name, array in load_arrays(path)[0].items()}


def test_each_camera_has_a_whole_run(run, tiny_config, tiny_samples, tmp_path):
    assert run.domains.cameras == (1, 2, 3)
    assert open_run(run.path, "gan") == run
    assert sorted(path.name for path in run.path.glob("camera_*")) == [
        "camera_01", "camera_02", "camera_03",
    ]  # fmt: skip
    for camera, own in zip((1, 2, 3), generator_runs(run), strict=True):
        assert own.domains.cameras == (WHOLE_TARGET,)
        assert own.config.gan.method == "cyclegan"
        assert (own.path / "samples" / "epoch_0002.png").exists()
        images = json.loads((own.path / "images.json").read_bytes())
        assert {row[2] for row in images["target"]} == {WHOLE_TARGET}
        count = sum(sample.camera_id == camera for sample in tiny_samples[1])
        assert len(images["source"]) == 30 and len(images["target"]) == count
        assert all(f"_c{camera}s" in row[0] for row in images["target"])
        assert (own.checkpoints / f"step-{STEPS:08d}").is_dir()
    # As a CycleGAN alone, on the images of that camera.
    config = camstyle(tiny_config, method="cyclegan", target_domains="one")
    third = [s for s in tiny_samples[1] if s.camera_id == 3]
    alone = train_cyclegan(config, tiny_samples[0], third, tmp_path / "run", **QUIET)
    got, right = load_generator(alone), load_generator(generator_runs(run)[2])
    assert weights_digest(got) == weights_digest(right)


def test_the_translator_takes_the_camera_s_own_network(run):
    translator = load_translator(run)
    assert translator.cameras == (1, 2, 3) and translator.image_size == (32, 16)
    generators = [load_generator(own) for own in generator_runs(run)]
    assert weights_digest(*translator.networks) == weights_digest(*generators)
    assert len({weights_digest(generator) for generator in generators}) == 3
    images = tf.random.stateless_uniform((5, 32, 16, 3), (1, 2), -1, 1)
    places = [2, 0, 2, 2, 0]
    made = translator(images, tf.constant(places))
    for row, place in enumerate(places):
        right = generators[place]((images[row : row + 1], tf.zeros((1, 0))))
        np.testing.assert_allclose(made[row], right[0], rtol=1e-4, atol=1e-5)


def test_what_was_killed_goes_on_and_what_is_whole_is_left(
    run, tiny_config, tiny_samples, tmp_path
):
    """Killed within the second camera's training, before the third's."""
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    shutil.rmtree(path / "camera_03")
    shutil.rmtree(path / "camera_02" / "checkpoints" / f"step-{STEPS:08d}")
    before = {p: p.stat().st_mtime_ns for p in (path / "camera_01").rglob("*.saf*")}
    line = "no network for camera 3 yet .*camera_03.*train-gan. with --resume goes on"
    with pytest.raises(InputError, match=line):
        load_translator(open_run(path, "gan"))
    config = camstyle(tiny_config)
    train_camstyle(config, *tiny_samples, path, resume=True, **QUIET)
    assert before and all(p.stat().st_mtime_ns == t for p, t in before.items())
    got, expected = contents(path), contents(run.path)
    assert got.keys() == expected.keys()
    assert not [name for name in expected if got[name] != expected[name]]


def test_a_signal_in_a_camera_s_last_step_is_not_lost(
    tiny_config, tiny_samples, tmp_path, monkeypatch
):
    signals = iter([None] * (STEPS - 1) + [signal.SIGTERM])
    monkeypatch.setattr(runner, "_agreed_signal", lambda team, stop: next(signals))
    with pytest.raises(SystemExit) as end:
        path = tmp_path / "run"
        train_camstyle(camstyle(tiny_config), *tiny_samples, path, **QUIET)
    assert end.value.code == 128 + signal.SIGTERM
    assert (path / "camera_01" / "checkpoints" / f"step-{STEPS:08d}").is_dir()
    assert not (path / "camera_02").exists()


def test_what_can_t_be_trained_leaves_no_folder(
    tiny_config, tiny_samples, tmp_path, monkeypatch
):
    source, target = tiny_samples
    few = [s for s in target if s.camera_id != 2]
    few += [s for s in target if s.camera_id == 2][:3]

    def refused(samples, line, **options):
        with pytest.raises(InputError, match=line):
            train_camstyle(
                camstyle(tiny_config), *samples, tmp_path / "run", **QUIET | options
            )
        assert not (tmp_path / "run").exists()

    refused((source, few), "^camera 2 of the target has 3 training images, but one s")
    refused((source, target), "split over 3|does not split|CPU:7", devices=["CPU:7"])
    refused((source, target), "GiB", cache_gib=1e-9)
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}}
    cluster["task"] = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    refused((source, target), "in one process, found several workers in TF_CONFIG")


def test_another_run_is_not_gone_on_with(run, tiny_config, tiny_samples, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    other = camstyle(tiny_config, learning_rate=3e-3)
    line = "run is a run with another config .gan.learning_rate is"
    with pytest.raises(InputError, match=line):
        train_camstyle(other, *tiny_samples, path, resume=True, **QUIET)
    assert contents(path) == contents(run.path)
    with pytest.raises(InputError, match="--resume"):
        train_camstyle(camstyle(tiny_config), *tiny_samples, path, **QUIET)
    assert contents(path) == contents(run.path)


def test_one_generator_is_not_to_be_had(run):
    for load in (load_generator, load_discriminator):
        with pytest.raises(InputError, match="such as .*camera_01") as error:
            load(run)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"lambda_semantic": 1.0}, "gan.lambda_semantic: expected 0 with .*camstyle"),
        ({"target_domains": "one"}, "gan.target_domains: expected cameras with gan.m"),
        ({"generator_weights": "run"}, "gan.generator_weights: expected none with"),
    ],
)
def test_options_that_are_not_its_own(tiny_config, values, expected):
    with pytest.raises(InputError, match=expected):
        camstyle(tiny_config, **values)


# ----------------------------------------------------------------- what is made with it


def test_a_translated_folder(run, tiny_world, tfipgan, tmp_path):
    source, out = tiny_world / "source", tmp_path / "images"
    words = ("--model", run.path, "--source", source)
    made = tfipgan("translate", *words, "--out", out, "--no-progress")
    assert made.exit_code == 0, made.output
    assert made.stdout == "90 images, 3 for each source image\n"
    header = read_manifest(out).header
    networks = load_translator(run).networks
    assert header["model"] == {
        "run": "run",
        "step": [STEPS] * 3,
        "generator": weights_digest(*networks),
    }
    checked = tfipgan("translate", "--verify", out, *words, "--no-progress")
    assert checked.stdout.endswith("its model: all as the manifest says\n")
    # Of other networks: those of two cameras changed places.
    other = tmp_path / "run"
    shutil.copytree(run.path, other)
    (other / "camera_01").rename(other / "camera_04")
    (other / "camera_02").rename(other / "camera_01")
    (other / "camera_04").rename(other / "camera_02")
    words = ("--model", other)
    checked = tfipgan("translate", "--verify", out, *words, "--no-progress")
    assert checked.exit_code == 1 and checked.stdout == f"{other} has other weights\n"


def test_an_export_has_all_cameras(run, tfipgan, tmp_path):
    """Compared with the networks before it has its number."""
    made = tfipgan("export", "translator", "--model", run.path, "--out", tmp_path)
    assert made.exit_code == 0, made.output
    folder = tmp_path / "translator" / "1"
    about = json.loads((folder / "assets.extra" / "tfipgan.json").read_bytes())
    assert about["cameras"] == [1, 2, 3] and about["run"] == "run"
    assert about["checkpoint"] == [f"step-{STEPS:08d}"] * 3
    assert about["config"]["gan"]["method"] == "camstyle"
    tensor = tf.saved_model.load(str(folder)).signatures["tensor"]
    images = tf.random.stateless_uniform((2, 32, 16, 3), (1, 2), -1, 1)
    answer = tensor(images=images, camera=tf.constant([3, 1]))["images"]
    right = load_translator(run)(images, tf.constant([2, 0]))
    np.testing.assert_allclose(answer, right, atol=1e-5)
    none = tensor(images=images[:0], camera=tf.zeros((0,), tf.int32))["images"]
    assert none.shape == (0, 32, 16, 3)


def test_weights_of_it_are_refused(run, refused, tiny_world, tmp_path, tiny_overrides):
    words = [w for value in tiny_overrides for w in ("--set", value)]
    line = refused(
        1, "train-gan", "--config", "synthetic/stargan", *words,
        "--set", f"gan.generator_weights={run.path}",
        "--source", tiny_world / "source", "--target", tiny_world / "target",
        "--out", tmp_path / "run", "--no-progress",
    )  # fmt: skip
    assert "has networks for each camera (gan.method camstyle)" in line


def test_the_command_trains_it(tiny_world, tfipgan, tmp_path, monkeypatch):
    given = {}

    def train(config, source, target, out, **options):
        given.update(config=config, sizes=(len(source), len(target)), **options)
        return SimpleNamespace(path=out)

    monkeypatch.setattr(module, "train_camstyle", train)
    words = "--source", tiny_world / "source", "--target", tiny_world / "target"
    words += "--config", "synthetic/camstyle", "--out", tmp_path / "run", "--resume"
    made = tfipgan("train-gan", *words)
    assert made.exit_code == 0 and made.stdout == f"{tmp_path / 'run'}\n"
    assert given["config"].gan.method == "camstyle" and given["resume"]
    assert given["sizes"] == (30, 30)


@pytest.mark.slow
def test_by_command_line(tiny_world, tfipgan, tiny_overrides, tmp_path, caplog):
    """The method's config, as far as the first camera; the rest is a resumed run's."""
    words = [w for value in tiny_overrides for w in ("--set", value)]
    words += ["--set", "gan.num_layers=2", "--set", "gan.constant_epochs=0"]
    command = [
        "train-gan", "--config", "synthetic/camstyle", *words,
        "--source", tiny_world / "source", "--target", tiny_world / "target",
        "--out", tmp_path / "run",
    ]  # fmt: skip
    with caplog.at_level(logging.INFO):
        made = tfipgan(*command)
    assert made.exit_code == 0, made.output
    assert made.stdout == f"{tmp_path / 'run'}\n"
    assert "train-gan, camera 3" in made.stderr
    again = tfipgan(*command, "--resume", "--no-progress")
    assert again.exit_code == 0 and again.stdout == made.stdout
