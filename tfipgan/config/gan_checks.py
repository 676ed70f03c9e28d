"""Values of the `gan` section that another of its methods has no use for."""

from typing import Any

from tfipgan.errors import ConfigError

# What the methods with two generators have no use for, and what they take.
_OTHERS = {
    "lambda_semantic": 0,
    "target_domains": "one",
    "conditioning": "planes",
    "generator_weights": "none",
    "discriminator_weights": "none",
}


def check_method(gan: Any) -> None:
    """Raise ConfigError for a value that is not of `gan.method`, a GanConfig's."""
    if gan.method == "stargan":
        return
    # CamStyle has a CycleGAN for each camera.
    own = {"target_domains": "cameras"} if gan.method == "camstyle" else {}
    for name, expected in (_OTHERS | own).items():
        found = getattr(gan, name)
        if found != expected:
            raise ConfigError(
                f"gan.{name}: expected {expected} with gan.method {gan.method}, which "
                f"has no other, found {found}; set it to that, or gan.method to stargan"
            )
    if 0 < gan.pool_size < gan.batch_size:
        raise ConfigError(
            f"gan.pool_size: expected 0 or at least gan.batch_size ({gan.batch_size}), "
            f"found {gan.pool_size}: each image of a batch may draw another"
        )
