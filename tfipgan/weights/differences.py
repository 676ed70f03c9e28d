"""What the names and shapes of a network's variables tell about it, in plain words."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from tfipgan.models.resnet import BLOCK_COUNTS, BOTTLENECK_DEPTHS

Shapes = Mapping[str, tuple[int, ...]]


def describe_differences(found: Shapes, expected: Shapes) -> list[str]:
    """Say how one network differs from another, such as "8 domains, expected 7".

    Args:
        found, expected: shapes by the names of
            `tfipgan.weights.variables.named_weights`, which may be any others too.

    Returns:
        A phrase for each difference that has a name; a list that may be empty.
    """
    theirs, ours = _summary(found), _summary(expected)
    if theirs is None or ours is None:
        return []
    if theirs.kind != ours.kind:
        # Networks of two kinds have nothing else to compare.
        return [f"{theirs.kind}, expected {ours.kind}"]
    pairs = [(name, theirs.traits[name], ours.traits[name]) for name in ours.traits]
    return [
        f"{_PHRASES[name].format(one)}, expected {other}"
        for name, one, other in pairs
        if None not in (one, other) and one != other
    ]


class _Summary(NamedTuple):
    """What the shapes of a network tell: its kind, and traits (None if unknown)."""

    kind: str
    traits: dict[str, object]


# How a message names a trait.
_PHRASES = {
    "domains": "{} domains",
    "conditioning": "conditioning {}",
    "width": "width {}",
    "residual blocks": "{} residual blocks",
    "residual": "residual {}",
    "upsampling": "upsampling {}",
    "layers": "{} layers",
    "image size": "images of {}",
    "depth": "depth {}",
    "ibn": "ibn {}",
    "identities": "{} identities",
    "pooling": "pooling {}",
    "neck": "neck {}",
    "fc units": "{} values before the classifier",
}


def _summary(shapes: Shapes) -> _Summary | None:
    """Return what the shapes tell; None if the network is of no known kind."""
    shapes = {name.removeprefix("backbone."): shapes[name] for name in shapes}

    def size(name, axis):
        shape = shapes.get(name, ())
        return shape[axis] if -len(shape) <= axis < len(shape) else None

    if "up.0.kernel" in shapes:
        channels = size("stem.kernel", 2)
        domains = size("stem_affine.gamma", 0)
        return _Summary(
            "a generator",
            {
                "domains": domains or (channels and channels - 3),
                "conditioning": "normalization" if domains else "planes",
                "width": size("stem.kernel", -1),
                "residual blocks": _count(shapes, r"blocks\.\d+\.conv1\.kernel"),
                "residual": str("to_residual.kernel" in shapes).lower(),
                "upsampling": "resize" if size("up.0.kernel", 0) == 3 else "transposed",
            },
        )
    if "to_domain.kernel" in shapes:
        layers = _count(shapes, r"down\.\d+\.kernel")
        sides = size("to_domain.kernel", 0), size("to_domain.kernel", 1)
        images = None
        if None not in sides:
            images = "x".join(str(side * 2**layers) for side in sides)
        return _Summary(
            "a discriminator",
            {
                "domains": size("to_domain.kernel", -1),
                "width": size("down.0.kernel", -1),
                "layers": layers,
                "image size": images,
            },
        )
    if "blocks.0.convolutions.0.kernel" in shapes:
        ibn = "none"
        if "blocks.0.norms.0.instance.gamma" in shapes:
            ibn = "a"
        elif _count(shapes, r"blocks\.\d+\.output_norm\.gamma"):
            ibn = "b"
        return _Summary(
            "a re-ID network",
            {
                "depth": _depth(shapes),
                "ibn": ibn,
                "width": size("stem.kernel", -1),
                "identities": size("head.classifier.kernel", -1),
                "pooling": "gem" if "pooling.p" in shapes else "avg",
                "neck": "bnneck" if "neck.gamma" in shapes else "none",
                "fc units": size("head.embedding.kernel", -1),
            },
        )
    return None


def _depth(shapes: Shapes) -> int | None:
    blocks = _count(shapes, r"blocks\.\d+\.convolutions\.0\.kernel")
    bottleneck = "blocks.0.convolutions.2.kernel" in shapes
    for depth, counts in BLOCK_COUNTS.items():
        if sum(counts) == blocks and bottleneck == (depth in BOTTLENECK_DEPTHS):
            return depth
    return None


def _count(shapes: Shapes, pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, name)) for name in shapes)
