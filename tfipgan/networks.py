"""Networks with the sizes of a config, their variables made."""

import tensorflow as tf

from tfipgan.config import GanConfig, ReidConfig
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


def build_reid_network(reid: ReidConfig, num_classes: int) -> ReidNetwork:
    """Return a new `ReidNetwork`; call it in the strategy's scope."""
    network = ReidNetwork(
        num_classes,
        reid.depth,
        reid.ibn,
        reid.width,
        reid.fc_units,
        reid.dropout,
        reid.mean,
        reid.std,
        reid.stride_first,
        name="reid",
    )
    network(tf.zeros((1, *reid.image_size, 3)))
    return network
