"""Run folders: made once, opened as what they are, and damaged ones named in a line."""

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tfipgan import __version__
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import ConfigError, InputError
from tfipgan.files.tensor_file import load_arrays
from tfipgan.runs.run import (
    create_run,
    load_discriminator,
    load_generator,
    load_reid_network,
    load_reid_network_and_checkpoint,
    load_translator,
    open_run,
    require_camera_classifier,
    require_classifier,
)
from tfipgan.weights.checkpoints import save_checkpoint
from tfipgan.weights.fingerprint import weights_digest
from tfipgan.weights.variables import named_weights

LABELS = LabelMap((2, 5, 9))
DOMAINS = DomainMap((1, 4))


@pytest.fixture
def reid_copy(tiny_reid_run, tmp_path):
    """Path of a copy of the tiny re-ID run, to be damaged."""
    return shutil.copytree(tiny_reid_run.path, tmp_path / "reid")


@pytest.fixture
def gan_copy(tiny_gan_run, tmp_path):
    return shutil.copytree(tiny_gan_run.path, tmp_path / "gan")


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def one_line(error):
    return "\n" not in str(error.value)


def test_create_and_open(tiny_config, tmp_path):
    reid = create_run(tmp_path / "a" / "reid", "reid", tiny_config, labels=LABELS)
    gan = create_run(tmp_path / "gan", "gan", tiny_config, domains=DOMAINS)
    assert sorted(p.name for p in reid.path.iterdir()) == [
        "config.yaml", "labels.json", "run.json",
    ]  # fmt: skip
    assert sorted(p.name for p in gan.path.iterdir()) == [
        "config.yaml", "domains.json", "run.json",
    ]  # fmt: skip
    assert open_run(reid.path, "reid") == reid
    assert open_run(str(gan.path), "gan") == gan
    assert (gan.config, gan.labels, gan.domains) == (tiny_config, None, DOMAINS)
    about = json.loads((gan.path / "run.json").read_text())
    assert about["kind"] == "gan" and about["tfipgan"] == __version__
    assert about["tensorflow"] == tf.__version__ and "keras" in about


def test_an_empty_folder_is_as_good_as_none(tiny_config, tmp_path):
    create_run(tmp_path, "reid", tiny_config, labels=LABELS)


def test_what_is_there_stays(tiny_config, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    for path in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match="exists and is not empty; .* --resume"):
            create_run(path, "reid", tiny_config, labels=LABELS)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_a_run_is_there_as_a_whole_or_not_at_all(tiny_config, tmp_path):
    def fail(aside):
        (aside / "more.json").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        create_run(
            tmp_path / "run", "reid", tiny_config, labels=LABELS, write_extra=fail
        )
    assert list(tmp_path.iterdir()) == []


