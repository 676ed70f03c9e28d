"""Backbones from trained weights: against keras.applications, and from other runs.

Nothing is downloaded: Keras's networks are made here, with random variables.
"""

import logging
import shutil
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.config import BackboneConfig, ReidConfig, load_config, save_config
from tfipgan.data.labels import LabelMap
from tfipgan.errors import InputError
from tfipgan.models import ReidNetwork, ResNet
from tfipgan.models.from_config import build_reid_network
from tfipgan.runs import pretrained
from tfipgan.runs.pretrained import (
    KERAS_MEAN,
    load_pretrained_backbone,
    resolve_weights,
)
from tfipgan.runs.run import create_run, load_reid_network, open_run
from tfipgan.training.reid import ReidMethod, train_reid
from tfipgan.weights.checkpoints import save_checkpoint

IMAGENET = BackboneConfig(weights="imagenet", std=(0.2, 0.3, 0.4))
SMALL = BackboneConfig(depth=18, width=2)
REID = ReidConfig(image_size=(32, 16), fc_units=3)
# What the run to start from has, and SMALL has not.
INPUT = {"stride_first": True, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
# What the run has and the config must have too.
TODAY = {"last_stride": 1, "pooling": "gem"}
RANGES = {
    "p": (2.0, 4.0),
    "bias": (-0.5, 0.5),
    "gamma": (0.5, 1.5),
    "beta": (-0.5, 0.5),
    "moving_mean": (-0.5, 0.5),
    "moving_variance": (0.5, 1.5),
}


def randomise(network, seed=0):
    """Draw all variables anew, so that no zero, no one and no symmetry is left."""
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        shape = tuple(variable.shape)
        kind = variable.name.rpartition("/")[2].partition(":")[0]
        if kind == "kernel":
            values = rng.standard_normal(shape, np.float32)
            values *= np.prod(shape[:-1]) ** -0.5
        else:
            values = rng.uniform(*RANGES[kind], shape)
        variable.assign(values)
    return network


@pytest.fixture(scope="module")
def keras_resnet50():
    return randomise(keras.applications.ResNet50(weights=None, include_top=False))


@pytest.fixture
def offered(monkeypatch):
    """Function of a network: Keras gives it out as the one with ImageNet's weights."""

    def offer(network):
        def maker(weights, include_top):
            assert (weights, include_top) == ("imagenet", False)
            print("Downloading data from https://example.org")
            return network

        for depth in (50, 101):
            monkeypatch.setattr(keras.applications, f"ResNet{depth}", maker)

    return offer


def imagenet_network(config=IMAGENET):
    config = resolve_weights(config)
    network = build_reid_network(config, REID, 3)
    load_pretrained_backbone(network, config)
    return network


def feature_maps(network, images):
    normalised = (images - np.float32(network.mean)) / np.float32(network.std)
    return network.backbone(normalised).numpy()


def assert_same_features(network, theirs, size):
    # RGB in [0, 255], each channel in a range of its own.
    rng = np.random.default_rng(5)
    images = rng.integers((0, 60, 120), (130, 200, 256), (2, *size, 3))
    images = images.astype(np.float32)
    their_input = keras.applications.resnet.preprocess_input(images.copy())
    expected = theirs(their_input, training=False).numpy()
    got = feature_maps(network, images / 255)
    assert got.shape == expected.shape
    assert (expected.std(axis=(0, 1, 2)) > 0).mean() > 0.8
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * expected.max())


# ----------------------------------------------------------------- ImageNet, from Keras


def test_features_are_those_of_keras(keras_resnet50, offered, capsys, caplog):
    offered(keras_resnet50)
    with caplog.at_level(logging.INFO, "tfipgan"):
        network = imagenet_network()
    for size in ((64, 32), (45, 39)):
        assert_same_features(network, keras_resnet50, size)
    assert "starts from Keras's ImageNet ResNet50" in caplog.text
    # Keras shows its progress, but stdout is for results.
    out, err = capsys.readouterr()
    assert out == "" and "Downloading data" in err
    # Too small a difference for the features above: the epsilon, 1.001e-5 for 1e-5.
    theirs = keras_resnet50.get_layer("conv3_block1_0_bn")
    ours = network.backbone.blocks[3].projection_norm
    theirs.moving_variance.assign(tf.fill((512,), 2e-8))
    load_pretrained_backbone(network, resolve_weights(IMAGENET))
    np.testing.assert_allclose(ours.moving_variance.numpy(), 3e-8, rtol=1e-5)


