"""Values that load, and that a training can't work with."""

import re

import pytest

from tfipgan.config import load_config, packaged_configs
from tfipgan.config.training_checks import (
    check_adaptation,
    check_gan_training,
    check_pul,
    check_reid_training,
)
from tfipgan.errors import ConfigError
from tfipgan.experiments.demo import SIZES

TRIPLETS = ("reid.triplet_margin=0.3", "reid.sampler=identities")
# The strong baseline of Luo et al. (2019), as far as it is options here.
TODAY = [
    *TRIPLETS,
    *("reid.optimizer=adam", "reid.learning_rate=3.5e-4", "reid.batch_size=64"),
    *("reid.backbone_learning_rate=3.5e-4", "reid.label_smoothing=0.1"),
    *("reid.epochs=120", "reid.warmup_epochs=10", "reid.decay_epoch=[40, 70]"),
]


@pytest.mark.parametrize("name", packaged_configs())
def test_packaged_configs_are_beyond_doubt(name):
    config = load_config(name)
    assert check_reid_training(config) == check_gan_training(config) == []
    assert check_adaptation(config) == check_pul(config) == []


@pytest.mark.parametrize("size", SIZES)
def test_so_are_the_demos(size):
    config = load_config("synthetic/ipgan_ibn", SIZES[size].overrides)
    assert check_reid_training(config) == check_gan_training(config) == []


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["reid.batch_size=1"], "reid.batch_size: expected at least 2 .* found 1: "),
        (
            ["reid.image_size=[8, 8]", "backbone.ibn=b"],
            r"reid.image_size: expected more than .* b, found \[8, 8\]: instance norm",
        ),
        (
            [*TRIPLETS, "reid.images_per_identity=1"],
            "reid.images_per_identity: expected at least 2 with .*_margin 0.3, found 1",
        ),
        (
            [*TRIPLETS, "reid.batch_size=4"],
            "reid.batch_size: expected at least 2 x .* 0.3, found 4 and 4: a batch has",
        ),
    ],
)
def test_reid_trainings_that_learn_nothing(overrides, expected):
    with pytest.raises(ConfigError, match=expected) as raised:
        check_reid_training(load_config("base", overrides))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["gan.batch_size=1"], "gan.batch_size: expected at least 2 .* found 1: "),
        (
            ["gan.image_size=[4, 4]", "gan.num_layers=2"],
            r"gan.image_size: expected more than \[4, 4\] to train with, found \[4, 4",
        ),
    ],
)
def test_gan_trainings_that_learn_nothing(overrides, expected):
    with pytest.raises(ConfigError, match=expected) as raised:
        check_gan_training(load_config("base", overrides))
    assert "\n" not in str(raised.value)


def test_the_least_that_is_taken():
    overrides = [
        *("reid.batch_size=2", "reid.image_size=[9, 8]", "backbone.ibn=b"),
        *("gan.batch_size=2", "gan.image_size=[8, 4]", "gan.num_layers=2"),
    ]
    config = load_config("base", overrides)
    assert check_reid_training(config) == check_gan_training(config) == []
    # Of IBN-b alone.
    check_reid_training(load_config("base", ["reid.image_size=[8, 8]"]))


