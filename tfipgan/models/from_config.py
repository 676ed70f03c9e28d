"""Networks with the sizes of a config, their variables made."""

import tensorflow as tf

from tfipgan.config import BackboneConfig, GanConfig, ReidConfig
from tfipgan.models import (
    Discriminator,
    Generator,
    PatchDiscriminator,
    ReidNetwork,
    SiameseNetwork,
)

# Keras's dtype policies. Variables are float32 in both, and so are checkpoints.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build_generator(
    gan: GanConfig, num_domains: int, precision: str = "float32"
) -> Generator:
    """Return a new `Generator`; call it in the strategy's scope.

    `precision` ("float32" or "bfloat16") is not read from the config: that of a run is
    its training's. Only StarGAN's has domains.
    """
    if gan.method != "stargan":
        num_domains = 0
    generator = Generator(
        num_domains,
        gan.width,
        gan.num_blocks,
        gan.residual,
        gan.upsampling,
        gan.conditioning,
        name="generator",
        dtype=_POLICIES[precision],
    )
    generator((tf.zeros((1, *gan.image_size, 3)), tf.zeros((1, num_domains))))
    return generator


def build_discriminator(
    gan: GanConfig, num_domains: int, precision: str = "float32"
) -> Discriminator | PatchDiscriminator:
    """Return a new `Discriminator`, or CycleGAN's; as `build_generator`."""
    if gan.method != "stargan":
        patches = PatchDiscriminator(
            gan.image_size,
            gan.width,
            gan.num_layers,
            name="discriminator",
            dtype=_POLICIES[precision],
        )
        patches(tf.zeros((1, *gan.image_size, 3)))
        return patches
    discriminator = Discriminator(
        num_domains,
        gan.image_size,
        gan.width,
        gan.num_layers,
        name="discriminator",
        dtype=_POLICIES[precision],
    )
    discriminator(tf.zeros((1, *gan.image_size, 3)))
    return discriminator


def build_siamese(gan: GanConfig, precision: str = "float32") -> SiameseNetwork:
    """Return SPGAN's new `SiameseNetwork`; as `build_generator`."""
    siamese = SiameseNetwork(
        gan.image_size,
        gan.width,
        gan.siamese_layers,
        name="siamese",
        dtype=_POLICIES[precision],
    )
    siamese(tf.zeros((1, *gan.image_size, 3)))
    return siamese


def build_reid_network(
    backbone: BackboneConfig,
    reid: ReidConfig,
    num_classes: int | None,
    precision: str = "float32",
) -> ReidNetwork:
    """Return a new `ReidNetwork`; as `build_generator`.

    Without `num_classes` it has no classifier and gives features only.
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
        backbone.last_stride,
        backbone.pooling,
        reid.neck,
        name="reid",
        dtype=_POLICIES[precision],
    )
    images = tf.zeros((1, *reid.image_size, 3))
    network.extract_features(images) if num_classes is None else network(images)
    return network
