"""What a run is set to: frozen dataclasses, read from YAML with one `base:` key.

A config file holds the sections `gan`, `reid`, `translation`, `evaluation` and the
number `seed`; what it leaves out comes from the file named by its `base:` key (a path
relative to the file, or a packaged config's name), and at the end from the defaults
here, which are those of configs/base.yaml. Every instance is checked when it is made,
by `dataclasses.replace` too. configs/base.yaml says where each value comes from.
"""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal

from tfipgan.config.fields import (
    channels,
    choice,
    fraction,
    ibn_kind,
    image_size_field,
    not_negative,
    positive,
    read_value,
    switch,
    weights_source,
    whole,
)
from tfipgan.config.yaml_files import dump_yaml, parse_yaml, read_yaml
from tfipgan.errors import ConfigError, shorten, shorten_name
from tfipgan.files.output_file import written_aside

# More is a slip, or a config from elsewhere that is to take the memory.
MOST_CHANNELS = 4096
MOST_LAYERS = 12
MOST_IMAGES = 2**16
MOST_EPOCHS = 10**6
PRECISIONS = ("float32", "bfloat16")
# So many files can stand on each other.
MOST_BASES = 20
EXPERIMENT_FILE = "experiment.yaml"

# ---------------------------------------------------------------------- the sections


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
    all but `std` (`tfipgan.runs.pretrained`).
    """

    SECTION: ClassVar[str] = "backbone"

    depth: Literal[18, 34, 50, 101] = choice(50, 18, 34, 50, 101)
    ibn: Literal["a", "b"] | None = ibn_kind(None)
    width: int = whole(64, 1, MOST_CHANNELS)
    weights: str = weights_source("none", "imagenet")
    stride_first: bool = switch(False)
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
    `backbone_learning_rate` for the rest; both are multiplied by `decay_factor` after
    `decay_epoch` epochs. With `held_out_identities` above 0 that many source identities
    are left out of training and choose the best checkpoint by their mAP. `labels` says
    what the classes are: with "camera" it is a classifier of cameras. `precision` and
    `jit_compile` are as the GAN's.
    """

    SECTION: ClassVar[str] = "reid"

    image_size: tuple[int, int] = image_size_field(256, 128)
    fc_units: int = whole(1024, 1, MOST_CHANNELS)
    dropout: float = fraction(0.5)
    batch_size: int = whole(128, 1, MOST_IMAGES)
    epochs: int = whole(50, 1, MOST_EPOCHS)
    learning_rate: float = positive(0.1)
    backbone_learning_rate: float = not_negative(0.01)
    decay_epoch: int = whole(40, 0, MOST_EPOCHS)
    decay_factor: float = positive(0.1)
    momentum: float = fraction(0.9)
    weight_decay: float = not_negative(5e-4)
    random_sized_crop: bool = switch(True)
    random_flip: bool = switch(True)
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
_SEED = whole(0, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is set to; `seed` starts every random draw."""

    seed: int = _SEED
    gan: GanConfig = GanConfig()
    backbone: BackboneConfig = BackboneConfig()
    reid: ReidConfig = ReidConfig()
    translation: TranslationConfig = TranslationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", read_value("seed", _SEED, self.seed))
        for name, section in _SECTIONS.items():
            if not isinstance(getattr(self, name), section):
                raise ConfigError(
                    f"{name}: expected {section.__name__}, found "
                    f"{type(getattr(self, name)).__name__}"
                )


_SECTIONS: dict[str, type[Any]] = {
    section.SECTION: section
    for section in (
        GanConfig,
        BackboneConfig,
        ReidConfig,
        TranslationConfig,
        EvaluationConfig,
    )
}


# ------------------------------------------------------------- from and to plain dicts


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """Read a config from plain nested values, such as a run's saved ones.

    Values that are left out take their defaults.

    Raises:
        ConfigError: An unknown key or a value that can't be used.
    """
    checked = _check_values(values)
    sections = {name: cls(**checked.get(name, {})) for name, cls in _SECTIONS.items()}
    return Config(seed=checked.get("seed", _SEED.default), **sections)


def to_dict(config: Config) -> dict[str, Any]:
    """Give the config as plain numbers, strings, lists and dicts, as YAML holds them"""

    def plain(value: Any) -> Any:
        if value is None:
            return "none"
        return list(value) if isinstance(value, tuple) else value

    sections = {
        name: {
            option.name: plain(getattr(getattr(config, name), option.name))
            for option in dataclasses.fields(section)
        }
        for name, section in _SECTIONS.items()
    }
    return {"seed": config.seed, **sections}


def _check_values(values: Any) -> dict[str, Any]:
    """Read every value given, each on its own; what fits together is checked later."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"expected keys and values (a mapping), found {shorten(values)}"
        )
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key == "seed":
            checked[key] = read_value("seed", _SEED, value)
        elif key in _SECTIONS:
            checked[key] = _check_section(key, value)
        else:
            raise _unknown(shorten_name(key))
    return checked


def _check_section(name: str, values: Any) -> dict[str, Any]:
    if values is None:  # a section whose lines are all commented out
        return {}
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{name}: expected a section of keys, found {shorten(values)}"
        )
    options = {option.name: option for option in dataclasses.fields(_SECTIONS[name])}
    for key in values:
        if key not in options:
            raise _unknown(f"{name}.{shorten_name(key)}")
    return {
        key: read_value(f"{name}.{key}", options[key], value)
        for key, value in values.items()
    }


