"""A GAN run from samples to its folder: what it leaves, resuming, what it refuses."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.images import signed_to_unit, to_signed
from tfipgan.data.pipelines import gan_batches, inference_batches
from tfipgan.errors import ConfigError, InputError
from tfipgan.evaluation.features import identity_accuracy
from tfipgan.models.translator import Translator
from tfipgan.reports.sample_sheet import write_sample_sheet
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import create_run
from tfipgan.training import runner
from tfipgan.training.ipgan import IPGANMethod, train_gan
from tfipgan.weights.checkpoints import latest_checkpoint

EPOCH_STEPS = 7
STEPS = 2 * EPOCH_STEPS
TERMS = {
    "D/loss", "D/loss_real", "D/loss_fake", "D/loss_domain", "D/loss_gp",
    "G/loss", "G/loss_fake", "G/loss_domain", "G/loss_rec", "G/loss_sem",
    "G/learning_rate", "D/gradient_norm", "G/gradient_norm",
}  # fmt: skip


def with_gan(config, **values):
    return replace(config, gan=replace(config.gan, **values))


@pytest.fixture
def train(tiny_config, tiny_samples, tiny_reid_run, tmp_path):
    """`train_gan` of the tiny world into tmp_path/run, for what isn't given."""

    def call(config=tiny_config, source=None, target=None, **options):
        settings = {
            "semantic_run": tiny_reid_run,
            "devices": ["CPU:0"],
            "progress": False,
        }
        return train_gan(
            config,
            source or tiny_samples[0],
            target or tiny_samples[1],
            out=tmp_path / "run",
            **settings | options,
        )

    return call


def test_the_run_folder(tiny_gan_run):
    run = tiny_gan_run
    assert sorted(p.name for p in run.path.iterdir()) == [
        ".lock", "checkpoints", "config.yaml", "domains.json", "images.json",
        "metrics.jsonl", "run.json", "samples", "semantic.json", "tensorboard",
    ]  # fmt: skip
    assert run.domains.cameras == (1, 2, 3)
    assert {
        str(p.relative_to(run.checkpoints)) for p in run.checkpoints.glob("*/*")
    } == {
        f"step-000000{step}/{name}.safetensors"
        for step in ("07", "14")
        for name in ("generator", "discriminator", "optimizers")
    }
    assert {p.name for p in (run.path / "samples").iterdir()} == {
        "epoch_0001.png",
        "epoch_0002.png",
    }
    # Five people, each twice as large; the source's column and three cameras.
    with Image.open(run.path / "samples" / "epoch_0002.png") as sheet:
        assert sheet.height > 5 * 64 and sheet.width > 4 * 32
    assert list((run.path / "tensorboard").glob("events.*"))


def test_the_numbers_of_a_run(tiny_gan_run, tiny_config):
    records = read_metrics(tiny_gan_run.path / "metrics.jsonl")
    assert [record["step"] for record in records] == list(range(1, STEPS + 1))
    for record in records:
        assert record.keys() == TERMS | {"step"}
        assert np.isfinite(list(record.values())).all()
    # The rate after each step: constant for an epoch, then linear to 0.
    rates = [record["G/learning_rate"] for record in records]
    falling = [1 - (step - EPOCH_STEPS) / EPOCH_STEPS for step in range(7, STEPS + 1)]
    expected = tiny_config.gan.learning_rate * np.array([1] * 6 + falling)
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-12)