NEVER = "reid.decay_epoch is 2 and reid.epochs is 2: the learning rates are never"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["reid.epochs=2", "reid.decay_epoch=2"], [NEVER]),
        (["reid.epochs=2", "reid.decay_epoch=1"], []),
        (["reid.epochs=2", "reid.decay_epoch=2", "reid.decay_factor=1"], []),
        (["reid.decay_epoch=0"], [r"are reid.decay_factor \(0.1\) times those given"]),
        (["reid.decay_epoch=0", "reid.decay_factor=1"], []),
        (TODAY, []),
        ([*TODAY, "reid.schedule=cosine", "reid.epochs=30"], []),
        (
            [*TODAY, "reid.epochs=60"],
            [r"is \[40, 70\] and reid.epochs is 60: .*factor after epoch 70; set"],
        ),
        ([*TODAY, "reid.decay_epoch=[0, 9]"], [r"decay_epoch is \[0, 9\]: the learn"]),
        ([*TODAY, "reid.warmup_epochs=120"], ["warmup_epochs is 120 and .* is 120: "]),
        ([*TODAY, "reid.learning_rate=0.1"], ["is adam with a learning rate of 0.1: "]),
        # Adam divides by the size of what decay adds to.
        ([*TODAY, "reid.weight_decay=10"], []),
        (["reid.triplet_margin=soft"], ["_margin is soft with reid.sampler shuffle: "]),
        (["reid.triplet_margin=0.3", "reid.labels=camera"], []),
        (["reid.sampler=identities", "reid.images_per_identity=1"], []),
        (["reid.frozen_stages=2"], ["frozen_stages is 2 and backbone.weights none: "]),
        (["reid.frozen_batch_norm=true"], ["frozen_batch_norm is true and backbone.w"]),
        (
            [
                "backbone.weights=runs/other",
                "reid.frozen_stages=2",
                "reid.frozen_batch_norm=true",
            ],
            [],
        ),
        (
            ["reid.decay_factor=10"],
            ["reid.decay_factor is 10: the learning rates rise"],
        ),
        # 0.1 x 0.1 / (1 - 0.9) is a tenth.
        (
            ["reid.weight_decay=0.11"],
            ["reid.weight_decay is 0.11: .* takes 11% of a w"],
        ),
        (["reid.weight_decay=0.09"], []),
        (["reid.backbone_learning_rate=0"], ["the backbone stays at random"]),
        (["reid.backbone_learning_rate=0", "backbone.weights=runs/other"], []),
        (
            [
                "backbone.mean=[123.675, 116.28, 103.53]",
                "backbone.std=[58.395, 57.12, 57.375]",
            ],
            [r"backbone.mean is \[123.675, ", "backbone.std is .*divided by 255"],
        ),
        (["backbone.mean=[0, 0, 1]", "backbone.std=[1, 1, 1]"], []),
        (["backbone.mean=[0, 0, -0.5]"], ["backbone.mean is"]),
    ],
)
def test_likely_slips_of_a_reid_training(overrides, expected):
    found = check_reid_training(load_config("base", overrides))
    assert len(found) == len(expected)
    for line, words in zip(found, expected, strict=True):
        assert re.search(words, line) and "\n" not in line


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["gan.learning_rate=0.1"], ["gan.learning_rate is 0.1: Adam moves"]),
        (["gan.learning_rate=0.09"], []),
        (["gan.lambda_gradient_penalty=0"], ["nothing bounds the discriminator"]),
        (["gan.lambda_gradient_penalty=0", "gan.adversarial=vanilla"], []),
        (["gan.lambda_domain=0"], ["gan.lambda_domain is 0: nothing tells the gener"]),
        # Harmless: the last epoch's sheet and checkpoint are always made.
        (["gan.sample_every_epochs=999", "gan.checkpoint_every_epochs=999"], []),
    ],
)
def test_likely_slips_of_a_gan_training(overrides, expected):
    found = check_gan_training(load_config("base", overrides))
    assert len(found) == len(expected)
    for line, words in zip(found, expected, strict=True):
        assert words in line and "\n" not in line


def test_crops_that_would_lie_in_the_padding():
    config = load_config("base", ["adapt.pad_crop=32", "reid.image_size=[64, 32]"])
    with pytest.raises(ConfigError, match=r"adapt.pad_crop: .* \[64, 32\], found 32: "):
        check_adaptation(config)
    least = load_config("base", ["adapt.pad_crop=31", "reid.image_size=[64, 32]"])
    assert check_adaptation(least) == []


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("adapt.learning_rate=0.1", "adapt.learning_rate is 0.1: Adam moves every"),
        ("adapt.images_per_cluster=1", "adapt.images_per_cluster is 1: a batch never"),
    ],
)
def test_likely_slips_of_an_adaptation(override, expected):
    (line,) = check_adaptation(load_config("base", [override]))
    assert line.startswith(expected)
    assert "\n" not in line
