"""SPGAN's step against its losses written out, and its runs."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.labels import WHOLE_TARGET
from tfipgan.data.pair_batches import pair_batches
from tfipgan.errors import InputError
from tfipgan.models import Generator, PatchDiscriminator, SiameseNetwork
from tfipgan.models.siamese import HIDDEN_UNITS
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import load_translator
from tfipgan.training.cyclegan import variables_of
from tfipgan.training.image_pool import ImagePool
from tfipgan.training.loop import StepLoop
from tfipgan.training.spgan import SPGAN, train_spgan
from tfipgan.training.strategy import make_strategy

SIZE, RATE = 16, 0.1
LAMBDA_RECONSTRUCTION, LAMBDA_IDENTITY, LAMBDA_SIAMESE, MARGIN = 4.0, 0.3, 3.0, 1.2


def make_networks():
    keras.utils.set_random_seed(5)
    networks = [Generator(0, width=4, num_blocks=1) for _ in range(2)]
    for network in networks:
        network((tf.zeros((1, SIZE, SIZE, 3)), tf.zeros((1, 0))))
    others = [PatchDiscriminator((SIZE, SIZE), width=4, num_layers=2) for _ in range(2)]
    others.append(SiameseNetwork((SIZE, SIZE), width=4, num_layers=1))
    for network in others:
        network(tf.zeros((1, SIZE, SIZE, 3)))
    return [*networks, *others]


def training(networks):
    optimizers = []
    for part in (networks[:2], networks[2:4], networks[4:]):
        optimizer = keras.optimizers.SGD(RATE)
        optimizer.build(variables_of(*part))
        optimizers.append(optimizer)
    return SPGAN(
        *networks[:4],
        *optimizers[:2],
        siamese=networks[4],
        siamese_optimizer=optimizers[2],
        lambda_siamese=LAMBDA_SIAMESE,
        margin=MARGIN,
        lambda_reconstruction=LAMBDA_RECONSTRUCTION,
        lambda_identity=LAMBDA_IDENTITY,
        pools=[ImagePool(0, (SIZE, SIZE)) for _ in range(2)],
    )


def make_rows(rows, seed=0):
    draw = np.random.default_rng(seed)
    shape = (rows, SIZE, SIZE, 3)
    return {
        "source": draw.uniform(-1, 1, shape).astype(np.float32),
        "target": draw.uniform(-1, 1, shape).astype(np.float32),
        "pool_seeds": np.tile(np.int32([seed, 7]), (rows, 1)),
        "dropout_noise": draw.uniform(0, 1, (rows, 4, HIDDEN_UNITS)).astype(np.float32),
    }


def written_out(networks, batch):
    """The losses of G and M, row by row, and the gradients of both."""
    to_target, to_source, d_target, d_source, siamese = networks
    source, target = batch["source"], batch["target"]
    none = tf.zeros((len(source), 0))

    def l1(a, b):
        return tf.reduce_mean(tf.abs(a - b))

    def described(images, place):
        return siamese(images, dropout_noise=batch["dropout_noise"][:, place])

    def pull(a, b):
        return sum(tf.norm(x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)

    def push(a, b):
        terms = [
            tf.maximum(0.0, MARGIN - tf.norm(x - y)) ** 2
            for x, y in zip(a, b, strict=True)
        ]
        return sum(terms) / len(terms)

    with tf.GradientTape(persistent=True) as tape:
        fake_target = to_target((source, none))
        fake_source = to_source((target, none))
        g_loss = tf.reduce_mean((d_target(fake_target) - 1) ** 2)
        g_loss += tf.reduce_mean((d_source(fake_source) - 1) ** 2)
        g_loss += LAMBDA_RECONSTRUCTION * (
            l1(source, to_source((fake_target, none)))
            + l1(target, to_target((fake_source, none)))
        )
        g_loss += (
            LAMBDA_RECONSTRUCTION
            * LAMBDA_IDENTITY
            * (
                l1(target, to_target((target, none)))
                + l1(source, to_source((source, none)))
            )
        )
        s, t = described(source, 0), described(target, 2)
        moved, back = described(fake_target, 1), described(fake_source, 3)
        own = pull(s, moved) + pull(t, back)
        own = (own + 0.5 * (push(moved, t) + push(back, s))) / 4
        g_loss += LAMBDA_SIAMESE * own
        moved = described(tf.stop_gradient(fake_target), 1)
        back = described(tf.stop_gradient(fake_source), 3)
        m_loss = (pull(s, moved) + pull(t, back) + 2 * push(s, t)) / 3
    moves = [
        (variable, variable.numpy() - RATE * gradient.numpy())
        for loss, part in ((g_loss, networks[:2]), (m_loss, networks[4:]))
        for variable, gradient in zip(
            variables_of(*part), tape.gradient(loss, variables_of(*part)), strict=True
        )
    ]
    return {"G/loss": g_loss, "G/loss_siamese": own, "M/loss": m_loss}, moves


def test_the_step_is_the_one_written_out():
    networks = make_networks()
    model = training(networks)
    batch = {name: tf.constant(value) for name, value in make_rows(3).items()}
    terms, moves = written_out(networks, batch)
    found = tf.function(model.train_step)(batch)
    assert found.keys() - terms.keys() == {
        "G/loss_fake", "G/loss_rec", "G/loss_identity", "D/loss", "D/loss_real",
        "D/loss_fake", "G/gradient_norm", "D/gradient_norm", "M/gradient_norm",
    }  # fmt: skip
    for name, value in terms.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    for variable, right in moves:
        np.testing.assert_allclose(variable, right, rtol=1e-3, atol=1e-5)


def test_two_devices_are_one(two_devices):
    rows = {
        n: np.concatenate([make_rows(4, s)[n] for s in range(3)]) for n in make_rows(1)
    }
    found = []
    for devices in (two_devices[:1], two_devices):
        strategy = make_strategy([n.removeprefix("/device:") for n in devices])
        with strategy.scope():
            model = training(make_networks())
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(4, drop_remainder=True)
        loop = StepLoop(model.train_step, strategy)
        found.append(
            [
                {name: float(value) for name, value in step.items()}
                for _, step in loop.steps(batches, 0, 3)
            ]
        )
    for one, two in zip(*found, strict=True):
        assert two == pytest.approx(one, rel=1e-3)


def test_noise_is_of_each_row_and_step(tiny_samples):
    """And the images are those without it."""
    options = {"image_size": (8, 4), "batch_size": 4, "seed": 1, "end_step": 3}
    plain = list(pair_batches(*tiny_samples, **options).as_numpy_iterator())
    options["noise_shape"] = (4, 5)
    noisy = list(pair_batches(*tiny_samples, **options).as_numpy_iterator())
    noise = np.stack([batch.pop("dropout_noise") for batch in noisy])
    assert noise.shape == (3, 4, 4, 5) and noise.min() >= 0 and noise.max() < 1
    assert len(np.unique(noise)) > 0.99 * noise.size
    for one, two in zip(plain, noisy, strict=True):
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one)


# --------------------------------------------------------------------------------- runs


def spgan(config, **values):
    gan = {
        "method": "spgan",
        "lambda_semantic": 0,
        "target_domains": "one",
        "conditioning": "planes",
        "num_layers": 2,
        "pool_size": 6,
        "siamese_layers": 2,
    }
    return replace(config, gan=replace(config.gan, **gan | values))


def train(config, samples, path, **options):
    settings = {"devices": ["CPU:0"], "progress": False}
    return train_spgan(config, *samples, path, **settings | options)


@pytest.fixture(scope="module")
def run(tiny_config, tiny_samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("spgan") / "run"
    return train(spgan(tiny_config), tiny_samples, path)


def test_a_run_translates_to_the_whole_target(run, checkpoint_values):
    translator = load_translator(run)
    assert translator.cameras == (WHOLE_TARGET,)
    images = tf.random.stateless_uniform((2, 32, 16, 3), (1, 2), -1, 1)
    assert translator(images, tf.constant([0, 0])).shape == images.shape
    names = checkpoint_values(run.checkpoints).keys()
    for part in ("siamese/", "generator_back/", "optimizers/siamese_optimizer"):
        assert any(name.startswith(part) for name in names), part
    numbers = read_metrics(run.path / "metrics.jsonl")
    assert "M/loss" in numbers[-1] and "G/loss_siamese" in numbers[-1]
    assert np.isfinite([value for line in numbers for value in line.values()]).all()


def test_a_resumed_run_is_the_uninterrupted_one(
    run, tiny_config, tiny_samples, killed_after, checkpoint_values, tmp_path
):
    steps = max(len(samples) for samples in tiny_samples) // tiny_config.gan.batch_size
    killed_after(run, steps)
    resumed = train(spgan(tiny_config), tiny_samples, tmp_path / "run", resume=True)
    got, expected = map(checkpoint_values, (resumed.checkpoints, run.checkpoints))
    assert got.keys() == expected.keys()
    assert not [n for n in expected if not np.array_equal(got[n], expected[n])]


def test_images_too_small_for_the_sianet(tiny_config, tiny_samples, tmp_path):
    with pytest.raises(InputError, match="32x16 .* too small for 3 blocks .*siamese_l"):
        train(spgan(tiny_config, siamese_layers=3), tiny_samples, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"lambda_semantic": 1.0}, "gan.lambda_semantic: expected 0 with .* spgan, "),
        ({"target_domains": "cameras"}, "gan.target_domains: expected one with gan.m"),
        ({"discriminator_weights": "run"}, "gan.discriminator_weights: expected none"),
        ({"lambda_siamese": -1.0}, "gan.lambda_siamese: "),
        ({"siamese_layers": 0}, "gan.siamese_layers: "),
        ({"siamese_margin": 0.0}, "gan.siamese_margin: "),
    ],
)
def test_options_that_are_not_its_own(tiny_config, values, expected):
    with pytest.raises(InputError, match=expected):
        spgan(tiny_config, **values)