def test_a_resumed_run_is_the_uninterrupted_one(
    train, tiny_gan_run, killed_after, checkpoint_values, monkeypatch
):
    monkeypatch.setattr(runner, "METRICS_EVERY", 1)
    killed_after(tiny_gan_run, EPOCH_STEPS)
    run = train(resume=True)
    got, expected = map(checkpoint_values, (run.checkpoints, tiny_gan_run.checkpoints))
    assert got.keys() == expected.keys()
    assert latest_checkpoint(run.checkpoints).name == f"step-{STEPS:08d}"
    different = [n for n in expected if not np.array_equal(got[n], expected[n])]
    assert not different
    # The second epoch was done twice and stands there once.
    lines, whole = (
        read_metrics(path / "metrics.jsonl") for path in (run.path, tiny_gan_run.path)
    )
    assert lines == whole
    # A run that is complete has nothing left to do.
    before = checkpoint_values(run.checkpoints)
    assert train(resume=True) == run
    after = checkpoint_values(run.checkpoints)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert read_metrics(run.path / "metrics.jsonl") == whole


def test_stargan_on_all_devices_needs_no_semantic_run(train, tiny_config, two_devices):
    config = with_gan(
        tiny_config, lambda_semantic=0.0, n_critic=1, batch_size=20, decay_epochs=0
    )
    run = train(config, semantic_run=None, devices=None)
    (record,) = read_metrics(run.path / "metrics.jsonl")
    assert record["step"] == 3
    assert record.keys() == (TERMS | {"step"}) - {"G/loss_sem"}


def test_the_semantic_discriminator_sees_what_identity_accuracy_sees(
    tiny_samples, tiny_reid_run, tiny_network, tiny_gan_run
):
    """On real source images, through the GAN's pipeline, D_sem is as good as there."""
    source, target = tiny_samples
    network, labels = tiny_network, tiny_reid_run.labels
    # Batches of 60: every image of both sets is in the one step.
    (step,) = gan_batches(
        source, target, labels, tiny_gan_run.domains,
        image_size=(32, 16), batch_size=60, n_critic=1, seed=0, flip=False, end_step=1,
    )  # fmt: skip
    rows = step["is_source"].numpy()[:, 0].astype(bool)
    images = step["images"].numpy()[rows, 0]
    logits = network(signed_to_unit(images), training=False).numpy()
    right = logits.argmax(axis=1) == step["identities"].numpy()[rows, 0]
    assert np.mean(right) == identity_accuracy(network, labels, source, (32, 16))
    # Not only as many are right: each image has its own logits.
    (files,) = inference_batches([s.path for s in source], (32, 16), 30)
    own = network(files / 255.0, training=False).numpy()
    places = [
        int(np.flatnonzero((to_signed(files).numpy() == image).all(axis=(1, 2, 3)))[0])
        for image in images
    ]
    assert sorted(places) == list(range(30))
    np.testing.assert_allclose(logits, own[places], rtol=1e-4, atol=1e-5)
    assert np.ptp(own, axis=0).max() > 1e-3


def test_a_semantic_run_is_needed(train, tmp_path):
    with pytest.raises(InputError, match="lambda_semantic is 0.3 but no .* --semantic"):
        train(semantic_run=None)
    assert not (tmp_path / "run").exists()


def test_the_semantic_run_has_the_gans_image_size(train, tiny_config, tmp_path):
    config = with_gan(tiny_config, image_size=(64, 32))
    with pytest.raises(InputError, match="trained on 32x16 images, .* makes 64x32"):
        train(config)
    assert not (tmp_path / "run").exists()


def test_the_semantic_run_knows_the_sources_people(train, tiny_samples, tmp_path):
    source = [*tiny_samples[0], Sample("x.jpg", 70, 1), Sample("y.jpg", 60, 1)]
    with pytest.raises(InputError, match=r"know 2 of .* identities \(such as 60\)"):
        train(source=source)
    assert not (tmp_path / "run").exists()


def test_a_target_has_two_cameras(train, tiny_samples, tmp_path):
    target = [s for s in tiny_samples[1] if s.camera_id == 2]
    with pytest.raises(InputError, match="at least two cameras, found only camera 2"):
        train(target=target)
    assert not (tmp_path / "run").exists()


