"""Networks that start from trained weights: ImageNet's by Keras, or another run's.

For a backbone both ways first settle the config (`resolve_weights`), because weights
ask for the input and the stride position that they were trained with; then a network of
that config takes them (`load_pretrained_backbone`), all of them or none. What a run's
weights were trained with has to stay (`last_stride` 1, `pooling` gem); the new config
may add it, as the field does to ImageNet's weights.
"""

import contextlib
import dataclasses
import logging
import sys

import keras
import numpy as np

from tfipgan.config import BackboneConfig, GanConfig
from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.models.resnet import BLOCK_COUNTS, ResNet
from tfipgan.runs.run import (
    Run,
    load_discriminator,
    load_generator,
    load_reid_network,
    open_run,
)
from tfipgan.weights.variables import assign_all, named_weights

# What Keras subtracts, of RGB values in [0, 255]. The network must subtract the very
# same: zeros are padded after it, so another mean would be seen at the border.
KERAS_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)

_ARCHITECTURE = ("depth", "ibn", "width")
_INPUT = ("stride_first", "mean", "std")
# Values that fit the weights of all networks, and make another network of them.
_KEPT = {"last_stride": 1, "pooling": "gem"}

logger = logging.getLogger(__name__)


def resolve_weights(config: BackboneConfig) -> BackboneConfig:
    """Return the config with `stride_first`, `mean` and `std` as its weights need them.

    "imagenet" sets the first two, a run all three; they are kept in the new run's own
    config, so that its folder needs no other. Nothing is downloaded or loaded here.

    Raises:
        InputError: `weights` is a path where no re-ID run is, or one of a run with
            another depth, ibn or width, or with a last_stride 1 or pooling gem that
            the config has not.
    """
    if config.weights == "none":
        return config
    if config.weights == "imagenet":
        return dataclasses.replace(config, stride_first=True, mean=KERAS_MEAN)
    theirs = dataclasses.asdict(_open(config).config.backbone)
    names = (*_ARCHITECTURE, *_kept(theirs))
    _require_same(config.weights, dataclasses.asdict(config), theirs, names)
    return dataclasses.replace(config, **{name: theirs[name] for name in _INPUT})


def load_pretrained_backbone(network: ReidNetwork, config: BackboneConfig) -> None:
    """Give the network's backbone the weights that `backbone.weights` names.

    A run's p of GeM and its neck are taken where both networks have one; where the new
    one alone has it, it stays as it is.

    Args:
        network: of the config that `resolve_weights` gave; its variables are made.
        config: `weights` is "none" (the backbone stays as it is), "imagenet" (the
            weights of keras.applications, which Keras downloads and keeps) or the
            folder of a re-ID run, trained or imported.

    Raises:
        InputError: the weights can't be fetched; there is no such run; they are of
            another network, or of another input, than the one given.
    """
    if config.weights == "none":
        return
    ours = network.get_config()
    if config.weights == "imagenet":
        name = f"Keras's ImageNet ResNet{config.depth}"
        theirs = dataclasses.asdict(resolve_weights(config))
        names = (*_ARCHITECTURE, "stride_first", "mean")  # any std can be folded in
        _require_same(name, ours, theirs, names)
        values = _from_keras(network, _fetch(config.depth))
        variables = named_weights(network.backbone)
    else:
        name = config.weights
        run = _open(config)
        theirs = dataclasses.asdict(run.config.backbone)
        names = (*_ARCHITECTURE, *_INPUT, *_kept(theirs))
        _require_same(name, ours, theirs, names)
        source = load_reid_network(run)
        variables = _in_common(network, source)
        theirs = _in_common(source, network)
        values = {key: variable.numpy() for key, variable in theirs.items()}
    assign_all(variables, values, f"backbone.weights: {name}")
    logger.info("the backbone starts from %s", name)


def load_pretrained_gan(
    generator: Generator, discriminator: Discriminator, gan: GanConfig
) -> None:
    """Give G and D_dom the weights that `gan.generator_weights` and so on name.

    Args:
        generator, discriminator: their variables are made; "none" leaves one as it is.
        gan: `generator_weights`, `discriminator_weights`: "none" or a GAN run's folder.

    Raises:
        InputError: there is no such run or network in it, or it is of another size or
            number of domains.
    """
    for name, network, folder, load in (
        ("generator", generator, gan.generator_weights, load_generator),
        ("discriminator", discriminator, gan.discriminator_weights, load_discriminator),
    ):
        if folder == "none":
            continue
        option = f"gan.{name}_weights"
        try:
            run = open_run(folder, "gan")
            source = load(run)
        except InputError as error:
            raise InputError(f"{option}: {error}") from error
        found, expected = run.domains.num_domains, network.num_domains
        if found != expected:
            raise InputError(
                f"{option}: the {name} of {folder} has {found} domains, this run has "
                f"{expected} (the target's cameras and the source); give other weights"
            )
        values = {key: v.numpy() for key, v in named_weights(source).items()}
        assign_all(named_weights(network), values, f"{option}: {folder}")
        logger.info("the %s starts from %s", name, folder)


