"""CycleGAN's step against its losses written out, and its runs."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import WHOLE_TARGET
from tfipgan.data.pair_batches import pair_batches
from tfipgan.errors import InputError
from tfipgan.models import Generator, PatchDiscriminator
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import load_discriminator, load_translator
from tfipgan.training.cyclegan import CycleGAN, train_cyclegan, variables_of
from tfipgan.training.image_pool import ImagePool
from tfipgan.training.loop import StepLoop
from tfipgan.training.strategy import make_strategy

SIZE, RATE = 16, 0.1
LAMBDA_RECONSTRUCTION, LAMBDA_IDENTITY = 4.0, 0.3


def make_networks():
    keras.utils.set_random_seed(5)
    networks = []
    for kind in (Generator, Generator, PatchDiscriminator, PatchDiscriminator):
        if kind is Generator:
            network = Generator(0, width=4, num_blocks=1)
            network((tf.zeros((1, SIZE, SIZE, 3)), tf.zeros((1, 0))))
        else:
            network = PatchDiscriminator((SIZE, SIZE), width=4, num_layers=2)
            network(tf.zeros((1, SIZE, SIZE, 3)))
        networks.append(network)
    return networks


def training(networks, pool_size=0, lambda_identity=LAMBDA_IDENTITY):
    optimizers = []
    for pair in (networks[:2], networks[2:]):
        optimizer = keras.optimizers.SGD(RATE)
        optimizer.build(variables_of(*pair))
        optimizers.append(optimizer)
    return CycleGAN(
        *networks,
        *optimizers,
        lambda_reconstruction=LAMBDA_RECONSTRUCTION,
        lambda_identity=lambda_identity,
        pools=[ImagePool(pool_size, (SIZE, SIZE)) for _ in range(2)],
    )


def make_rows(rows, seed=0):
    draw = np.random.default_rng(seed)
    shape = (rows, SIZE, SIZE, 3)
    return {
        "source": draw.uniform(-1, 1, shape).astype(np.float32),
        "target": draw.uniform(-1, 1, shape).astype(np.float32),
        "pool_seeds": np.tile(np.int32([seed, 7]), (rows, 1)),
    }


def written_out(networks, source, target, lambda_identity):
    """All terms, and the gradients of both losses, term by term as Zhu et al. do."""
    to_target, to_source, d_target, d_source = networks
    none = tf.zeros((len(source), 0))

    def l1(a, b):
        return tf.reduce_mean(tf.abs(a - b))

    with tf.GradientTape(persistent=True) as tape:
        fake_target, fake_source = (
            to_target((source, none)),
            to_source((target, none)),
        )
        adversarial = tf.reduce_mean((d_target(fake_target) - 1) ** 2)
        adversarial += tf.reduce_mean((d_source(fake_source) - 1) ** 2)
        cycle = l1(source, to_source((fake_target, none)))
        cycle += l1(target, to_target((fake_source, none)))
        same = l1(target, to_target((target, none)))
        same += l1(source, to_source((source, none)))
        g_loss = adversarial + LAMBDA_RECONSTRUCTION * cycle
        g_loss += LAMBDA_RECONSTRUCTION * lambda_identity * same
        shown = tf.stop_gradient(fake_target), tf.stop_gradient(fake_source)
        real = tf.reduce_mean((d_target(target) - 1) ** 2)
        real += tf.reduce_mean((d_source(source) - 1) ** 2)
        fake = tf.reduce_mean(d_target(shown[0]) ** 2)
        fake += tf.reduce_mean(d_source(shown[1]) ** 2)
        d_loss = 0.5 * (real + fake)
    g_variables = [*to_target.trainable_variables, *to_source.trainable_variables]
    d_variables = [*d_target.trainable_variables, *d_source.trainable_variables]
    terms = {
        "G/loss": g_loss,
        "G/loss_fake": adversarial,
        "G/loss_rec": cycle,
        "G/loss_identity": same,
        "D/loss": d_loss,
        "D/loss_real": real,
        "D/loss_fake": fake,
    }
    moves = [
        (variable, variable.numpy() - RATE * gradient.numpy())
        for loss, variables in ((g_loss, g_variables), (d_loss, d_variables))
        for variable, gradient in zip(
            variables, tape.gradient(loss, variables), strict=True
        )
    ]
    return terms, moves


@pytest.mark.parametrize("lambda_identity", [LAMBDA_IDENTITY, 0.0])
def test_the_step_is_the_one_written_out(lambda_identity):
    networks = make_networks()
    model = training(networks, lambda_identity=lambda_identity)
    batch = {name: tf.constant(value) for name, value in make_rows(3).items()}
    terms, moves = written_out(
        networks, batch["source"], batch["target"], lambda_identity
    )
    found = tf.function(model.train_step)(batch)
    if not lambda_identity:
        del terms["G/loss_identity"]
    assert found.keys() == {*terms, "G/gradient_norm", "D/gradient_norm"}
    for name, value in terms.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    for variable, right in moves:
        np.testing.assert_allclose(variable, right, rtol=1e-3, atol=1e-5)


def test_discriminators_are_shown_earlier_images():
    """Two pools, whose draws are no copies of each other's."""
    model = training(make_networks(), pool_size=2)
    for seed in range(6):
        batch = {n: tf.constant(v) for n, v in make_rows(2, seed).items()}
        model.train_step(batch)
    first, second = (pool.arrays() for pool in model.pools)
    assert first["filled"] == second["filled"] == 2
    assert np.abs(first["images"]).max() > 0
    assert not np.array_equal(first["images"], second["images"])


