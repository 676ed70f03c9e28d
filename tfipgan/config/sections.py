"""What a run is set to: frozen dataclasses, one for each section of a config file.

Their defaults are those of configs/base.yaml, which says where each value comes from.
Every instance is checked when it is made, by `dataclasses.replace` too.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tfipgan.config.fields import (
    LONGEST_SIDE,
    channels,
    choice,
    choice_or_none,
    epochs_list,
    fraction,
    fraction_or_none,
    ibn_kind,
    image_size_field,
    margin,
    not_negative,
    positive,
    probability,
    read_value,
    switch,
    weights_source,
    whole,
    whole_or_none,
)
from tfipgan.errors import ConfigError

# More is a slip, or a config from elsewhere that is to take the memory.
MOST_CHANNELS = 4096
MOST_LAYERS = 12
MOST_IMAGES = 2**16
MOST_EPOCHS = 10**6
PRECISIONS = ("float32", "bfloat16")


class _Section:
    """What the sections share: each value is read (checked) when the section is made"""

    __slots__ = ()
    SECTION: ClassVar[str]

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):  # type: ignore[arg-type]
            value = read_value(
                f"{self.SECTION}.{option.name}", option, getattr(self, option.name)
            )
            # How a frozen dataclass sets its own fields.
            object.__setattr__(self, option.name, value)
        self._check()

    def _check(self) -> None:
        """Raise ConfigError where two values don't fit together."""


@dataclass(frozen=True, slots=True)
class GanConfig(_Section):
    """Generator, domain discriminator and their training (paper section 3.2 and 4.2).

    Sizes are (height, width) in pixels; the epochs are those of the joint set of
    source and target images; `learning_rate` is constant for `constant_epochs` and then
    falls linearly to 0 over `decay_epochs`. `lambda_semantic` 0 is StarGAN.
    `residual` adds the image before the generator's tanh; `upsampling` is by
    "transposed" convolutions or a "resize" before plain ones.
    `target_domains` "cameras" makes each camera of the target a domain; with "one" the
    whole target is one, and an image has one translation.
    `generator_weights` and `discriminator_weights` are "none" or the folder of a GAN
    run, trained or imported, to start from. `precision` and `jit_compile` are the
    training step's: what it computes in, and whether XLA compiles it.
    """

    SECTION: ClassVar[str] = "gan"

    image_size: tuple[int, int] = image_size_field(128, 64)
    width: int = whole(64, 1, MOST_CHANNELS)
    num_blocks: int = whole(6, 1, 256)
    residual: bool = switch(False)
    upsampling: Literal["transposed", "resize"] = choice(
        "transposed", "transposed", "resize"
    )
    num_layers: int = whole(6, 1, MOST_LAYERS)
    target_domains: Literal["cameras", "one"] = choice("cameras", "cameras", "one")
    adversarial: Literal["wgan-gp", "vanilla"] = choice("wgan-gp", "wgan-gp", "vanilla")
    n_critic: int = whole(5, 1, 1000)
    batch_size: int = whole(16, 1, MOST_IMAGES)
    constant_epochs: int = whole(100, 0, MOST_EPOCHS)
    decay_epochs: int = whole(100, 0, MOST_EPOCHS)
    learning_rate: float = positive(1e-4)
    beta_1: float = fraction(0.5)
    beta_2: float = fraction(0.999)
    epsilon: float = positive(1e-8)
    lambda_domain: float = not_negative(1.0)
    lambda_reconstruction: float = not_negative(10.0)
    lambda_semantic: float = not_negative(1.0)
    lambda_gradient_penalty: float = not_negative(10.0)
    generator_weights: str = weights_source("none")
    discriminator_weights: str = weights_source("none")
    random_flip: bool = switch(True)
    sample_every_epochs: int = whole(5, 1, MOST_EPOCHS)
    checkpoint_every_epochs: int = whole(5, 1, MOST_EPOCHS)
    precision: Literal["float32", "bfloat16"] = choice("float32", *PRECISIONS)
    jit_compile: bool = switch(False)

    def _check(self) -> None:
        # Two halvings in the generator, num_layers in the discriminator, whose last
        # convolution is as large as what is left.
        multiple = max(4, 2**self.num_layers)
        if any(length % multiple for length in self.image_size):
            raise ConfigError(
                f"gan.image_size: expected multiples of {multiple} (the generator "
                f"halves an image 2 times, the discriminator gan.num_layers = "
                f"{self.num_layers} times), found {list(self.image_size)}; change the "
                "size or gan.num_layers"
            )
        if self.constant_epochs + self.decay_epochs < 1:
            raise ConfigError(
                "gan.constant_epochs, gan.decay_epochs: expected at least 1 epoch in "
                "all, found 0 and 0"
            )


