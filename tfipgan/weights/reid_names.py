"""Where public re-ID checkpoints have their parts: backbone, pooling, neck, classifier.

BoT (michuanhaohao/reid-strong-baseline), fast-reid, torchreid, OpenUnReID, and
cluster-contrast with its relatives put a ResNet of torchvision's or IBN-Net's names
under a name of their own, beside what follows it.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tfipgan.errors import InputError, shorten_name

# The batch norm that makes the feature of what is pooled; of fast-reid, OpenUnReID.
_NECKS = ("bottleneck", "bnneck", "feat_bn", "heads.bottleneck.0", "heads.bnneck",
          "head.feat_bn")  # fmt: skip
# GeM's power.
_POWERS = ("gap.p", "gem.p", "pool.p", "pool_layer.p", "global_pool.p",
           "global_pooling.p", "heads.pool_layer.p")  # fmt: skip
# Other layers between what is pooled and the feature.
_EMBEDDINGS = (r"fc\.\d", r"feat\.", r"head\.feat_reduction\.", r"heads\.bottleneck\.")
# What no feature passes.
_UNUSED = (r"fc\.(weight|bias)$", r"classifier\.", r"heads\.(weight$|classifier\.)")
# A backbone that is a row of modules has them by their places; the one at 2 is a ReLU.
_IN_A_ROW = {"0": "conv1", "1": "bn1"} | {str(3 + i): f"layer{i}" for i in range(1, 5)}

logger = logging.getLogger(__name__)


@dataclass
class ReidState:
    """The parts of a re-ID checkpoint; arrays as the file has them, in its layout.

    Attributes:
        backbone: by the names of torchvision and IBN-Net; with all that nothing is
            known of, by the file's names.
        powers: GeM's p by its name in the file; at most one.
        necks: {weight, bias, running_mean, running_var}, as far as they are there, by
            the neck's name in the file; at most one.
        embedding: names of other layers that its feature passes.
    """

    backbone: dict[str, np.ndarray] = field(default_factory=dict)
    powers: dict[str, np.ndarray] = field(default_factory=dict)
    necks: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    embedding: list[str] = field(default_factory=list)


def split_reid_state(
    path: str | os.PathLike,
    state: Mapping[str, np.ndarray],
    ignore: Sequence[str] = (),
) -> ReidState:
    """Return the parts of a checkpoint; what is taken off names is logged.

    Args:
        path: of the file, for messages.
        state: as `read_state_dict` gives it.
        ignore: beginnings of names outside of the backbone to leave out.

    Raises:
        InputError: several backbones, necks or powers; a backbone whose stem has no
            ReLU.
    """
    ignored = tuple(ignore)
    outer = _outer(state)
    own = {name.removeprefix(outer): array for name, array in state.items()}
    prefix, in_a_row = _backbone(path, [n for n in own if not n.startswith(ignored)])
    if outer + prefix:
        logger.info("%r is taken off the backbone's names of %s", outer + prefix, path)
    parts = ReidState()
    for name, array in own.items():
        if prefix and name.startswith(prefix):
            pass
        elif name.startswith(ignored) or _is_one(name, _UNUSED):
            continue
        elif name in _POWERS:
            parts.powers[name] = array
            continue
        elif name.rpartition(".")[0] in _NECKS and np.ndim(array) < 2:
            neck, _, leaf = name.rpartition(".")
            parts.necks.setdefault(neck, {})[leaf] = array
            continue
        elif _is_one(name, _EMBEDDINGS):
            parts.embedding.append(name)
            continue
        place, dot, rest = name.removeprefix(prefix).partition(".")
        place = _IN_A_ROW.get(place, place) if in_a_row else place
        parts.backbone[place + dot + rest] = array
    _require_one(path, "powers of GeM", parts.powers)
    _require_one(path, "necks", parts.necks)
    if any(name.startswith("heads.") for name in own):
        logger.warning(
            "%s is named as fast-reid's networks, whose max pooling begins a pixel "
            "further down and right than torchvision's, which is ours: features "
            "will be near theirs, and not the same",
            path,
        )
    return parts


def _outer(names):
    """Return what stands before every name, such as "model."; "" if nothing does."""
    common = os.path.commonprefix(list(names))
    # Not a part of a name, and not the only name there is.
    return common[: common.rfind(".") + 1] if len(names) > 1 else ""


def _backbone(path, names):
    """Return what is before the backbone's own names, and whether it is a row."""
    known = set(names)

    def prefixes(first, *others):
        return [
            name.removesuffix(first)
            for name in names
            if name.endswith(first)
            and (name == first or name[: -len(first)].endswith("."))
            and all(name.removesuffix(first) + other in known for other in others)
        ]

    named = prefixes("layer1.0.conv1.weight")
    rows = prefixes("0.weight", "4.0.conv1.weight", "7.0.conv1.weight")
    if not named and not rows:
        without = prefixes("0.weight", "3.0.conv1.weight", "6.0.conv1.weight")
        if without:
            raise InputError(
                f"{path} has {without[0]}3 where a backbone with a ReLU before its max "
                f"pooling has {without[0]}4: it was trained without that ReLU, which "
                "no network here leaves out; give weights of a network that has it"
            )
    _require_one(path, "backbones", [*named, *rows])
    return next(iter([*named, *rows]), ""), bool(rows)


def _is_one(name, patterns):
    return any(re.match(pattern, name) for pattern in patterns)


def _require_one(path, what, found):
    if len(found) > 1:
        names = ", ".join(shorten_name(name) for name in found)
        raise InputError(
            f"{path} has {len(found)} {what} ({names}), expected one: leave the others "
            "out by --ignore"
        )
