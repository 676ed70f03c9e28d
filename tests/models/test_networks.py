"""Networks by config, and the names under which checkpoints keep their variables."""

import dataclasses

import keras
import tensorflow as tf

from tfipgan.config import GanConfig, ReidConfig
from tfipgan.networks import build_discriminator, build_generator, build_reid_network
from tfipgan.variables import named_variables

GAN = GanConfig(image_size=(16, 8), width=2, num_blocks=3, num_layers=3)
REID = ReidConfig(
    image_size=(32, 16),
    depth=18,
    ibn="b",
    width=4,
    stride_first=True,
    fc_units=8,
    dropout=0.25,
    mean=(0.1, 0.2, 0.3),
    std=(0.4, 0.5, 0.6),
)


def test_sizes_are_the_configs():
    generator = build_generator(GAN, 4)
    assert (generator.num_domains, generator.width, generator.num_blocks) == (4, 2, 3)
    discriminator = build_discriminator(GAN, 4)
    assert (discriminator.num_domains, discriminator.image_size) == (4, (16, 8))
    assert (discriminator.width, discriminator.num_layers) == (2, 3)
    network = build_reid_network(REID, 7)
    config = network.get_config()
    taken = set(config) & {field.name for field in dataclasses.fields(REID)}
    assert taken >= {"depth", "ibn", "width", "fc_units", "dropout", "mean", "std"}
    for name in taken:
        assert config[name] == getattr(REID, name), name
    assert config["num_classes"] == 7
    assert all(model.built for model in (generator, discriminator, network))
    assert next(iter(named_variables(network))) == "0000_reid/backbone/stem/kernel"


def test_names_are_those_of_any_other_build():
    for build in (build_generator, build_discriminator):
        network = build(GAN, 4)
        first = named_variables(network)
        assert first.keys() == named_variables(build(GAN, 4)).keys()
        assert len(first) == len(network.variables)
        for variable, ours in zip(first.values(), network.variables, strict=True):
            assert isinstance(variable, tf.Variable)
            assert variable.shape == ours.shape


def test_names_tell_the_layer():
    names = list(named_variables(build_generator(GAN, 4)))
    assert names[0] == "0000_generator/stem/kernel"
    assert names[-1] == f"{len(names) - 1:04d}_generator/to_image/kernel"


def test_the_variables_are_the_networks_own():
    network = build_discriminator(GAN, 4)
    kernel = named_variables(network)["0000_discriminator/down0/kernel"]
    kernel.assign(tf.fill(kernel.shape, 0.5))
    assert (network.down[0].kernel.numpy() == 0.5).all()


def test_an_optimiser_has_a_slot_for_each():
    network = build_discriminator(GAN, 4)
    optimizer = keras.optimizers.Adam()
    optimizer.build(network.trainable_variables)
    names = named_variables(optimizer)
    assert len(names) >= 1 + 2 * len(network.trainable_variables)
    assert any("iteration" in name for name in names)
    assert len(names) == len(optimizer.variables)