def _unknown(name: str) -> ConfigError:
    section, _, key = name.rpartition(".")
    names = {
        known: [option.name for option in dataclasses.fields(cls)]
        for known, cls in _SECTIONS.items()
    }
    everywhere = ["seed", *_SECTIONS]
    everywhere += [f"{known}.{option}" for known in names for option in names[known]]
    # A key that stands in the wrong section, or in none, is nearer than a look-alike.
    nearest = [known for known in everywhere if known.rpartition(".")[2] == key]
    if not nearest and section in names:
        alike = difflib.get_close_matches(key, names[section], n=1)
        nearest = [f"{section}.{option}" for option in alike]
    elif not nearest:
        nearest = difflib.get_close_matches(name, everywhere, n=1)
    if nearest:
        return ConfigError(f"unknown key {name}; did you mean {nearest[0]}?")
    known_keys = ", ".join(names.get(section, ["seed", *_SECTIONS]))
    return ConfigError(f"unknown key {name}; known keys are {known_keys}")


# --------------------------------------------------------------------- from YAML files


def packaged_configs() -> tuple[str, ...]:
    """Names of the configs that come with the package, such as `synthetic/ipgan`."""
    root = packaged_folder()
    names = (
        path.relative_to(root).with_suffix("")
        for path in root.rglob("*.yaml")
        # That one says what `tfipgan reproduce` runs of its folder.
        if path.name != EXPERIMENT_FILE
    )
    return tuple(sorted(name.as_posix() for name in names))


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file, its bases and the overrides.

    Args:
        path: A YAML file, or a packaged config's name such as `synthetic/ipgan` or
            `market_to_duke/ipgan.yaml`. A file goes before a packaged name.
        overrides: `section.key=value` (or `seed=value`) with the value in YAML, such as
            `gan.batch_size=8` or `reid.image_size=[128, 64]`. A later one wins.

    Raises:
        ConfigError: A missing or unreadable file, bases in a circle, an unknown key, a
            value that can't be used; the message names the file or the override.
    """
    source = _find(str(path), near=None)
    values = _read_file(source, ())
    for override in overrides:
        given = _read_override(override)
        try:
            given = _check_values(given)
        except ConfigError as error:
            raise ConfigError(f"--set {shorten_name(override)}: {error}") from None
        values = _merge(values, given)
    try:
        return config_from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def load_saved_config(path: str | Path) -> Config:
    """Read what `save_config` wrote. It stands on no other file: `base:` is refused.

    Raises:
        ConfigError: No file, or another key or value in it than a config's; the message
            names the file.
        OSError: It can't be read.
    """
    if not Path(path).is_file():
        raise ConfigError(f"{path} not found; expected a run folder's config")
    values = read_yaml(Path(path))
    try:
        return config_from_dict({} if values is None else values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def save_config(config: Config, path: str | Path) -> None:
    """Write the whole config as YAML, aside and renamed, for `load_saved_config`."""
    with written_aside(path) as temporary:
        temporary.write_text(dump_yaml(to_dict(config)), encoding="utf-8")


def packaged_folder() -> Path:
    """Give the folder of the configs that come with the package."""
    return Path(str(files("tfipgan.configs")))


def _find(name: str, near: Path | None) -> Path:
    """The file that `name` stands for, relative to the file `near` or packaged"""
    place = Path(name) if near is None else near.parent / name
    packaged = packaged_folder() / name
    for candidate in (place, packaged, packaged.parent / f"{packaged.name}.yaml"):
        if candidate.is_file():
            return candidate
    shown = shorten_name(name)
    if place.is_dir():
        problem = f"config {shown} is a folder, expected a YAML file"
    else:
        problem = f"config {shown} not found, expected a YAML file or a packaged name"
    known = packaged_configs()
    nearest = difflib.get_close_matches(name.removesuffix(".yaml"), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"for example {known[-1]}"
    where = "" if near is None else f"{near}: base: "
    raise ConfigError(f"{where}{problem}; {hint}")


def _read_file(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The checked values of a file over those of its bases"""
    chain = (*above, path)
    if path.resolve() in [p.resolve() for p in above]:
        raise ConfigError(
            f"{chain[0]}: the base: keys run in a circle, "
            + " -> ".join(str(p) for p in chain)
        )
    if len(above) > MOST_BASES:
        raise ConfigError(f"{chain[0]}: more than {MOST_BASES} files by base: keys")
    values = read_yaml(path)
    values = {} if values is None else values
    base = values.pop("base", None) if isinstance(values, dict) else None
    if base is not None and not isinstance(base, str):
        raise ConfigError(
            f"{path}: base: expected one file's path, found {shorten(base)}"
        )
    try:
        checked = _check_values(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if base is None:
        return checked
    return _merge(_read_file(_find(base, near=path), chain), checked)


def _read_override(override: str) -> dict[str, Any]:
    name, equals, text = override.partition("=")
    name, shown = name.strip(), shorten_name(override)
    if not equals or not name:
        raise ConfigError(
            f"--set {shown}: expected section.key=value, for example gan.batch_size=8"
        )
    value = parse_yaml(text, f"--set {shown}")
    section, dot, key = name.partition(".")
    # A section that doesn't exist is reported with the key, to find the nearest.
    if dot and section not in _SECTIONS:
        return {name: value}
    return {section: {key: value}} if dot else {section: value}


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for name in _SECTIONS:
        if name in below and name in above:
            merged[name] = {**below[name], **above[name]}
    return merged