def test_two_devices_are_one(two_devices):
    rows = {
        n: np.concatenate([make_rows(4, s)[n] for s in range(4)]) for n in make_rows(1)
    }
    found = []
    for devices in (two_devices[:1], two_devices):
        strategy = make_strategy([n.removeprefix("/device:") for n in devices])
        with strategy.scope():
            model = training(make_networks(), pool_size=4)
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(4, drop_remainder=True)
        loop = StepLoop(model.train_step, strategy)
        terms = [
            {name: float(value) for name, value in step.items()}
            for _, step in loop.steps(batches, 0, 4)
        ]
        found.append((terms, [pool.arrays() for pool in model.pools]))
    (terms, pools), (terms_of_two, pools_of_two) = found
    for one, two in zip(terms, terms_of_two, strict=True):
        assert two == pytest.approx(one, rel=1e-3)
    for one, two in zip(pools, pools_of_two, strict=True):
        assert one["filled"] == two["filled"] == 4
        np.testing.assert_allclose(two["images"], one["images"], atol=1e-3)


# ------------------------------------------------------------------------------ batches


@pytest.fixture
def pairs(tiny_samples):
    def make(**options):
        settings = {"image_size": (8, 4), "batch_size": 4, "seed": 1, "flip": False}
        batches = pair_batches(*tiny_samples, **settings | options)
        return list(batches.as_numpy_iterator())

    return make


def test_batches_of_both_sets(pairs, tiny_samples):
    batches = pairs(end_step=7)
    for name, samples in zip(("source", "target"), tiny_samples, strict=True):
        rows = np.concatenate([batch[name] for batch in batches])
        assert rows.shape == (28, 8, 4, 3) and np.abs(rows).max() <= 1
        # An epoch of 30 images has 28 of them once.
        assert len(samples) == 30 and len({row.tobytes() for row in rows}) == 28
    seeds = [batch["pool_seeds"] for batch in batches]
    assert all((rows == rows[0]).all() for rows in seeds)
    assert len({rows[0].tobytes() for rows in seeds}) == 7


def test_the_sets_are_shuffled_apart(tiny_samples):
    """With one set for both, its images don't meet themselves."""
    batches = pair_batches(
        tiny_samples[0],
        tiny_samples[0],
        image_size=(8, 4),
        batch_size=4,
        seed=1,
        flip=False,
        end_step=7,
    )
    same = [
        np.array_equal(a, b)
        for batch in batches.as_numpy_iterator()
        for a, b in zip(batch["source"], batch["target"], strict=True)
    ]
    assert sum(same) < 7