def _open(config: BackboneConfig) -> Run:
    try:
        return open_run(config.weights, "reid")
    except InputError as error:
        raise InputError(
            f"backbone.weights: {error}; it may also be none, or imagenet for a "
            "network that Keras has weights of"
        ) from error


def _kept(theirs):
    """Return the names of the values that the weights of a run ask of a new config."""
    return [name for name, value in _KEPT.items() if theirs[name] == value]


def _in_common(network: ReidNetwork, other: ReidNetwork) -> dict:
    """Return the backbone's variables, and p and the neck's if both networks have them.

    Of the other's backbone nothing is asked: what doesn't fit is an error later.
    """
    other_weights = named_weights(other)
    return {
        name: variable
        for name, variable in named_weights(network).items()
        if name.startswith("backbone.")
        or (name in other_weights and name.startswith(("pooling.", "neck.")))
    }


def _require_same(source, ours, theirs, names):
    for name in names:
        if ours[name] != theirs[name]:
            found, expected = _as_yaml(theirs[name]), _as_yaml(ours[name])
            raise InputError(
                f"backbone.weights: the backbone of {source} has {name} {found}, this "
                f"network has {expected}: set backbone.{name} to {found}, or give "
                "other weights"
            )


def _as_yaml(value):
    return "none" if value is None else list(value) if type(value) is tuple else value


def _fetch(depth: int) -> keras.Model:
    """Return Keras's network of ImageNet weights, without its classifier."""
    maker = {50: keras.applications.ResNet50, 101: keras.applications.ResNet101}[depth]
    try:
        # Keras shows its download on stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            return maker(weights="imagenet", include_top=False)
    # Not narrower: Keras raises plain Exception where a download fails.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"backbone.weights: Keras's ImageNet weights of ResNet{depth} can't be "
            f"fetched ({reason}); without a network set it to a re-ID run's folder, or "
            "to none"
        ) from error


def _from_keras(network: ReidNetwork, source: keras.Model) -> dict[str, np.ndarray]:
    """Return what the backbone's variables become, and what found no place there.

    Folded in are the convolutions' biases, the other epsilon of Keras's batch
    normalisation, and its input: BGR in [0, 255] less the mean, where ours is RGB in
    [0, 1] less the mean, divided by the deviation.
    """
    backbone = network.backbone
    names = {id(variable): name for name, variable in named_weights(backbone).items()}
    layers = {layer.name: layer for layer in source.layers if layer.weights}
    values = {}
    for prefix, convolution, norm in _convolutions(backbone):
        pair = f"{prefix}_conv", f"{prefix}_bn"
        if not layers.keys() >= set(pair):
            continue  # the variables that are left without a value are named later
        their_convolution, their_norm = (layers.pop(name) for name in pair)
        kernel, bias = their_convolution.get_weights()
        gamma, beta, mean, variance = their_norm.get_weights()
        if convolution is backbone.stem:
            scale = 255 * np.asarray(network.std, np.float32)
            kernel = kernel[:, :, ::-1] * scale[:, np.newaxis]
        for variable, value in (
            (convolution.kernel, kernel),
            (norm.gamma, gamma),
            (norm.beta, beta),
            (norm.moving_mean, mean - bias),
            (norm.moving_variance, variance + (their_norm.epsilon - norm.epsilon)),
        ):
            values[names[id(variable)]] = value
    unused = {name: layers[name].get_weights()[0] for name in sorted(layers)}
    return {**values, **unused}


def _convolutions(backbone: ResNet):
    """Yield (Keras's prefix, convolution, its normalisation) of the whole backbone."""
    yield "conv1", backbone.stem, backbone.stem_norm
    units = iter(backbone.blocks)
    for stack, count in enumerate(BLOCK_COUNTS[backbone.depth], 2):
        for block in range(1, count + 1):
            unit = next(units)
            prefix = f"conv{stack}_block{block}"
            if unit.projection is not None:
                yield f"{prefix}_0", unit.projection, unit.projection_norm
            pairs = zip(unit.convolutions, unit.norms, strict=True)
            for place, (convolution, norm) in enumerate(pairs, 1):
                yield f"{prefix}_{place}", convolution, norm