def test_not_a_run(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no run.json.* `tfipgan train-gan`") as e:
            open_run(path, "gan")
        assert str(path) in str(e.value) and one_line(e)


def test_another_kind_of_run(tiny_reid_run, tiny_gan_run):
    with pytest.raises(InputError, match="'reid', expected 'gan': .* train-gan"):
        open_run(tiny_reid_run.path, "gan")
    with pytest.raises(InputError, match="'gan', expected 'reid': .* train-reid"):
        open_run(tiny_gan_run.path, "reid")


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"tfipgan": "1"}', "3"])
def test_a_damaged_run_json(reid_copy, content):
    (reid_copy / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json is damaged \(.*a kind$") as error:
        open_run(reid_copy, "reid")
    assert one_line(error)


def test_damaged_small_files(reid_copy, gan_copy):
    (reid_copy / "labels.json").write_text("[")
    with pytest.raises(InputError, match=r"labels\.json is damaged"):
        open_run(reid_copy, "reid")
    (gan_copy / "domains.json").unlink()
    with pytest.raises(InputError, match=r"domains\.json not found"):
        open_run(gan_copy, "gan")
    edit(gan_copy / "config.yaml", "n_critic:", "critics:")
    with pytest.raises(ConfigError, match="unknown key gan.critics"):
        open_run(gan_copy, "gan")
    (gan_copy / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config\.yaml not found"):
        open_run(gan_copy, "gan")


def test_what_a_classifier_tells_apart(tiny_config, tmp_path):
    cameras = replace(tiny_config, reid=replace(tiny_config.reid, labels="camera"))
    two = replace(LABELS, datasets=((2, 5), (2, 3, 5, 8)))
    named = {
        "person": create_run(tmp_path / "a", "reid", tiny_config, labels=LABELS),
        "camera": create_run(tmp_path / "b", "reid", cameras, labels=LABELS),
        "none": create_run(tmp_path / "c", "reid", cameras, imported="net.pth"),
        "people of two": create_run(tmp_path / "d", "reid", tiny_config, labels=two),
        "cameras of two": create_run(tmp_path / "e", "reid", cameras, labels=two),
    }
    assert require_classifier(named["person"]) == LABELS
    assert require_camera_classifier(named["camera"]) == LABELS
    for require, kind, words in (
        (require_classifier, "camera", "no identities: .* reid.labels person$"),
        (require_camera_classifier, "person", "no cameras: .* reid.labels camera$"),
        (require_classifier, "none", "imported from net.pth and can tell no identi"),
        (require_camera_classifier, "none", "from net.pth and can tell no cameras"),
        (require_classifier, "people of two", "on 2 datasets, whose identities it ke"),
        (require_camera_classifier, "cameras of two", "2 datasets, whose cameras it "),
    ):
        with pytest.raises(InputError, match=words) as error:
            require(named[kind])
        assert one_line(error) and str(named[kind].path) in str(error.value)


def test_the_networks_of_a_run(tiny_gan_run, tiny_network, checkpoint_values):
    generator = load_generator(tiny_gan_run)
    saved = checkpoint_values(tiny_gan_run.checkpoints)
    for name, network in (
        ("generator", generator),
        ("discriminator", load_discriminator(tiny_gan_run)),
    ):
        named = named_weights(network)
        assert len(named) == len(network.variables) > 5
        for weight, variable in named.items():
            np.testing.assert_array_equal(saved[f"{name}/{weight}"], variable.numpy())
    images = tf.zeros((2, 32, 16, 3))
    assert generator((images, tf.one_hot([0, 3], 4))).shape == images.shape
    network = tiny_network
    assert network(images).shape == (2, 5)
    # Not the freshly made network's.
    assert (network.backbone.stem_norm.moving_variance.numpy() != 1.0).any()


def test_the_translator_of_a_run(tiny_gan_run):
    translator, generator = load_translator(tiny_gan_run), load_generator(tiny_gan_run)
    assert translator.cameras == (1, 2, 3) == tiny_gan_run.domains.cameras
    assert translator.image_size == (32, 16) == tiny_gan_run.config.gan.image_size
    (network,) = translator.networks
    assert weights_digest(network) == weights_digest(generator)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 16, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        translator(images, np.array([2, 0], np.int32)),
        generator((images, tf.constant([[0.0, 0, 1, 0], [1, 0, 0, 0]]))),
    )


def test_no_checkpoint(reid_copy, gan_copy):
    shutil.rmtree(reid_copy / "checkpoints")
    with pytest.raises(InputError, match="has no checkpoint; .* at least one epoch"):
        load_reid_network(open_run(reid_copy, "reid"))
    for path in (gan_copy / "checkpoints").iterdir():
        shutil.rmtree(path)
    with pytest.raises(InputError, match="has no checkpoint"):
        load_generator(open_run(gan_copy, "gan"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  fc_units: 8\n", "  fc_units: 9\n"),
        ("  depth: 18\n", "  depth: 34\n"),
        ("  ibn: none\n", "  ibn: b\n"),
    ],
)
def test_a_checkpoint_of_another_network(reid_copy, old, new):
    edit(reid_copy / "config.yaml", old, new)
    with pytest.raises(InputError, match="00006 does not fit the network") as error:
        load_reid_network(open_run(reid_copy, "reid"))
    assert one_line(error)


def test_a_checkpoint_of_other_people_or_cameras(reid_copy, gan_copy):
    LabelMap((1, 2, 3, 4, 5, 6)).save(reid_copy / "labels.json")
    with pytest.raises(InputError, match="does not fit"):
        load_reid_network(open_run(reid_copy, "reid"))
    DOMAINS.save(gan_copy / "domains.json")
    with pytest.raises(InputError, match="00014 does not fit") as error:
        load_generator(open_run(gan_copy, "gan"))
    assert one_line(error)


def test_a_damaged_checkpoint(gan_copy, caplog):
    """The one before is used, with a warning; the run is not changed."""

    def damage(step):
        data = gan_copy / "checkpoints" / f"step-{step}" / "generator.safetensors"
        data.write_bytes(data.read_bytes()[:100])

    run = open_run(gan_copy, "gan")
    damage("00000014")
    before = sorted(gan_copy.rglob("*"))
    with caplog.at_level(logging.WARNING):
        generator = load_generator(run)
    (line,) = (record.getMessage() for record in caplog.records)
    assert "step-00000014/generator.safetensors is damaged" in line
    assert line.endswith("; going back to step-00000007")
    assert sorted(gan_copy.rglob("*")) == before
    arrays, _ = load_arrays(run.checkpoints / "step-00000007/generator.safetensors")
    for name, variable in named_weights(generator).items():
        np.testing.assert_array_equal(variable.numpy(), arrays[name])
    damage("00000007")
    with pytest.raises(InputError, match="no checkpoint that is whole; .*00014/") as e:
        load_generator(run)
    assert one_line(e)


def test_the_last_checkpoint_does_not_stand_in_for_a_damaged_best(reid_copy):
    run = open_run(reid_copy, "reid")
    path = save_checkpoint(run.best, 3, {"network": load_reid_network(run)})
    (path / "network.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="best has no checkpoint that is whole"):
        load_reid_network(run)


def test_the_best_checkpoint_goes_before_the_last(reid_copy, tiny_reid_run):
    run = open_run(reid_copy, "reid")
    network = load_reid_network(run)
    network.head.classifier.bias.assign([1.0, 2.0, 3.0, 4.0, 5.0])
    save_checkpoint(run.best, 3, {"network": network})
    best, checkpoint = load_reid_network_and_checkpoint(run)
    np.testing.assert_array_equal(best.head.classifier.bias, [1, 2, 3, 4, 5])
    assert checkpoint == run.best / "step-00000003"


def test_small_files_that_an_editor_gave_a_mark(reid_copy):
    """Some of Windows begin what they save with a byte order mark."""
    for name in ("run.json", "labels.json", "config.yaml"):
        path = reid_copy / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    run = open_run(reid_copy, "reid")
    assert run.config.reid.image_size == (32, 16) and len(run.labels) == 5