def test_batches_go_on_where_they_ended(pairs):
    whole, rest = (
        pairs(end_step=9, flip=True),
        pairs(start_step=6, end_step=9, flip=True),
    )
    for one, two in zip(whole[6:], rest, strict=True):
        for name, value in one.items():
            np.testing.assert_array_equal(two[name], value)


# --------------------------------------------------------------------------------- runs


def cyclegan(config, **values):
    gan = {
        "method": "cyclegan",
        "lambda_semantic": 0,
        "target_domains": "one",
        "conditioning": "planes",
        "num_layers": 2,
        "pool_size": 6,
    }
    return replace(config, gan=replace(config.gan, **gan | values))


@pytest.fixture(scope="module")
def run(tiny_config, tiny_samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("cyclegan") / "run"
    return train(cyclegan(tiny_config), tiny_samples, path)


def train(config, samples, path, **options):
    settings = {"devices": ["CPU:0"], "progress": False}
    return train_cyclegan(config, *samples, path, **settings | options)


def test_a_run_translates_to_the_whole_target(run):
    translator = load_translator(run)
    assert translator.cameras == (WHOLE_TARGET,)
    images = tf.random.stateless_uniform((2, 32, 16, 3), (1, 2), -1, 1)
    translated = translator(images, tf.constant([0, 0]))
    assert translated.shape == images.shape and np.abs(translated).max() <= 1
    # The clip and the tanh of 0.98 alone would leave it nearly as it is.
    assert np.abs(translated - 0.98 * images).max() > 1e-4
    assert isinstance(load_discriminator(run), PatchDiscriminator)
    assert (run.path / "samples" / "epoch_0002.png").exists()
    numbers = read_metrics(run.path / "metrics.jsonl")
    assert np.isfinite([value for line in numbers for value in line.values()]).all()


def test_a_resumed_run_is_the_uninterrupted_one(
    run, tiny_config, tiny_samples, killed_after, checkpoint_values, tmp_path
):
    """Also the pools: the discriminators would be shown other images without them."""
    steps = max(len(samples) for samples in tiny_samples) // tiny_config.gan.batch_size
    killed_after(run, steps)
    resumed = train(cyclegan(tiny_config), tiny_samples, tmp_path / "run", resume=True)
    got, expected = map(checkpoint_values, (resumed.checkpoints, run.checkpoints))
    assert got.keys() == expected.keys()
    assert not [n for n in expected if not np.array_equal(got[n], expected[n])]


def test_identities_and_cameras_are_not_read(
    run, tiny_config, tiny_samples, checkpoint_values, tmp_path
):
    others = [
        [replace(s, person_id=s.person_id + 40, camera_id=1) for s in samples]
        for samples in tiny_samples
    ]
    other = train(cyclegan(tiny_config), others, tmp_path / "run")
    got, expected = map(checkpoint_values, (other.checkpoints, run.checkpoints))
    assert not [n for n in expected if not np.array_equal(got[n], expected[n])]


def test_too_few_images(tiny_config, tiny_samples, tmp_path):
    few: list[Sample] = list(tiny_samples[1][:3])
    with pytest.raises(InputError, match="3 training images, but one step takes 4"):
        train(cyclegan(tiny_config), (tiny_samples[0], few), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"lambda_semantic": 1.0}, "gan.lambda_semantic: expected 0 .* found 1.0"),
        ({"target_domains": "cameras"}, "gan.target_domains: expected one with gan.m"),
        ({"conditioning": "normalization"}, "gan.conditioning: expected planes with"),
        ({"generator_weights": "run"}, "gan.generator_weights: expected none with"),
        ({"pool_size": 3}, r"gan.pool_size: expected 0 or at least .*\(4\), found 3"),
    ],
)
def test_options_that_are_not_its_own(tiny_config, values, expected):
    with pytest.raises(InputError, match=expected):
        cyclegan(tiny_config, **values)
