"""What a run is set to: frozen dataclasses, one for each section of a config file.

Their defaults are those of configs/base.yaml, which says where each value comes from.
Every instance is read (checked) by pydantic when it is made.
"""

from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from tfipgan.config.fields import (
    LONGEST_SIDE,
    NONE_WORD,
    RISING,
    Channels,
    Fraction,
    FractionOrNone,
    ImageSize,
    NotNegative,
    Positive,
    PositiveChannels,
    Probability,
    Switch,
    Text,
    none_or,
    whole,
)
from tfipgan.config.gan_checks import check_method
from tfipgan.config.messages import config_error
from tfipgan.errors import ConfigError

# More is a slip, or a config from elsewhere that is to take the memory.
MOST_CHANNELS = 4096
MOST_LAYERS = 12
MOST_IMAGES = 2**16
MOST_EPOCHS = 10**6

_Images = Annotated[int, whole(1, MOST_IMAGES)]
_ImagesOrNone = Annotated[
    _Images | None,
    NONE_WORD,
    none_or(f"none or a whole number from 1 to {MOST_IMAGES}"),
]
_Epochs = Annotated[int, whole(1, MOST_EPOCHS)]
_EpochsOr0 = Annotated[int, whole(0, MOST_EPOCHS)]
_EpochList = Annotated[
    _EpochsOr0 | tuple[_EpochsOr0, ...],
    RISING,
    Field(
        description=f"a whole number from 0 to {MOST_EPOCHS}, or a list of such that "
        "rise"
    ),
]
_Width = Annotated[int, whole(1, MOST_CHANNELS)]
_Ibn = Annotated[Literal["a", "b"] | None, NONE_WORD, none_or("one of none, a, b")]
_Distance = Annotated[
    Literal["camera_aware", "plain"] | None,
    NONE_WORD,
    none_or("one of none, camera_aware, plain"),
]
_Margin = Annotated[
    Literal["soft"] | NotNegative | None,
    NONE_WORD,
    none_or("none, soft or a number of at least 0"),
]
_Weights = Annotated[Text, Field(description="none or a path")]
_Precision = Literal["float32", "bfloat16"]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def _section(cls: type[_T]) -> type[_T]:
    """Make a frozen dataclass that pydantic validates; its errors are ConfigErrors.

    `dataclasses.replace` reads the values of its copy too.
    """
    section = cls.__name__.removesuffix("Config").lower()
    section_class: Any = dataclass(
        frozen=True, slots=True, config=ConfigDict(extra="forbid")
    )(cls)
    validated_init = section_class.__init__

    def __init__(self: Any, **values: Any) -> None:
        try:
            validated_init(self, **values)
        except ValidationError as error:
            raise config_error(error, section_class, section, values) from None

    section_class.__init__ = __init__
    return section_class


@_section
class GanConfig:
    """Generator, domain discriminator and their training (paper section 3.2 and 4.2).

    Sizes are (height, width) in pixels; the epochs are those of the joint set of
    source and target images; `learning_rate` is constant for `constant_epochs` and then
    falls linearly to 0 over `decay_epochs`. `lambda_semantic` 0 is StarGAN.
    `residual` adds the image before the generator's tanh; `upsampling` is by
    "transposed" convolutions or a "resize" before plain ones; G is told the domain by
    "planes" beside the image or by "normalization", each domain's scales and shifts.
    `target_domains` "cameras" makes each camera of the target a domain; with "one" the
    whole target is one, and an image has one translation.
    `method` "cyclegan" trains two generators without domains, from the source to the
    whole target and back, and two patch discriminators; `lambda_identity`, a part of
    `lambda_reconstruction`, and `pool_size`, in images, are its own. "spgan" trains a
    SiaNet of `siamese_layers` blocks beside, "camstyle" a CycleGAN for each camera.
    `generator_weights` and `discriminator_weights` are "none" or the folder of a GAN
    run, trained or imported, to start from. `precision` and `jit_compile` are the
    training step's: what it computes in, and whether XLA compiles it.
    """

    method: Literal["stargan", "cyclegan", "spgan", "camstyle"] = "stargan"
    image_size: ImageSize = (128, 64)
    width: _Width = 64
    num_blocks: Annotated[int, whole(1, 256)] = 6
    residual: Switch = False
    upsampling: Literal["transposed", "resize"] = "transposed"
    conditioning: Literal["planes", "normalization"] = "planes"
    num_layers: Annotated[int, whole(1, MOST_LAYERS)] = 6
    target_domains: Literal["cameras", "one"] = "cameras"
    adversarial: Literal["wgan-gp", "vanilla"] = "wgan-gp"
    n_critic: Annotated[int, whole(1, 1000)] = 5
    batch_size: _Images = 16
    constant_epochs: _EpochsOr0 = 100
    decay_epochs: _EpochsOr0 = 100
    learning_rate: Positive = 1e-4
    beta_1: Fraction = 0.5
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8
    lambda_domain: NotNegative = 1.0
    lambda_reconstruction: NotNegative = 10.0
    lambda_identity: NotNegative = 0.5
    pool_size: Annotated[int, whole(0, MOST_IMAGES)] = 50
    lambda_siamese: NotNegative = 2.0
    siamese_margin: Positive = 2.0
    siamese_layers: Annotated[int, whole(1, MOST_LAYERS)] = 3
    lambda_semantic: NotNegative = 1.0
    lambda_gradient_penalty: NotNegative = 10.0
    generator_weights: _Weights = "none"
    discriminator_weights: _Weights = "none"
    random_flip: Switch = True
    sample_every_epochs: _Epochs = 5
    checkpoint_every_epochs: _Epochs = 5
    precision: _Precision = "float32"
    jit_compile: Switch = False

    def __post_init__(self) -> None:
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
        check_method(self)
        if self.constant_epochs + self.decay_epochs < 1:
            raise ConfigError(
                "gan.constant_epochs, gan.decay_epochs: expected at least 1 epoch in "
                "all, found 0 and 0"
            )


