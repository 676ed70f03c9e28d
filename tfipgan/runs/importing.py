"""Runs from public checkpoints: what a file tells of its network, and the run of it."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfipgan.config import BackboneConfig, Config, load_config
from tfipgan.config.sections import MOST_LAYERS
from tfipgan.data.labels import DomainMap
from tfipgan.errors import InputError, shorten_name
from tfipgan.files.output_file import atomic_folder, require_new_folder
from tfipgan.models.from_config import (
    build_discriminator,
    build_generator,
    build_reid_network,
)
from tfipgan.models.resnet import BLOCK_COUNTS, BOTTLENECK_DEPTHS
from tfipgan.runs.run import Run, create_run, open_run
from tfipgan.weights import load_pytorch_state_dict
from tfipgan.weights.checkpoints import save_checkpoint
from tfipgan.weights.pytorch_files import read_state_dict
from tfipgan.weights.reid_names import ReidState, split_reid_state

logger = logging.getLogger(__name__)


def import_generator(
    path: str | os.PathLike,
    out: str | os.PathLike,
    cameras: Sequence[int],
    image_size: tuple[int, int] = (128, 64),
    ignore: Sequence[str] = (),
) -> Run:
    """Make a GAN run, with a generator only, of a StarGAN generator's checkpoint.

    Args:
        path: the file, as `read_state_dict` takes it; width, blocks and number of
            domains are read off its shapes.
        out: the run folder to make.
        cameras: of the network's domains, in their order; the last domain is the
            source. In the run they rise, and the weights have been reordered.
        image_size: (height, width) in pixels to translate at; multiples of 4.
        ignore: beginnings of names to leave out.

    Raises:
        InputError: not such a network; a name missing or unexpected; another number of
            cameras than the network has; `out` is not empty.
    """
    require_new_folder(out)
    state = read_state_dict(path)
    width, channels, _, _ = _shape(path, state, "main.0.weight", "a StarGAN generator")
    domains, places = _domains(path, cameras, channels - 3)
    # Its first three channels are the image's; then one for each domain.
    _reorder(state, "main.0.weight", (0, 1, 2, *(3 + place for place in places)), 1)
    blocks = _count(state, r"main\.(\d+)\.main\.0\.weight")
    base = load_config("base")
    gan = replace(
        base.gan,
        image_size=tuple(image_size),
        width=width,
        num_blocks=max(blocks, 1),
        # A generator takes sizes that six halvings would not.
        num_layers=min(base.gan.num_layers, *map(_halvings, image_size)),
    )
    generator = build_generator(gan, domains.num_domains)
    _load(path, generator, state, ignore)
    config = replace(base, gan=gan)
    return _write(path, out, "gan", config, {"generator": generator}, domains)


def import_discriminator(
    path: str | os.PathLike,
    out: str | os.PathLike,
    cameras: Sequence[int],
    image_size: tuple[int, int] = (128, 64),
    ignore: Sequence[str] = (),
) -> Run:
    """Make a GAN run, with a discriminator only, of a StarGAN discriminator's.

    `gan.discriminator_weights` of a training names it. Arguments and errors are those
    of `import_generator`; the size must be the one the network was made for.
    """
    require_new_folder(out)
    state = read_state_dict(path)
    what = "a StarGAN discriminator"
    width, _, _, _ = _shape(path, state, "main.0.weight", what)
    num_domains, _, *kernel = _shape(path, state, "conv2.weight", what)
    domains, places = _domains(path, cameras, num_domains)
    _reorder(state, "conv2.weight", places, 0)
    num_layers = _count(state, r"main\.(\d+)\.weight")
    if num_layers > MOST_LAYERS:
        raise InputError(
            f"{path} has {num_layers} convolutions, expected a discriminator of at "
            f"most {MOST_LAYERS}"
        )
    own_size = tuple(length * 2**num_layers for length in kernel)
    if own_size != tuple(image_size):
        raise InputError(
            f"{path} is of a discriminator of {own_size[0]}x{own_size[1]} images "
            f"(height x width), not {image_size[0]}x{image_size[1]}: give --image-size "
            f"{own_size[0]}x{own_size[1]}"
        )
    base = load_config("base")
    gan = replace(base.gan, image_size=own_size, width=width, num_layers=num_layers)
    discriminator = build_discriminator(gan, domains.num_domains)
    _load(path, discriminator, state, ignore)
    config = replace(base, gan=gan)
    return _write(path, out, "gan", config, {"discriminator": discriminator}, domains)


def import_resnet(
    path: str | os.PathLike,
    out: str | os.PathLike,
    image_size: tuple[int, int] = (256, 128),
    mean: Sequence[float] = BackboneConfig().mean,
    std: Sequence[float] = BackboneConfig().std,
    ignore: Sequence[str] = (),
    last_stride: int = 2,
    pooling: str = "avg",
    neck: str = "none",
) -> Run:
    """Make a re-ID run, without a classifier, of a ResNet of torchvision or IBN-Net.

    Depth, ibn and width are read off the names and shapes; the classifier is left out
    by name. Re-ID checkpoints have that ResNet within (`split_reid_state`); a log line
    says what else their features pass, and what of it is left out.
    `backbone.weights` of a training names the run; `extract` takes it as it is.

    Args:
        path: the file, as `read_state_dict` takes it.
        out: the run folder to make.
        image_size: (height, width) in pixels to extract features at.
        mean, std: of RGB values in [0, 1], that the network was trained with.
        ignore: beginnings of more names to leave out, such as another head's.
        last_stride, pooling: of `BackboneConfig`; no file knows the first. GeM takes
            the file's p, or 3.
        neck: of `ReidConfig`; "bnneck" takes the file's.

    Raises:
        InputError: not such a network; a name missing or unexpected; a neck that is not
            there, has a shift, or follows another layer; `out` is not empty.
    """
    require_new_folder(out)
    parts = split_reid_state(path, read_state_dict(path), ignore)
    state = parts.backbone
    width, _, _, _ = _shape(path, state, "conv1.weight", "a ResNet")
    backbone = BackboneConfig(
        depth=_depth(path, state),
        ibn=_ibn(state),
        width=width,
        last_stride=last_stride,
        pooling=pooling,
        mean=tuple(mean),
        std=tuple(std),
    )
    base = load_config("base")
    reid = replace(base.reid, image_size=tuple(image_size), neck=neck)
    network = build_reid_network(backbone, reid, None)
    _load(path, network.backbone, state, ignore)
    if pooling == "gem":
        _load_power(path, network.pooling, parts)
    if neck == "bnneck":
        _load_neck(path, network.neck, parts)
    _tell_left_out(path, parts, pooling, neck)
    logger.info("ResNet-%d, ibn %s, width %d", backbone.depth, backbone.ibn, width)
    config = replace(base, backbone=backbone, reid=reid)
    return _write(path, out, "reid", config, {"network": network})


def _shape(path, state, name, what):
    """Return the shape of a convolution's kernel, or say that this isn't `what`."""
    shape = np.shape(state.get(name, 0))
    if len(shape) != 4 or 0 in shape:
        found = ", ".join(map(shorten_name, list(state)[:5]))
        raise InputError(
            f"{path} is not of {what}: expected a kernel {name} of four sizes, found "
            f"{f'shape {shape}' if name in state else f'{len(state)} names ({found})'}"
        )
    return shape


def _count(state, pattern):
    return sum(bool(re.fullmatch(pattern, name)) for name in state)


def _halvings(length):
    """Return how many times a length can be halved."""
    return (length & -length).bit_length() - 1 if length else 0


def _reorder(state, name, places, axis):
    """Take what belongs to the domains of a weight in this order."""
    state[name] = np.take(state[name], places, axis)


def _domains(path, cameras, num_domains):
    """Return the domains in the run's order, and where the file has each of them."""
    if len(cameras) != num_domains - 1:
        raise InputError(
            f"{path} has {num_domains} domains, which is {num_domains - 1} cameras and "
            f"the source; found {len(cameras)} in --cameras"
        )
    # Scripts that sort cameras as text have 1, 10, 11, 2.
    order = sorted(range(len(cameras)), key=cameras.__getitem__)
    domains = DomainMap(tuple(cameras[place] for place in order))
    return domains, (*order, len(cameras))