@dataclass(frozen=True, slots=True)
class BackboneConfig(_Section):
    """The re-ID network up to pool5, and what it starts from.

    `ibn` is None, "a" or "b". `weights` is "none", "imagenet" or the folder of a re-ID
    run, trained or imported, relative to the working directory. `stride_first` puts the
    stride of a bottleneck on its first convolution; `mean` and `std` are those of RGB
    values in [0, 1]. Weights bring these three: a run's folder all of them, "imagenet"
    all but `std` (`tfipgan.runs.pretrained`). `last_stride` is that of the last stack;
    `pooling` is the mean over the last map, or the generalised mean.
    """

    SECTION: ClassVar[str] = "backbone"

    depth: Literal[18, 34, 50, 101] = choice(50, 18, 34, 50, 101)
    ibn: Literal["a", "b"] | None = ibn_kind(None)
    width: int = whole(64, 1, MOST_CHANNELS)
    weights: str = weights_source("none", "imagenet")
    stride_first: bool = switch(False)
    last_stride: Literal[1, 2] = choice(2, 1, 2)
    pooling: Literal["avg", "gem"] = choice("avg", "avg", "gem")
    mean: tuple[float, float, float] = channels((0.485, 0.456, 0.406), positive=False)
    std: tuple[float, float, float] = channels((0.229, 0.224, 0.225), positive=True)

    def _check(self) -> None:
        fits = self.depth in (50, 101) and self.ibn is None and self.width == 64
        if self.weights == "imagenet" and not fits:
            raise ConfigError(
                "backbone.weights: imagenet is for depth 50 or 101, ibn none and width "
                f"64, found depth {self.depth}, ibn {self.ibn or 'none'} and width "
                f"{self.width}; give none, or the folder of a re-ID run of that "
                "network (`tfipgan import-weights` makes one of a checkpoint)"
            )


@dataclass(frozen=True, slots=True)
class ReidConfig(_Section):
    """Training of the re-ID network; the semantic discriminator is one too.

    Sizes are (height, width) in pixels. `learning_rate` is for the new layers,
    `backbone_learning_rate` for the rest; by the `schedule` "steps" both are multiplied
    by `decay_factor` after `decay_epoch` epochs, or after each of several. With
    `held_out_identities` above 0 that many source identities are left out of training
    and choose the best checkpoint by their mAP. `pad_crop` is in pixels,
    `random_erasing` a probability (`tfipgan.data.augment`). `neck` is "bnneck" for
    batch norm before a classifier without the fully connected layer of `fc_units` and
    its `dropout`, which are then unused. `labels` says what the classes are: with
    "camera" it is a classifier of cameras. `precision` and `jit_compile` are as the
    GAN's.

    A `triplet_margin` that is not None adds the batch-hard triplet loss: a hinge with
    that margin, or "soft". The `sampler` "identities" makes batches of
    `images_per_identity` images of each person. `frozen_stages` is how many of conv1
    to conv5_x stay as they are; with `frozen_batch_norm` the backbone normalises by
    the statistics that it came with.
    """

    SECTION: ClassVar[str] = "reid"

    image_size: tuple[int, int] = image_size_field(256, 128)
    fc_units: int = whole(1024, 1, MOST_CHANNELS)
    dropout: float = fraction(0.5)
    neck: Literal["none", "bnneck"] = choice("none", "none", "bnneck")
    batch_size: int = whole(128, 1, MOST_IMAGES)
    epochs: int = whole(50, 1, MOST_EPOCHS)
    learning_rate: float = positive(0.1)
    backbone_learning_rate: float = not_negative(0.01)
    warmup_epochs: int = whole(0, 0, MOST_EPOCHS)
    schedule: Literal["steps", "cosine"] = choice("steps", "steps", "cosine")
    decay_epoch: int | tuple[int, ...] = epochs_list(40, MOST_EPOCHS)
    decay_factor: float = positive(0.1)
    optimizer: Literal["sgd", "adam"] = choice("sgd", "sgd", "adam")
    momentum: float = fraction(0.9)
    weight_decay: float = not_negative(5e-4)
    label_smoothing: float = fraction(0.0)
    triplet_margin: float | Literal["soft"] | None = margin(None)
    sampler: Literal["shuffle", "identities"] = choice(
        "shuffle", "shuffle", "identities"
    )
    images_per_identity: int = whole(4, 1, MOST_IMAGES)
    frozen_stages: int = whole(0, 0, 5)
    frozen_batch_norm: bool = switch(False)
    random_sized_crop: bool = switch(True)
    random_flip: bool = switch(True)
    pad_crop: int = whole(0, 0, LONGEST_SIDE)
    color_jitter: float = fraction(0.0)
    random_erasing: float = probability(0.0)
    labels: Literal["person", "camera"] = choice("person", "person", "camera")
    held_out_identities: int = whole(0, 0, 10**9)
    precision: Literal["float32", "bfloat16"] = choice("float32", *PRECISIONS)
    jit_compile: bool = switch(False)

    def _check(self) -> None:
        if self.labels == "camera" and self.held_out_identities:
            raise ConfigError(
                "reid.held_out_identities: expected 0 with reid.labels camera, which "
                f"knows no identities to hold out, found {self.held_out_identities}"
            )
        if self.pad_crop and self.random_sized_crop:
            raise ConfigError(
                "reid.pad_crop: expected 0 with reid.random_sized_crop true, found "
                f"{self.pad_crop}: each is a crop, so set one of them "
                "(reid.random_sized_crop=false for the padded one)"
            )
        if self.pad_crop >= min(self.image_size):
            raise ConfigError(
                f"reid.pad_crop: expected less than the shorter side of "
                f"reid.image_size {list(self.image_size)}, found {self.pad_crop}: "
                "crops would lie in the padding alone"
            )
        if self.sampler == "identities" and self.batch_size % self.images_per_identity:
            raise ConfigError(
                "reid.batch_size: expected a multiple of reid.images_per_identity "
                f"({self.images_per_identity}) with reid.sampler identities, found "
                f"{self.batch_size}"
            )


