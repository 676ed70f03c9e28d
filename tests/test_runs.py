"""Run folders: made once, opened as what they are, and damaged ones named in a line."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tfipgan import __version__
from tfipgan.checkpoints import save_checkpoint
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import ConfigError, InputError
from tfipgan.runs import (
    create_run,
    load_discriminator,
    load_generator,
    load_reid_network,
    open_run,
    start_run,
)
from tfipgan.variables import named_weights

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


@pytest.mark.parametrize("resume", [False, True])
def test_what_is_there_stays(tiny_config, tmp_path, resume):
    (tmp_path / "mine.txt").write_text("x")
    for path in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match="exists and is not empty; .* --resume"):
            start_run(path, "reid", tiny_config, labels=LABELS, resume=resume)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_only_resuming_opens_a_run(tiny_config, tmp_path):
    made = start_run(tmp_path / "r", "gan", tiny_config, domains=DOMAINS, resume=True)
    assert open_run(tmp_path / "r", "gan") == made
    with pytest.raises(InputError, match="exists and is not empty"):
        start_run(tmp_path / "r", "gan", tiny_config, domains=DOMAINS)
    again = start_run(tmp_path / "r", "gan", tiny_config, domains=DOMAINS, resume=True)
    assert again == made


def test_resuming_another_run_is_refused(tiny_config, tmp_path):
    create_run(tmp_path / "gan", "gan", tiny_config, domains=DOMAINS)
    create_run(tmp_path / "reid", "reid", tiny_config, labels=LABELS)
    other = replace(tiny_config, seed=tiny_config.seed + 1)
    for name, config, maps, match in (
        ("gan", other, {"domains": DOMAINS}, "another config; --resume goes on"),
        ("gan", tiny_config, {"domains": DomainMap((1, 5))}, "another cameras"),
        ("reid", tiny_config, {"labels": LabelMap((2, 5))}, "another identities"),
    ):
        with pytest.raises(InputError, match=match):
            start_run(tmp_path / name, name, config, **maps, resume=True)
    with pytest.raises(InputError, match="of kind 'gan', expected 'reid'"):
        start_run(tmp_path / "gan", "reid", tiny_config, labels=LABELS, resume=True)


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


def test_a_damaged_checkpoint(gan_copy):
    data = gan_copy / "checkpoints" / "step-00000014" / "generator.safetensors"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InputError, match="00014 does not fit") as error:
        load_generator(open_run(gan_copy, "gan"))
    assert one_line(error)


def test_the_best_checkpoint_goes_before_the_last(reid_copy, tiny_reid_run):
    run = open_run(reid_copy, "reid")
    network = load_reid_network(run)
    network.head.classifier.bias.assign([1.0, 2.0, 3.0, 4.0, 5.0])
    save_checkpoint(run.best, 3, {"network": network})
    best = load_reid_network(run).head.classifier.bias
    np.testing.assert_array_equal(best.numpy(), [1, 2, 3, 4, 5])