@_section
class BackboneConfig:
    """The re-ID network up to pool5, and what it starts from.

    `ibn` is None, "a" or "b". `weights` is "none", "imagenet" or the folder of a re-ID
    run, trained or imported, relative to the working directory. `stride_first` puts the
    stride of a bottleneck on its first convolution; `mean` and `std` are those of RGB
    values in [0, 1]. Weights bring these three: a run's folder all of them, "imagenet"
    all but `std` (`tfipgan.runs.pretrained`). `last_stride` is that of the last stack;
    `pooling` is the mean over the last map, or the generalised mean.
    """

    depth: Literal[18, 34, 50, 101] = 50
    ibn: _Ibn = None
    width: _Width = 64
    weights: Annotated[Text, Field(description="none, imagenet or a path")] = "none"
    stride_first: Switch = False
    last_stride: Literal[1, 2] = 2
    pooling: Literal["avg", "gem"] = "avg"
    mean: Channels = (0.485, 0.456, 0.406)
    std: PositiveChannels = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        fits = self.depth in (50, 101) and self.ibn is None and self.width == 64
        if self.weights == "imagenet" and not fits:
            raise ConfigError(
                "backbone.weights: imagenet is for depth 50 or 101, ibn none and width "
                f"64, found depth {self.depth}, ibn {self.ibn or 'none'} and width "
                f"{self.width}; give none, or the folder of a re-ID run of that "
                "network (`tfipgan import-weights` makes one of a checkpoint)"
            )


@_section
class ReidConfig:
    """Training of the re-ID network; the semantic discriminator is one too.

    Sizes are (height, width) in pixels. `learning_rate` is for the new layers,
    `backbone_learning_rate` for the rest; by the `schedule` "steps" both are multiplied
    by `decay_factor` after `decay_epoch` epochs, or after each of several. With
    `held_out_identities` above 0 that many source identities are left out of training
    and choose the best checkpoint by their mAP. `pad_crop` is in pixels,
    `random_erasing` a probability (`tfipgan.data.augment`). `neck` is "bnneck" for
    batch norm before a classifier without the fully connected layer of `fc_units` and
    its `dropout`, which are then unused. A `translated_label_smoothing` above 0 stands
    for `label_smoothing` where translated images are trained on. `labels` says what the
    classes are: with "camera" it is a classifier of cameras. `precision` and
    `jit_compile` are as the GAN's.

    A `triplet_margin` that is not None adds the batch-hard triplet loss: a hinge with
    that margin, or "soft". The `sampler` "identities" makes batches of
    `images_per_identity` images of each person. `frozen_stages` is how many of conv1
    to conv5_x stay as they are; with `frozen_batch_norm` the backbone normalises by
    the statistics that it came with.
    """

    image_size: ImageSize = (256, 128)
    fc_units: _Width = 1024
    dropout: Fraction = 0.5
    neck: Literal["none", "bnneck"] = "none"
    batch_size: _Images = 128
    epochs: _Epochs = 50
    learning_rate: Positive = 0.1
    backbone_learning_rate: NotNegative = 0.01
    warmup_epochs: _EpochsOr0 = 0
    schedule: Literal["steps", "cosine"] = "steps"
    decay_epoch: _EpochList = 40
    decay_factor: Positive = 0.1
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: Fraction = 0.9
    weight_decay: NotNegative = 5e-4
    label_smoothing: Fraction = 0.0
    translated_label_smoothing: Fraction = 0.0
    triplet_margin: _Margin = None
    sampler: Literal["shuffle", "identities"] = "shuffle"
    images_per_identity: _Images = 4
    frozen_stages: Annotated[int, whole(0, 5)] = 0
    frozen_batch_norm: Switch = False
    random_sized_crop: Switch = True
    random_flip: Switch = True
    pad_crop: Annotated[int, whole(0, LONGEST_SIDE)] = 0
    color_jitter: Fraction = 0.0
    random_erasing: Probability = 0.0
    labels: Literal["person", "camera"] = "person"
    held_out_identities: Annotated[int, whole(0, 10**9)] = 0
    precision: _Precision = "float32"
    jit_compile: Switch = False

    def __post_init__(self) -> None:
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


