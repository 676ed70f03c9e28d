"""Values that a config may hold, but no training can work with, or hardly any."""

import math

from tfipgan.config.sections import (
    AdaptConfig,
    BackboneConfig,
    Config,
    GanConfig,
    ReidConfig,
)
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
    _require_triplets(reid)
    return [
        *_reid_rates(reid),
        *_reid_decay(reid),
        *_triplets(reid),
        *_backbone(backbone, reid),
    ]


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


def check_adaptation(config: Config) -> list[str]:
    """Look at what an adaptation is set to; as `check_reid_training`.

    Args:
        config: with the `reid` section of the run that it goes on from.
    """
    _require_crops(config)
    return _adaptation(config.adapt)


def check_pul(config: Config) -> list[str]:
    """Look at what PUL is set to; as `check_adaptation`."""
    _require_crops(config)
    pul = config.pul
    if pul.reliability == 0:
        return [
            "pul.reliability is 0: every image whose cosine is not negative counts as "
            "reliable; expected nearer to 1"
        ]
    return []


def _require_crops(config: Config) -> None:
    adapt, size = config.adapt, config.reid.image_size
    if adapt.pad_crop >= min(size):
        raise ConfigError(
            "adapt.pad_crop: expected less than the shorter side of the run's images "
            f"{list(size)}, found {adapt.pad_crop}: crops would lie in the padding "
            "alone"
        )


def _require_triplets(reid: ReidConfig) -> None:
    if reid.triplet_margin is None or reid.sampler != "identities":
        return
    if reid.images_per_identity == 1:
        raise ConfigError(
            "reid.images_per_identity: expected at least 2 with reid.triplet_margin "
            f"{reid.triplet_margin}, found 1: no image has another of its identity in "
            "the batch, so the triplet loss is always 0"
        )
    if reid.images_per_identity == reid.batch_size:
        raise ConfigError(
            "reid.batch_size: expected at least 2 x reid.images_per_identity with "
            f"reid.triplet_margin {reid.triplet_margin}, found {reid.batch_size} and "
            f"{reid.images_per_identity}: a batch has one identity, so the triplet "
            "loss is always 0"
        )


def _reid_rates(reid: ReidConfig) -> list[str]:
    found = []
    if reid.warmup_epochs >= reid.epochs:
        found.append(
            f"reid.warmup_epochs is {reid.warmup_epochs} and reid.epochs is "
            f"{reid.epochs}: the learning rates are never those given; set "
            "reid.warmup_epochs below reid.epochs"
        )
    rate = max(reid.learning_rate, reid.backbone_learning_rate)
    if reid.optimizer == "adam":
        if rate >= HIGHEST_ADAM_RATE:
            found.append(
                f"reid.optimizer is adam with a learning rate of {rate:g}: Adam moves "
                "every weight by about so much in each update; expected far below "
                f"{HIGHEST_ADAM_RATE:g} of reid.learning_rate and "
                "reid.backbone_learning_rate"
            )
        return found
    decay = rate * reid.weight_decay / (1 - reid.momentum)
    if decay >= HIGHEST_DECAY:
        found.append(
            f"reid.weight_decay is {reid.weight_decay:g}: with a learning rate of "
            f"{rate:g} and reid.momentum {reid.momentum:g} it takes {decay:.0%} of a "
            "weight in every update, which leaves little to learn; set one of them "
            "lower"
        )
    return found


def _reid_decay(reid: ReidConfig) -> list[str]:
    if reid.schedule != "steps" or reid.decay_factor == 1:
        return []
    found = []
    epochs = reid.decay_epoch
    decays = list(epochs) if isinstance(epochs, tuple) else [epochs]
    shown = decays if len(decays) > 1 else decays[0]
    if decays[-1] >= reid.epochs:
        after = f" after epoch {decays[-1]}" if len(decays) > 1 else ""
        found.append(
            f"reid.decay_epoch is {shown} and reid.epochs is {reid.epochs}: the "
            f"learning rates are never multiplied by reid.decay_factor{after}; set "
            "reid.decay_epoch below reid.epochs, if they are to be"
        )
    if decays[0] == 0:
        found.append(
            f"reid.decay_epoch is {shown}: the learning rates are reid.decay_factor "
            f"({reid.decay_factor:g}) times those given from the first step on"
        )
    if reid.decay_factor > 1:
        found.append(
            f"reid.decay_factor is {reid.decay_factor:g}: the learning rates rise "
            "by it; expected at most 1"
        )
    return found


def _triplets(reid: ReidConfig) -> list[str]:
    if reid.triplet_margin is None or reid.sampler != "shuffle":
        return []
    if reid.labels != "person":  # of cameras a batch has several images anyway
        return []
    return [
        f"reid.triplet_margin is {reid.triplet_margin} with reid.sampler shuffle: only "
        "images that have another of their person in the batch count, and of many "
        "people few have; set reid.sampler=identities"
    ]


def _backbone(backbone: BackboneConfig, reid: ReidConfig) -> list[str]:
    found = []
    if reid.backbone_learning_rate == 0 and backbone.weights == "none":
        found.append(
            "reid.backbone_learning_rate is 0 and backbone.weights none: the backbone "
            "stays at random; set the rate higher, or give weights"
        )
    if reid.frozen_stages and backbone.weights == "none":
        found.append(
            f"reid.frozen_stages is {reid.frozen_stages} and backbone.weights none: "
            "those stages stay at random; set it to 0, or give weights"
        )
    if reid.frozen_batch_norm and backbone.weights == "none":
        found.append(
            "reid.frozen_batch_norm is true and backbone.weights none: the statistics "
            "stay 0 and 1, so nothing is normalised; set it to false, or give weights"
        )
    for name, values in (("mean", backbone.mean), ("std", backbone.std)):
        if not all(0 <= value <= 1 for value in values):
            found.append(
                f"backbone.{name} is {list(values)}: expected that of RGB values in "
                "[0, 1], which images are before it is applied; one of values to 255 "
                "has to be divided by 255"
            )
    return found


def _adaptation(adapt: AdaptConfig) -> list[str]:
    found = []
    if adapt.learning_rate >= HIGHEST_ADAM_RATE:
        found.append(
            f"adapt.learning_rate is {adapt.learning_rate:g}: Adam moves every weight "
            f"by about so much in each update; expected far below {HIGHEST_ADAM_RATE:g}"
        )
    if adapt.images_per_cluster == 1:
        found.append(
            "adapt.images_per_cluster is 1: a batch never shows a cluster's images of "
            "two cameras; set it to 2 or more"
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