def test_one_domain_needs_no_two_cameras(tiny_config, tiny_samples):
    """tests/translation/test_one_target_domain.py has a whole run."""
    config = with_gan(tiny_config, target_domains="one", lambda_semantic=0.0)
    target = [s for s in tiny_samples[1] if s.camera_id == 2]
    method = IPGANMethod(config, tiny_samples[0], target, None)
    method.prepare()
    assert method.domains.cameras == (0,)


def test_the_semantic_run_tells_identities(train, tiny_config, tiny_reid_run, tmp_path):
    reid = replace(tiny_config.reid, labels="camera")
    semantic_run = replace(tiny_reid_run, config=replace(tiny_config, reid=reid))
    with pytest.raises(InputError, match="reid.labels camera and can tell no ident"):
        train(semantic_run=semantic_run)
    assert not (tmp_path / "run").exists()


def test_a_batch_splits_over_the_devices(train, tiny_config, tmp_path, two_devices):
    with pytest.raises(InputError, match="batch size 5 does not split over 2 devices"):
        train(with_gan(tiny_config, batch_size=5), devices=None)
    assert not (tmp_path / "run").exists()


def test_values_that_nothing_is_learnt_with(train, tiny_config, tmp_path, caplog):
    with pytest.raises(ConfigError, match="gan.batch_size: expected at least 2"):
        train(with_gan(tiny_config, batch_size=1))
    # Told before what the images are refused for.
    slips = with_gan(tiny_config, learning_rate=1.0, batch_size=40)
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="takes 80"):
        train(slips)
    (record,) = caplog.records
    assert record.getMessage().startswith("gan.learning_rate is 1: ")
    assert not (tmp_path / "run").exists()


def test_one_step_needs_its_images(train, tiny_config, tmp_path):
    with pytest.raises(InputError, match="60 training images, but one step takes 80"):
        train(with_gan(tiny_config, batch_size=40))
    assert not (tmp_path / "run").exists()


def test_resuming_asks_for_the_same_config_and_cameras(
    train, tiny_config, tiny_gan_run, tiny_samples, tmp_path
):
    create_run(tmp_path / "run", "gan", tiny_config, domains=tiny_gan_run.domains)
    with pytest.raises(InputError, match=r"config \(gan.n_critic is 2 there, 3 here\)"):
        train(with_gan(tiny_config, n_critic=3), resume=True)
    target = [s for s in tiny_samples[1] if s.camera_id != 2]
    config = with_gan(tiny_config, batch_size=2)
    with pytest.raises(InputError, match="another (config|cameras)"):
        train(config, target=target, resume=True)
    with pytest.raises(InputError, match="another cameras"):
        train(target=target, resume=True)


def test_a_sheet_has_a_column_for_each_camera(tmp_path):
    class Negative:
        """Translates to camera k by taking the image times (0.5, -1, 0.25)[k]."""

        def __call__(self, inputs):
            images, domains = inputs
            assert domains.shape == (2, 4)
            factors = tf.reduce_sum(domains * [0.5, -1.0, 0.25, 9.0], axis=1)
            return images * factors[:, None, None, None]

    images = tf.fill((2, 8, 4, 3), 0.6)
    path = tmp_path / "sheet.png"
    write_sample_sheet(Translator(Negative(), (1, 2, 5), (8, 4)), images, path)
    with Image.open(path) as sheet:
        colours = {colour for _, colour in sheet.getcolors(1000)}
    expected = [round((1 + 0.6 * factor) * 127.5) for factor in (1, 0.5, -1, 0.25)]
    assert {(value,) * 3 for value in expected} <= colours


def test_a_semantic_run_without_weights_leaves_no_folder(
    train, tiny_config, tiny_reid_run, tmp_path
):
    bare = create_run(
        tmp_path / "bare", "reid", tiny_config, labels=tiny_reid_run.labels
    )
    with pytest.raises(InputError, match="has no checkpoint"):
        train(semantic_run=bare)
    assert not (tmp_path / "run").exists()