@_section
class AdaptConfig:
    """Going on from a re-ID run on an unlabelled target (`tfipgan.training.adapt`).

    An epoch clusters all images anew and then has `steps` updates, with batches of
    `batch_clusters` x `images_per_cluster` images. `distance` and the values to
    `min_samples` are those of `tfipgan.clustering`; None of them is chosen by the data.
    `lambda_camera` weighs the inter-camera proxies, 0 leaves them out. `decay_epoch`,
    `pad_crop`, `random_erasing` and `precision` are as in `ReidConfig`.
    """

    epochs: _Epochs = 50
    steps: _Epochs = 200
    batch_clusters: Annotated[int, whole(2, MOST_IMAGES)] = 16
    images_per_cluster: _Images = 16
    distance: _Distance = None
    k: _ImagesOrNone = None
    k_intra: _ImagesOrNone = None
    k_inter: _ImagesOrNone = None
    eps: FractionOrNone = None
    min_samples: _Images = 4
    temperature: Positive = 0.05
    memory_momentum: Fraction = 0.1
    lambda_camera: NotNegative = 0.5
    camera_temperature: Positive = 0.07
    camera_negatives: _Images = 50
    learning_rate: Positive = 3.5e-4
    decay_epoch: _EpochList = (20, 40)
    decay_factor: Positive = 0.1
    weight_decay: NotNegative = 5e-4
    random_flip: Switch = True
    pad_crop: Annotated[int, whole(0, LONGEST_SIDE)] = 10
    random_erasing: Probability = 0.5
    sheet_every_epochs: _Epochs = 5
    precision: _Precision = "float32"


@_section
class PulConfig:
    """Going on from a re-ID run by k-means (`tfipgan.training.pul`).

    A round makes `clusters`, of which images with a cosine of `reliability` or more to
    the centre count, and then has `steps` updates by SGD, with `dropout` before the
    classifier. Images are changed as `AdaptConfig` says, which has the precision too.
    """

    rounds: _Epochs = 25
    steps: _Epochs = 16000
    clusters: Annotated[int, whole(2, MOST_IMAGES)] = 750
    reliability: Probability = 0.85
    batch_size: Annotated[int, whole(2, MOST_IMAGES)] = 16
    learning_rate: Positive = 1e-3
    momentum: Fraction = 0.9
    dropout: Fraction = 0.5


@_section
class TranslationConfig:
    """How the translated set is written; `quality` (1 to 100) is the JPEG's."""

    batch_size: _Images = 32
    format: Literal["jpeg", "png"] = "jpeg"
    quality: Annotated[int, whole(1, 100)] = 95


@_section
class EvaluationConfig:
    """How features are extracted and ranked."""

    batch_size: _Images = 64
    metric: Literal["euclidean", "cosine"] = "euclidean"
    ap: Literal["standard", "trapezoid"] = "standard"
    protocol: Literal["market1501", "cross-camera-off"] = "market1501"


@_section
class Config:
    """All that a run is set to; `seed` starts every random draw."""

    # At most what a signed 32-bit integer holds, as TensorFlow's seeds are.
    seed: Annotated[int, whole(0, 2**31 - 1)] = 0
    gan: GanConfig = GanConfig()
    backbone: BackboneConfig = BackboneConfig()
    reid: ReidConfig = ReidConfig()
    adapt: AdaptConfig = AdaptConfig()
    pul: PulConfig = PulConfig()
    translation: TranslationConfig = TranslationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
