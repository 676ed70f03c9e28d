"""Re-ID checkpoints' parts, by the names that public projects give them."""

import logging

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.weights.reid_names import split_reid_state

# As much of a ResNet as is looked at.
RESNET = ("conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer4.0.conv1.weight")
# The same where convolution, norm, ReLU, pooling and layers are a row.
ROW = ("0.weight", "1.bias", "4.0.conv1.weight", "7.0.conv1.weight")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def state(*names):
    return {name: np.zeros(2) for name in names}


def norm(name):
    return [f"{name}.{leaf}" for leaf in NORM]


def under(prefix, names=RESNET):
    return [prefix + name for name in names]


@pytest.mark.parametrize(
    ("names", "powers", "necks", "embedding"),
    [
        (RESNET, [], [], []),
        ([*RESNET, "fc.weight", "fc.bias"], [], [], []),
        # BoT, its baseline without a neck too
        (
            [*under("base."), *norm("bottleneck"), "classifier.weight"],
            [],
            ["bottleneck"],
            [],
        ),
        # fast-reid, of now and of before
        (
            [*under("backbone."), *norm("heads.bottleneck.0"), "heads.weight",
             "heads.pool_layer.p"],
            ["heads.pool_layer.p"], ["heads.bottleneck.0"], [],
        ),
        (
            [*under("backbone."), *norm("heads.bnneck"), "heads.classifier.weight"],
            [],
            ["heads.bnneck"],
            [],
        ),
        # cluster-contrast, SpCL: "module." is taken off by who reads the file
        (
            [*under("base.", ROW), "gap.p", *norm("feat_bn"), "classifier.weight"],
            ["gap.p"],
            ["feat_bn"],
            [],
        ),
        (
            [*under("base.", ROW), "feat.weight", "feat.bias", *norm("feat_bn")],
            [],
            ["feat_bn"],
            ["feat.weight", "feat.bias"],
        ),
        # OpenUnReID
        (
            [*under("backbone."), "global_pooling.p", *norm("head.feat_bn"),
             "head.feat_reduction.weight", "classifier.weight"],
            ["global_pooling.p"], ["head.feat_bn"], ["head.feat_reduction.weight"],
        ),
        # torchreid with a layer of 512
        (
            [*RESNET, "fc.0.weight", *norm("fc.1"), "classifier.weight"],
            [],
            [],
            ["fc.0.weight", *norm("fc.1")],
        ),
        # all of it in a wrapper
        (
            under("model.", [*under("base."), *norm("bottleneck")]),
            [],
            ["bottleneck"],
            [],
        ),
        (under("net.base."), [], [], []),
        (under("base.", ROW), [], [], []),
    ],
)  # fmt: skip
def test_where_the_parts_are(names, powers, necks, embedding, caplog):
    with caplog.at_level(logging.INFO, "tfipgan"):
        parts = split_reid_state("net.pth", state(*names))
    assert list(parts.backbone) == list(RESNET)
    assert list(parts.powers) == powers
    assert list(parts.necks) == necks
    assert all(list(arrays) == list(NORM) for arrays in parts.necks.values())
    assert parts.embedding == embedding
    outer = names[0].removesuffix("conv1.weight").removesuffix("0.weight")
    told = f"{outer!r} is taken off the backbone's names of net.pth"
    assert (told in caplog.text) == (outer != "")
    heads = any("heads." in name for name in names)
    assert ("max pooling begins a pixel further" in caplog.text) == heads


def test_a_projection_before_the_neck():
    """fast-reid's embedding_dim: a convolution has the neck's place."""
    arrays = state(*under("backbone."), *norm("heads.bottleneck.1"))
    arrays["heads.bottleneck.0.weight"] = np.zeros((4, 2, 1, 1))
    parts = split_reid_state("net.pth", arrays)
    assert parts.necks == {}
    assert parts.embedding == [*norm("heads.bottleneck.1"), "heads.bottleneck.0.weight"]


def test_what_is_not_known_stays_in():
    names = [*under("backbone."), "backbone.NL_2.0.g.weight", "pixel_mean"]
    parts = split_reid_state("net.pth", state(*names))
    assert [*parts.backbone] == [*RESNET, "NL_2.0.g.weight", "pixel_mean"]
    # No backbone is found at all.
    assert [*split_reid_state("net.pth", state("a.b")).backbone] == ["a.b"]
    assert [*split_reid_state("net.pth", {}).backbone] == []


def test_one_of_each():
    two = state(*under("net.backbone."), *under("mean_net.backbone."), "net.head.x")
    expected = r"has 2 backbones \(net.backbone., mean_net.backbone.\), .* by --ignore"
    with pytest.raises(InputError, match=expected):
        split_reid_state("net.pth", two)
    parts = split_reid_state("net.pth", two, ["mean_net.", "net.head"])
    assert [*parts.backbone] == list(RESNET)
    necks = state(*RESNET, *norm("bottleneck"), *norm("feat_bn"))
    with pytest.raises(InputError, match=r"has 2 necks \(bottleneck, feat_bn\)"):
        split_reid_state("net.pth", necks)
    assert [*split_reid_state("net.pth", necks, ["feat_bn."]).necks] == ["bottleneck"]
    with pytest.raises(InputError, match=r"has 2 powers of GeM \(gap.p, gem.p\)"):
        split_reid_state("net.pth", state(*RESNET, "gap.p", "gem.p"))


def test_a_row_without_its_relu():
    """MMT's networks: the layers are at 3 to 6."""
    names = under("base.", ["0.weight", "3.0.conv1.weight", "4.0.conv1.weight",
                            "6.0.conv1.weight"])  # fmt: skip
    with pytest.raises(InputError, match=r"has base\.3 where .* has base\.4: it was"):
        split_reid_state("net.pth", state(*names, "feat_bn.weight"))
