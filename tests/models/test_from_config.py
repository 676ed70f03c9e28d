"""Networks by config."""

import dataclasses

import pytest
import tensorflow as tf

from tfipgan.config import BackboneConfig, GanConfig, ReidConfig
from tfipgan.errors import InputError
from tfipgan.models.from_config import (
    build_discriminator,
    build_generator,
    build_reid_network,
)

GAN = GanConfig(image_size=(16, 8), width=2, num_blocks=3, num_layers=3)
BACKBONE = BackboneConfig(
    depth=18,
    ibn="b",
    width=4,
    stride_first=True,
    last_stride=1,
    pooling="gem",
    mean=(0.1, 0.2, 0.3),
    std=(0.4, 0.5, 0.6),
)
REID = ReidConfig(image_size=(32, 16), fc_units=8, dropout=0.25, neck="bnneck")


def test_sizes_are_the_configs():
    generator = build_generator(GAN, 4)
    assert (generator.num_domains, generator.width, generator.num_blocks) == (4, 2, 3)
    discriminator = build_discriminator(GAN, 4)
    assert (discriminator.num_domains, discriminator.image_size) == (4, (16, 8))
    assert (discriminator.width, discriminator.num_layers) == (2, 3)
    network = build_reid_network(BACKBONE, REID, 7)
    config = network.get_config()
    given = dataclasses.asdict(BACKBONE) | dataclasses.asdict(REID)
    taken = set(config) & set(given)
    names = {field.name for field in dataclasses.fields(BACKBONE)} - {"weights"}
    assert taken >= names | {"fc_units", "dropout", "neck"}
    for name in taken:
        assert config[name] == given[name], name
    assert config["num_classes"] == 7
    assert all(model.built for model in (generator, discriminator, network))


def test_a_network_without_a_classifier_gives_descriptors_only():
    network = build_reid_network(BACKBONE, REID, None)
    images = tf.ones((2, 32, 16, 3))
    assert network.extract_features(images).shape == (2, 32)
    assert network.get_config()["num_classes"] is None
    with pytest.raises(
        InputError, match="no identity classifier, .* `extract_features`"
    ):
        network(images)