@pytest.mark.slow
def test_a_depth_of_101_too(offered, monkeypatch):
    # Nothing to draw where everything is given.
    zeros = keras.initializers.Zeros()
    monkeypatch.setattr(keras.initializers, "VarianceScaling", lambda *_: zeros)
    theirs = keras.applications.ResNet101(weights=None, include_top=False)
    offered(randomise(theirs))
    network = imagenet_network(replace(IMAGENET, depth=101))
    assert_same_features(network, theirs, (32, 32))


def test_resolving_imagenet():
    resolved = resolve_weights(IMAGENET)
    assert resolved == replace(IMAGENET, stride_first=True, mean=KERAS_MEAN)
    assert resolve_weights(resolved) == resolved
    bgr = 255 * np.array(KERAS_MEAN[::-1])
    np.testing.assert_allclose(bgr, [103.939, 116.779, 123.68], rtol=1e-12)


def test_the_network_must_be_of_the_resolved_config():
    for values, expected in (
        (
            {},
            "has stride_first True, this network has False: set backbone.stride_first",
        ),
        ({"stride_first": True}, r"has mean \[0.4850.*this network has \[0.485, 0.456"),
        ({"width": 4}, "has width 64, this network has 4"),
        ({"depth": 18}, "ResNet50 has depth 50, this network has 18"),
        ({"ibn": "b"}, "has ibn none, this network has b"),
    ):
        with pytest.raises(InputError, match=expected) as error:
            load_pretrained_backbone(ReidNetwork(3, **values), IMAGENET)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Exception("URL fetch failure on https://x.org/a.h5: None"), "URL fetch fail"),
        (ValueError("Incomplete or corrupted file.\nmore"), r"corrupted file\.\)"),
        (TimeoutError(), r"\(TimeoutError\)"),
    ],
)
def test_a_failed_download(monkeypatch, failure, reason):
    def fail(**options):
        raise failure

    monkeypatch.setattr(keras.applications, "ResNet50", fail)
    with pytest.raises(InputError, match=reason) as error:
        pretrained._fetch(50)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith("backbone.weights: Keras's ImageNet weights of ResNet50")
    assert line.endswith("set it to a re-ID run's folder, or to none")
    assert sys.stdout is not sys.stderr


def test_a_failed_download_leaves_no_run_folder(
    monkeypatch, tiny_config, tiny_samples, tmp_path
):
    def fail(**options):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "ResNet50", fail)
    config = replace(tiny_config, backbone=BackboneConfig(weights="imagenet"))
    out = tmp_path / "run"
    with pytest.raises(InputError, match="can't be fetched"):
        train_reid(config, tiny_samples[0], out, devices=["CPU:0"])
    assert not out.exists()


def test_a_network_that_lacks_or_has_more(keras_resnet50, offered):
    # Only the first block of Keras's network, and a layer that ours has no place for.
    cut = keras_resnet50.get_layer("conv2_block1_out").output
    extra = keras.layers.Conv2D(1, 1, name="extra_conv")(cut)
    offered(keras.Model(keras_resnet50.input, extra))
    config = resolve_weights(IMAGENET)
    network = build_reid_network(config, REID, 3)
    before = network.backbone.stem.kernel.numpy()
    expected = r"missing: .*blocks\.1\.\S*kernel.*; unused: extra_conv$"
    with pytest.raises(InputError, match=expected) as error:
        load_pretrained_backbone(network, config)
    assert "\n" not in str(error.value) and "stem" not in str(error.value)
    np.testing.assert_array_equal(network.backbone.stem.kernel.numpy(), before)


# -------------------------------------------------------------------- another run's


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """`Run` of random weights, its stride, mean and deviation unlike the defaults."""
    backbone = replace(SMALL, **INPUT)
    config = replace(load_config("base"), backbone=backbone, reid=REID)
    run = create_run(
        tmp_path_factory.mktemp("trained") / "run",
        "reid",
        config,
        labels=LabelMap((3, 8)),
    )
    network = build_reid_network(backbone, REID, 2)
    randomise(network)
    save_checkpoint(run.checkpoints, 1, {"network": network})
    return run


