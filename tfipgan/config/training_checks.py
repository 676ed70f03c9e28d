"""Values that a config may hold, but no training can work with, or hardly any."""

import math

from tfipgan.config.sections import BackboneConfig, Config, GanConfig, ReidConfig
from tfipgan.errors import ConfigError

# Adam moves each weight by about the rate in every update, and they start near 0.02.
HIGHEST_ADAM_RATE = 0.1
# The share of a weight that its decay takes in an update, momentum included.
HIGHEST_DECAY = 0.1


def check_reid_training(config: Config) -> list[str]:
    """Look at what a training of the re-ID network is set to.

    Args:
        config: with what the backbone's weights bring (`resolve_weights`).

    Returns:
        A line for each value that is likely a slip, for the log.

    Raises:
        ConfigError: with these values nothing is learnt.
    """
    reid, backbone = config.reid, config.backbone
    if reid.batch_size < 2:
        raise ConfigError(
            "reid.batch_size: expected at least 2 to train with, found "
            f"{reid.batch_size}: batch norm makes the same of every image that is "
            "alone in its batch, so nothing is learnt; set it higher (it is that of "
            "all devices together)"
        )
    # The last instance norm of IBN-b stands where the image is an eighth of its size.
    if backbone.ibn == "b" and max(reid.image_size) <= 8:
        raise ConfigError(
            f"reid.image_size: expected more than [8, 8] with backbone.ibn b, found "
            f"{list(reid.image_size)}: instance norm makes the same of every map of "
            "one pixel, so nothing is learnt"
        )
    return [*_reid_rates(reid), *_backbone(backbone, reid)]


def check_gan_training(config: Config) -> list[str]:
    """Look at what a training of the GAN is set to; as `check_reid_training`."""
    gan = config.gan
    if gan.batch_size < 2:
        raise ConfigError(
            f"gan.batch_size: expected at least 2 to train with, found "
            f"{gan.batch_size}: an image is translated to the domain of another one "
            "of its batch, and alone it is translated to its own only, so no "
            "translation is learnt; set it higher (it is that of all devices together)"
        )
    if math.prod(gan.image_size) <= 16:
        raise ConfigError(
            f"gan.image_size: expected more than [4, 4] to train with, found "
            f"{list(gan.image_size)}: the generator halves an image 2 times, and "
            "instance norm makes the same of every map of one pixel, so nothing is "
            "learnt"
        )
    return _gan(gan)


def _reid_rates(reid: ReidConfig) -> list[str]:
    found = []
    if reid.decay_factor != 1:
        if reid.decay_epoch >= reid.epochs:
            found.append(
                f"reid.decay_epoch is {reid.decay_epoch} and reid.epochs is "
                f"{reid.epochs}: the learning rates are never multiplied by "
                "reid.decay_factor; set reid.decay_epoch below reid.epochs, if they "
                "are to be"
            )
        if reid.decay_epoch == 0:
            found.append(
                "reid.decay_epoch is 0: the learning rates are reid.decay_factor "
                f"({reid.decay_factor:g}) times those given from the first step on"
            )
        if reid.decay_factor > 1:
            found.append(
                f"reid.decay_factor is {reid.decay_factor:g}: the learning rates rise "
                "by it; expected at most 1"
            )
    rate = max(reid.learning_rate, reid.backbone_learning_rate)
    decay = rate * reid.weight_decay / (1 - reid.momentum)
    if decay >= HIGHEST_DECAY:
        found.append(
            f"reid.weight_decay is {reid.weight_decay:g}: with a learning rate of "
            f"{rate:g} and reid.momentum {reid.momentum:g} it takes {decay:.0%} of a "
            "weight in every update, which leaves little to learn; set one of them "
            "lower"
        )
    return found


def _backbone(backbone: BackboneConfig, reid: ReidConfig) -> list[str]:
    found = []
    if reid.backbone_learning_rate == 0 and backbone.weights == "none":
        found.append(
            "reid.backbone_learning_rate is 0 and backbone.weights none: the backbone "
            "stays at random; set the rate higher, or give weights"
        )
    for name, values in (("mean", backbone.mean), ("std", backbone.std)):
        if not all(0 <= value <= 1 for value in values):
            found.append(
                f"backbone.{name} is {list(values)}: expected that of RGB values in "
                "[0, 1], which images are before it is applied; one of values to 255 "
                "has to be divided by 255"
            )
    return found


def _gan(gan: GanConfig) -> list[str]:
    found = []
    if gan.learning_rate >= HIGHEST_ADAM_RATE:
        found.append(
            f"gan.learning_rate is {gan.learning_rate:g}: Adam moves every weight by "
            f"about so much in each update; expected far below {HIGHEST_ADAM_RATE:g}"
        )
    if gan.adversarial == "wgan-gp" and gan.lambda_gradient_penalty == 0:
        found.append(
            "gan.lambda_gradient_penalty is 0 with gan.adversarial wgan-gp: nothing "
            "bounds the discriminator; set it higher, or gan.adversarial=vanilla"
        )
    if gan.lambda_domain == 0:
        found.append(
            "gan.lambda_domain is 0: nothing tells the generator one target domain "
            "from another; set it higher, if translations are to differ"
        )
    return found
