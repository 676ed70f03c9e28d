"""Backbones that start from trained weights: ImageNet's by Keras, or another run's.

Both ways first settle the config (`resolve_weights`), because weights ask for the input
and the stride position that they were trained with; then a network of that config takes
them (`load_pretrained_backbone`), all of them or none.
"""

import contextlib
import dataclasses
import logging
import sys

import keras
import numpy as np

from tfipgan.config import ReidConfig
from tfipgan.errors import InputError
from tfipgan.models import ReidNetwork
from tfipgan.models.resnet import BLOCK_COUNTS, ResNet
from tfipgan.runs import Run, load_reid_network, open_run
from tfipgan.variables import named_variables

# What Keras subtracts, of RGB values in [0, 255]. The network must subtract the very
# same: zeros are padded after it, so another mean would be seen at the border.
KERAS_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)

_ARCHITECTURE = ("depth", "ibn", "width")
_INPUT = ("stride_first", "mean", "std")

logger = logging.getLogger(__name__)


def resolve_weights(reid: ReidConfig) -> ReidConfig:
    """Return the config with `stride_first`, `mean` and `std` as its weights need them.

    "imagenet" sets the first two, a run all three; they are kept in the new run's own
    config, so that its folder needs no other. Nothing is downloaded or loaded here.

    Raises:
        InputError: `weights` is a path where no re-ID run is, or one of a run with
            another depth, ibn or width.
    """
    if reid.weights == "none":
        return reid
    if reid.weights == "imagenet":
        return dataclasses.replace(reid, stride_first=True, mean=KERAS_MEAN)
    theirs = dataclasses.asdict(_open(reid).config.reid)
    _require_same(reid.weights, dataclasses.asdict(reid), theirs, _ARCHITECTURE)
    return dataclasses.replace(reid, **{name: theirs[name] for name in _INPUT})


def load_pretrained_backbone(network: ReidNetwork, reid: ReidConfig) -> None:
    """Give the network's backbone the weights that `reid.weights` names.

    Args:
        network: of the config that `resolve_weights` gave; its variables are made.
        reid: `weights` is "none" (the backbone stays as it is), "imagenet" (the
            weights of keras.applications, which Keras downloads and keeps) or the
            folder of a re-ID run.

    Raises:
        InputError: the weights can't be fetched; there is no such run; they are of
            another network, or of another input, than the one given.
    """
    if reid.weights == "none":
        return
    ours = network.get_config()
    if reid.weights == "imagenet":
        name = f"Keras's ImageNet ResNet{reid.depth}"
        theirs = dataclasses.asdict(resolve_weights(reid))
        names = (*_ARCHITECTURE, "stride_first", "mean")  # any std can be folded in
        _require_same(name, ours, theirs, names)
        values, unused = _from_keras(network, _fetch(reid.depth))
    else:
        name = reid.weights
        run = _open(reid)
        theirs = dataclasses.asdict(run.config.reid)
        _require_same(name, ours, theirs, (*_ARCHITECTURE, *_INPUT))
        source = named_variables(load_reid_network(run).backbone)
        values = {key: variable.numpy() for key, variable in source.items()}
        unused = []
    _assign(network.backbone, values, unused, name)
    logger.info("the backbone starts from %s", name)


def _open(reid: ReidConfig) -> Run:
    try:
        return open_run(reid.weights, "reid")
    except InputError as error:
        raise InputError(
            f"reid.weights: {error}; it may also be none, or imagenet for a network "
            "that Keras has weights of"
        ) from error


def _require_same(source, ours, theirs, names):
    for name in names:
        if ours[name] != theirs[name]:
            found, expected = _as_yaml(theirs[name]), _as_yaml(ours[name])
            raise InputError(
                f"reid.weights: the backbone of {source} has {name} {found}, this "
                f"network has {expected}: set reid.{name} to {found}, or give other "
                "weights"
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
            f"reid.weights: Keras's ImageNet weights of ResNet{depth} can't be fetched "
            f"({reason}); without a network set it to a re-ID run's folder, or to none"
        ) from error


def _from_keras(network: ReidNetwork, source: keras.Model):
    """Return what the backbone's variables become, and the source's unused names.

    Folded in are the convolutions' biases, the other epsilon of Keras's batch
    normalisation, and its input: BGR in [0, 255] less the mean, where ours is RGB in
    [0, 1] less the mean, divided by the deviation.
    """
    backbone = network.backbone
    names = {
        id(variable): name
        for variable, name in zip(
            backbone.variables, named_variables(backbone), strict=True
        )
    }
    layers = {layer.name: layer for layer in source.layers if layer.weights}
    values = {}
    for prefix, convolution, norm in _convolutions(backbone):
        pair = f"{prefix}_conv", f"{prefix}_bn"
        if not layers.keys() >= set(pair):
            continue  # `_assign` names the variables that are left without a value
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
    return values, sorted(layers)


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


def _assign(backbone: ResNet, values, unused, source) -> None:
    """Assign every variable its value; raise InputError, before any, if one is amiss"""
    targets = named_variables(backbone)
    amiss = {
        "missing": [name for name in targets if name not in values],
        "unused": [*unused, *(name for name in values if name not in targets)],
        "of another shape": [
            f"{name} {values[name].shape} for {tuple(variable.shape)}"
            for name, variable in targets.items()
            if name in values and values[name].shape != tuple(variable.shape)
        ],
    }
    if any(amiss.values()):
        listed = "; ".join(
            f"{what}: {', '.join(names)}" for what, names in amiss.items() if names
        )
        raise InputError(
            f"reid.weights: {source} does not fit the backbone to the last variable, "
            f"so none was taken ({listed}); give other weights"
        )
    for name, variable in targets.items():
        variable.assign(values[name])