def of_run(run, **values):
    return replace(SMALL, weights=str(run.path), **values)


def test_training_starts_from_a_runs_backbone(trained, two_devices):
    backbone = resolve_weights(of_run(trained))
    assert backbone == of_run(trained, **INPUT)
    config = replace(trained.config, backbone=backbone, reid=replace(REID, fc_units=5))
    source = load_reid_network(trained)
    images = np.random.default_rng(0).random((2, 32, 16, 3), np.float32)
    for devices in (two_devices[:1], two_devices):
        with tf.distribute.MirroredStrategy(devices).scope():
            method = ReidMethod(config, [])
            method.labels, method.epoch_steps = LabelMap(tuple(range(7))), 3
            method.build()
        network = method.networks["network"]
        pairs = zip(network.backbone.variables, source.backbone.variables, strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        np.testing.assert_array_equal(network.pool(images), source.pool(images))
        assert network(images).shape == (2, 7)
        assert network.head.embedding.kernel.shape == (16, 5)


def test_the_new_run_needs_no_other(trained, tiny_samples, tmp_path):
    shutil.copytree(trained.path, tmp_path / "old")
    backbone = replace(SMALL, weights=str(tmp_path / "old"))
    reid = replace(
        REID,
        batch_size=30,
        epochs=1,
        learning_rate=1e-9,
        backbone_learning_rate=0.0,
    )
    config = replace(trained.config, backbone=backbone, reid=reid)
    out = tmp_path / "new"
    options = {"devices": ["CPU:0"], "progress": False}
    keras.backend.clear_session()
    train_reid(config, tiny_samples[0], out, **options)
    # The config that was given is still the run's: a finished run goes on, and ends.
    keras.backend.clear_session()
    train_reid(config, tiny_samples[0], out, resume=True, **options)
    shutil.rmtree(tmp_path / "old")
    run = open_run(out, "reid")
    assert run.config.backbone == replace(backbone, **INPUT)
    network, source = load_reid_network(run), load_reid_network(trained)
    assert network.backbone.stride_first and network.mean == (0.1, 0.2, 0.3)
    # At a rate of 0 the backbone's weights stay; its moving moments do not.
    pairs = zip(
        network.backbone.trainable_variables,
        source.backbone.trainable_variables,
        strict=True,
    )
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"depth": 34}, "has depth 18, this network has 34: set backbone.depth to 18"),
        ({"ibn": "b"}, "has ibn none, this network has b: set backbone.ibn to none"),
        ({"width": 3}, "has width 2, this network has 3: set backbone.width to 2, or"),
    ],
)
def test_a_run_of_another_network(trained, values, expected):
    config = of_run(trained, **values)
    with pytest.raises(InputError, match=expected) as error:
        resolve_weights(config)
    assert str(trained.path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match=expected):
        load_pretrained_backbone(build_reid_network(config, REID, 2), config)


def test_a_run_of_another_input(trained):
    for name in ("stride_first", "mean", "std"):
        config = resolve_weights(of_run(trained))
        config = replace(config, **{name: getattr(SMALL, name)})
        with pytest.raises(InputError, match=f"has {name} .*: set backbone.{name} to "):
            load_pretrained_backbone(build_reid_network(config, REID, 2), config)


