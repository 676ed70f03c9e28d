"""Runs whose network is not the paper's: trained, resumed, and used by what follows."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.images import to_unit
from tfipgan.evaluation.features import classes_and_features, extract_features
from tfipgan.export.saved_models import export_extractor
from tfipgan.runs.run import load_reid_network
from tfipgan.training.ipgan import train_gan
from tfipgan.training.reid import ReidTraining, train_reid
from tfipgan.weights.variables import named_weights

QUIET = {"devices": ["CPU:0"], "progress": False}


@pytest.fixture(scope="module")
def config(tiny_config):
    backbone = replace(tiny_config.backbone, last_stride=1, pooling="gem")
    return replace(
        tiny_config,
        backbone=backbone,
        reid=replace(tiny_config.reid, neck="bnneck"),
        gan=replace(tiny_config.gan, constant_epochs=1, decay_epochs=0),
    )


@pytest.fixture(scope="module")
def run(config, tiny_samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "reid"
    return train_reid(config, tiny_samples[0], out, **QUIET)


@pytest.fixture(scope="module")
def network(run):
    return load_reid_network(run)


def test_a_resumed_run_is_the_uninterrupted_one(
    run, config, tiny_samples, killed_after, checkpoint_values
):
    path = killed_after(run, 3)
    train_reid(config, tiny_samples[0], path, resume=True, **QUIET)
    expected = checkpoint_values(run.checkpoints)
    made = checkpoint_values(path / "checkpoints")
    assert made.keys() == expected.keys()
    assert {"network/pooling.p", "network/neck.gamma"} <= made.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(made[name], array, err_msg=name)


def test_p_is_of_the_backbone_and_the_neck_of_the_head(network):
    """What each optimiser moves: with a rate of 0 its variables stay."""
    for still in ("backbone", "head"):
        twin = type(network).from_config(network.get_config())
        images = tf.random.stateless_uniform((6, 32, 16, 3), (1, 2))
        twin(images)
        twin.set_weights(network.get_weights())
        optimizers = {
            f"{part}_optimizer": keras.optimizers.SGD(0.0 if part == still else 1.0)
            for part in ("backbone", "head")
        }
        model = ReidTraining(twin, weight_decay=0.0)
        model.compile(**optimizers)
        model.train_step(
            {
                "images": images,
                "identities": tf.constant([0, 1, 2, 3, 4, 0]),
                "dropout_noise": tf.zeros((6, 8)),
            }
        )
        before = named_weights(network)
        moved = {
            name
            for name, variable in named_weights(twin).items()
            if variable.trainable
            and not np.array_equal(variable.numpy(), before[name].numpy())
        }
        head = {"neck.gamma", "head.classifier.kernel"}
        assert moved & head == (set() if still == "head" else head)
        assert ("pooling.p" in moved) == (still == "head")


def test_classes_and_descriptors_are_those_of_the_network(network, tiny_samples):
    samples = tiny_samples[0][:5]
    classes, rows = classes_and_features(network, samples, (32, 16), 2)
    expected = extract_features(network, samples, (32, 16), 2).features
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    images = [tf.io.decode_image(tf.io.read_file(str(s.path))) for s in samples]
    images = to_unit(tf.cast(tf.stack(images), tf.float32))
    np.testing.assert_array_equal(classes, np.argmax(network(images), axis=1))
    np.testing.assert_allclose(rows, network.extract_features(images), atol=1e-4)


def test_it_is_exported(run, network, tmp_path):
    # export_extractor compares the answers with the network's itself.
    folder = export_extractor(run, tmp_path / "models")
    served = tf.saved_model.load(str(folder)).signatures["tensor"]
    images = tf.random.stateless_uniform((2, 32, 16, 3), (1, 2), maxval=255.0)
    expected = network.extract_features(images / 255)
    np.testing.assert_allclose(served(images=images)["embedding"], expected, atol=1e-5)


def test_it_is_a_semantic_discriminator(
    run, config, network, tiny_samples, tmp_path, checkpoint_values
):
    gan = train_gan(config, *tiny_samples, run, tmp_path / "gan", **QUIET)
    lines = (gan.path / "metrics.jsonl").read_text().splitlines()
    assert all(np.isfinite(json.loads(line)["G/loss_sem"]) for line in lines)
    # It is frozen, its running statistics too.
    for name, variable in named_weights(load_reid_network(run)).items():
        before = checkpoint_values(run.checkpoints)[f"network/{name}"]
        np.testing.assert_array_equal(variable.numpy(), before)
