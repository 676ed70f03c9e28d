"""Networks with the sizes of a config, their variables made."""

import tensorflow as tf

from tfipgan.config import BackboneConfig, GanConfig, ReidConfig
from tfipgan.models import Discriminator, Generator, ReidNetwork


def build_generator(gan: GanConfig, num_domains: int) -> Generator:
    """Return a new `Generator`; call it in the strategy's scope."""
    generator = Generator(num_domains, gan.width, gan.num_blocks, name="generator")
    generator((tf.zeros((1, *gan.image_size, 3)), tf.zeros((1, num_domains))))
    return generator


def build_discriminator(gan: GanConfig, num_domains: int) -> Discriminator:
    """Return a new `Discriminator`; call it in the strategy's scope."""
    discriminator = Discriminator(
        num_domains, gan.image_size, gan.width, gan.num_layers, name="discriminator"
    )
    discriminator(tf.zeros((1, *gan.image_size, 3)))
    return discriminator


def build_reid_network(
    backbone: BackboneConfig, reid: ReidConfig, num_classes: int | None
) -> ReidNetwork:
    """Return a new `ReidNetwork`; call it in the strategy's scope.

    Without `num_classes` it has no classifier and gives descriptors only.
    """
    network = ReidNetwork(
        num_classes,
        backbone.depth,
        backbone.ibn,
        backbone.width,
        reid.fc_units,
        reid.dropout,
        backbone.mean,
        backbone.std,
        backbone.stride_first,
        name="reid",
    )
    images = tf.zeros((1, *reid.image_size, 3))
    network.pool(images) if num_classes is None else network(images)
    return network