def test_not_a_run(trained, tiny_gan_run, tmp_path):
    for path, expected in (
        (tmp_path / "none here", "is not a run folder .*; it may also be none, or "),
        (tiny_gan_run.path, "is a run of kind 'gan', expected 'reid'"),
    ):
        config = replace(SMALL, weights=str(path))
        expected = f"^backbone.weights: .*{expected}"
        with pytest.raises(InputError, match=expected) as error:
            resolve_weights(config)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
    config = replace(trained.config, backbone=replace(SMALL, weights="Imagenet"))
    with pytest.raises(InputError, match="Imagenet is not a run folder"):
        train_reid(config, [], tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_run_without_weights_or_of_other_ones(trained, tmp_path):
    copy = shutil.copytree(trained.path, tmp_path / "copy")
    config = resolve_weights(replace(SMALL, weights=str(copy)))
    network = build_reid_network(config, REID, 2)
    # What config.yaml says and what the checkpoint holds are not the same network.
    wider = replace(trained.config.backbone, width=4)
    save_config(replace(trained.config, backbone=wider), copy / "config.yaml")
    with pytest.raises(InputError, match="does not fit the network that .*config.yaml"):
        load_pretrained_backbone(
            build_reid_network(wider, REID, 2), replace(wider, weights=str(copy))
        )
    save_config(trained.config, copy / "config.yaml")
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(InputError, match="has no checkpoint"):
        load_pretrained_backbone(network, config)


# ---------------------------------------------------- the last stride, GeM and the neck


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    """`Run` of random weights with all that the paper's network has not."""
    backbone, reid = replace(SMALL, **TODAY), replace(REID, neck="bnneck")
    config = replace(load_config("base"), backbone=backbone, reid=reid)
    path = tmp_path_factory.mktemp("today") / "run"
    run = create_run(path, "reid", config, labels=LabelMap((3, 8)))
    network = build_reid_network(backbone, reid, 2)
    randomise(network)
    save_checkpoint(run.checkpoints, 1, {"network": network})
    return run


def test_weights_ask_for_the_last_stride_and_pooling_of_their_own(today):
    for name, theirs, ours in (("last_stride", 1, 2), ("pooling", "gem", "avg")):
        config = of_run(today, **{**TODAY, name: ours})
        expected = (
            f"the backbone of {today.path} has {name} {theirs}, this network has "
            f"{ours}: set backbone.{name} to {theirs}, or give other weights"
        )
        with pytest.raises(InputError, match=expected):
            resolve_weights(config)
        with pytest.raises(InputError, match=expected):
            load_pretrained_backbone(build_reid_network(config, REID, None), config)


@pytest.mark.parametrize("neck", ["none", "bnneck"])
def test_p_and_the_neck_are_taken(today, neck):
    config = resolve_weights(of_run(today, **TODAY))
    network = build_reid_network(config, replace(REID, neck=neck), None)
    load_pretrained_backbone(network, config)
    source = load_reid_network(today)
    images = np.random.default_rng(0).random((2, 32, 16, 3), np.float32)
    np.testing.assert_array_equal(network.pool(images), source.pool(images))
    # Without one, the neck is left out as the classifier is.
    same = neck == "bnneck"
    assert (
        np.array_equal(
            network.extract_features(images), source.extract_features(images)
        )
        == same
    )


def test_a_config_may_add_to_weights(trained):
    config = resolve_weights(of_run(trained, **TODAY))
    assert config == of_run(trained, **INPUT, **TODAY)
    network = build_reid_network(config, replace(REID, neck="bnneck"), None)
    load_pretrained_backbone(network, config)
    source = load_reid_network(trained)
    pairs = zip(network.backbone.variables, source.backbone.variables, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert network.pooling.p.numpy() == [3]
    assert not network.neck.moving_mean.numpy().any()


def test_imagenets_weights_with_a_last_stride_of_1(keras_resnet50, offered):
    offered(keras_resnet50)
    network = imagenet_network(replace(IMAGENET, **TODAY))
    assert network.backbone.last_stride == 1 and network.backbone.stride_first
    kernel = keras_resnet50.get_layer("conv5_block3_3_conv").get_weights()[0]
    ours = network.backbone.blocks[-1].convolutions[-1].kernel.numpy()
    np.testing.assert_array_equal(ours, kernel)


# ------------------------------------------------------------------------------- none


def test_none_changes_nothing():
    network = build_reid_network(SMALL, REID, 2)
    before = [variable.numpy() for variable in network.variables]
    assert resolve_weights(SMALL) is SMALL
    load_pretrained_backbone(network, SMALL)
    for variable, value in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


# ---------------------------------------------------------------- the stride's position


@pytest.mark.parametrize(("first", "strides"), [(False, [1, 2, 1]), (True, [2, 1, 1])])
def test_the_stride_of_a_bottleneck(first, strides):
    network = ReidNetwork(2, depth=50, width=2, stride_first=first)
    twin = ReidNetwork.from_config(network.get_config())
    for backbone in (network.backbone, ResNet.from_config(twin.backbone.get_config())):
        unit = backbone.blocks[3]
        assert unit.get_config()["stride_first"] is first
        assert [convolution.strides for convolution in unit.convolutions] == strides
        assert unit.projection.strides == 2
        assert unit.compute_output_shape((1, 9, 6, 8)) == (1, 5, 3, 16)