@dataclass(frozen=True, slots=True)
class AdaptConfig(_Section):
    """Going on from a re-ID run on an unlabelled target (`tfipgan.training.adapt`).

    An epoch clusters all images anew and then has `steps` updates, with batches of
    `batch_clusters` x `images_per_cluster` images. `distance` and the values to
    `min_samples` are those of `tfipgan.clustering`; None of them is chosen by the data.
    `lambda_camera` weighs the inter-camera proxies, 0 leaves them out. `decay_epoch`,
    `pad_crop`, `random_erasing` and `precision` are as in `ReidConfig`.
    """

    SECTION: ClassVar[str] = "adapt"

    epochs: int = whole(50, 1, MOST_EPOCHS)
    steps: int = whole(200, 1, MOST_EPOCHS)
    batch_clusters: int = whole(16, 2, MOST_IMAGES)
    images_per_cluster: int = whole(16, 1, MOST_IMAGES)
    distance: Literal["camera_aware", "plain"] | None = choice_or_none(
        "camera_aware", "plain"
    )
    k: int | None = whole_or_none(None, 1, MOST_IMAGES)
    k_intra: int | None = whole_or_none(None, 1, MOST_IMAGES)
    k_inter: int | None = whole_or_none(None, 1, MOST_IMAGES)
    eps: float | None = fraction_or_none(None)
    min_samples: int = whole(4, 1, MOST_IMAGES)
    temperature: float = positive(0.05)
    memory_momentum: float = fraction(0.1)
    lambda_camera: float = not_negative(0.5)
    camera_temperature: float = positive(0.07)
    camera_negatives: int = whole(50, 1, MOST_IMAGES)
    learning_rate: float = positive(3.5e-4)
    decay_epoch: int | tuple[int, ...] = epochs_list((20, 40), MOST_EPOCHS)
    decay_factor: float = positive(0.1)
    weight_decay: float = not_negative(5e-4)
    random_flip: bool = switch(True)
    pad_crop: int = whole(10, 0, LONGEST_SIDE)
    random_erasing: float = probability(0.5)
    sheet_every_epochs: int = whole(5, 1, MOST_EPOCHS)
    precision: Literal["float32", "bfloat16"] = choice("float32", *PRECISIONS)


@dataclass(frozen=True, slots=True)
class TranslationConfig(_Section):
    """How the translated set is written; `quality` (1 to 100) is the JPEG's."""

    SECTION: ClassVar[str] = "translation"

    batch_size: int = whole(32, 1, MOST_IMAGES)
    format: Literal["jpeg", "png"] = choice("jpeg", "jpeg", "png")
    quality: int = whole(95, 1, 100)


@dataclass(frozen=True, slots=True)
class EvaluationConfig(_Section):
    """How features are extracted and ranked."""

    SECTION: ClassVar[str] = "evaluation"

    batch_size: int = whole(64, 1, MOST_IMAGES)
    metric: Literal["euclidean", "cosine"] = choice("euclidean", "euclidean", "cosine")
    ap: Literal["standard", "trapezoid"] = choice("standard", "standard", "trapezoid")
    protocol: Literal["market1501", "cross-camera-off"] = choice(
        "market1501", "market1501", "cross-camera-off"
    )


# At most what a signed 32-bit integer holds, as TensorFlow's seeds are.
SEED = whole(0, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is set to; `seed` starts every random draw."""

    seed: int = SEED
    gan: GanConfig = GanConfig()
    backbone: BackboneConfig = BackboneConfig()
    reid: ReidConfig = ReidConfig()
    adapt: AdaptConfig = AdaptConfig()
    translation: TranslationConfig = TranslationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", read_value("seed", SEED, self.seed))
        for name, section in SECTIONS.items():
            if not isinstance(getattr(self, name), section):
                raise ConfigError(
                    f"{name}: expected {section.__name__}, found "
                    f"{type(getattr(self, name)).__name__}"
                )


SECTIONS: dict[str, type[Any]] = {
    section.SECTION: section
    for section in (
        GanConfig,
        BackboneConfig,
        ReidConfig,
        AdaptConfig,
        TranslationConfig,
        EvaluationConfig,
    )
}