def _depth(path, state):
    counts = tuple(_count(state, rf"layer{i}\.\d+\.conv1\.weight") for i in range(1, 5))
    has_bottleneck = "layer1.0.conv3.weight" in state
    for depth, known in BLOCK_COUNTS.items():
        if counts == known and has_bottleneck == (depth in BOTTLENECK_DEPTHS):
            return depth
    kind = "bottleneck" if has_bottleneck else "basic"
    raise InputError(
        f"{path} has {', '.join(map(str, counts))} {kind} blocks in its four layers; "
        f"expected a ResNet of depth {', '.join(map(str, BLOCK_COUNTS))}"
    )


def _ibn(state):
    if "layer1.0.bn1.IN.weight" in state:
        return "a"
    return "b" if _count(state, r"layer1\.\d+\.IN\.weight") else None


def _load(path, network, state, ignore):
    try:
        load_pytorch_state_dict(network, state, tuple(ignore))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _load_power(path, pooling, parts: ReidState):
    if not parts.powers:
        logger.info("%s has no p of GeM: it is %g", path, float(pooling.p[0]))
    for name, array in parts.powers.items():
        value = _numbers(path, name, array, 1)
        if value[0] <= 0:
            raise InputError(f"{path}: {name} is {value[0]:g}, expected a p above 0")
        pooling.p.assign(value)


def _load_neck(path, neck, parts: ReidState):
    if parts.embedding:
        raise InputError(
            f"{path} has another layer before its neck ({parts.embedding[0]}), which "
            "a run has no place for: found --neck bnneck, expected none"
        )
    if not parts.necks:
        raise InputError(
            f"{path} has no neck (a batch norm such as bottleneck or feat_bn), found "
            "--neck bnneck: give none, or a checkpoint that has one"
        )
    ((name, arrays),) = parts.necks.items()
    size = neck.gamma.shape[0]
    wanted = ("weight", "running_mean", "running_var")
    missing = [f"{name}.{leaf}" for leaf in wanted if leaf not in arrays]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)} of its neck")
    # Not trained where it is made; only another network has one that is not 0.
    shift = _numbers(path, f"{name}.bias", arrays.get("bias", np.zeros(size)), size)
    if shift.any():
        raise InputError(
            f"{path} has a neck with a shift ({name}.bias is up to "
            f"{abs(shift).max():.3g}), expected 0 as a neck here has it: leave the "
            "neck out by --neck none"
        )
    for leaf, variable in zip(
        wanted, (neck.gamma, neck.moving_mean, neck.moving_variance), strict=True
    ):
        variable.assign(_numbers(path, f"{name}.{leaf}", arrays[leaf], size))


def _numbers(path, name, array, size):
    array = np.asarray(array)
    if array.shape not in ((size,), (1,) * (array.ndim if size == 1 else 0)):
        raise InputError(
            f"{path}: {name} is of shape {array.shape}, expected ({size},)"
        )
    if array.dtype.kind == "f" or array.dtype == tf.bfloat16.as_numpy_dtype:
        values = array.astype(np.float32).reshape(size)
        if np.isfinite(values).all():
            return values
    raise InputError(
        f"{path}: {name} ({array.dtype}) is not of finite floats, as it should be"
    )


def _tell_left_out(path, parts: ReidState, pooling, neck):
    """Warn of what the file's own feature passes and the run's does not."""
    left_out = list(parts.embedding)
    if pooling == "avg":
        left_out += [f"{name} (--pooling gem takes it)" for name in parts.powers]
    if neck == "none":
        left_out += [f"{name} (--neck bnneck takes it)" for name in parts.necks]
    if left_out:
        logger.warning(
            "%s has more between its last map and its feature, which is left out: %s",
            path,
            ", ".join(left_out),
        )


def _write(path, out, kind, config: Config, networks, domains=None) -> Run:
    with atomic_folder(out) as temporary:
        run = create_run(
            temporary, kind, config, domains=domains, imported=Path(path).name
        )
        save_checkpoint(run.checkpoints, 0, networks)
    return open_run(out, kind)
