"""bfloat16 and XLA: a training goes where float32's goes, and the weights stay float32.

How far two trainings are apart: of each loss term the means over 20 steps, and of these
the mean distance, as a share of float32's mean size. docs/method.md states the bounds.
"""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.config import load_config
from tfipgan.data.labels import DomainMap
from tfipgan.data.pipelines import gan_batches
from tfipgan.errors import InputError
from tfipgan.evaluation.features import extract_features
from tfipgan.models.from_config import build_reid_network
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import load_generator, load_reid_network, open_run
from tfipgan.training import ipgan, reid, runner
from tfipgan.training.loop import StepLoop
from tfipgan.training.strategy import make_strategy
from tfipgan.weights.variables import named_weights

WINDOW = 20
GAN_BOUNDS = {
    "D/loss": 0.08,
    "D/loss_domain": 0.03,
    "G/loss": 0.06,
    "G/loss_rec": 0.03,
}
REID_BOUNDS = {"reid/loss": 0.015}
# 210 and 200 steps. The re-ID network learns slowly enough that its small batch
# norms, over few values each, don't turn every rounding into another training.
GAN_STEPS = (
    "gan.n_critic=1",
    "gan.constant_epochs=14",
    "gan.decay_epochs=0",
    "gan.checkpoint_every_epochs=99",
    "gan.sample_every_epochs=99",
)
REID_RATE = 0.003
REID_STEPS = (
    "reid.batch_size=30",
    "reid.epochs=200",
    "reid.decay_epoch=150",
    f"reid.learning_rate={REID_RATE}",
    f"reid.backbone_learning_rate={REID_RATE}",
)
TOO_FAST = {
    "gan": ("gan.learning_rate=6e-4",),  # for 5e-4
    "reid": (
        f"reid.learning_rate={1.2 * REID_RATE}",
        f"reid.backbone_learning_rate={1.2 * REID_RATE}",
    ),
}


def distances(records, others, terms, window=WINDOW):
    """Return how far two trainings are apart, by term."""

    def smoothed(rows, name):
        values = np.array([row[name] for row in rows if name in row])
        whole = len(values) // window * window
        return values[:whole].reshape(-1, window).mean(axis=1)

    return {
        name: np.abs(smoothed(records, name) - smoothed(others, name)).mean()
        / np.abs(smoothed(records, name)).mean()
        for name in terms
    }


def within(found, bounds):
    return all(found[name] <= bounds[name] for name in bounds)


@pytest.fixture(scope="module")
def trained(tiny_samples, tiny_overrides, tiny_reid_run, tmp_path_factory):
    """Function of ("gan" or "reid", values for --set): the run, made once."""
    runs = {}

    def train(kind, *overrides):
        key = kind, overrides
        if key not in runs:
            config = load_config("synthetic/ipgan", (*tiny_overrides, *overrides))
            out = tmp_path_factory.mktemp("precision") / "run"
            options = {"devices": ["CPU:0"], "progress": False}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(runner, "METRICS_EVERY", 1)
                patch.setattr(runner, "METRICS_EVERY", 1)
                if kind == "gan":
                    runs[key] = ipgan.train_gan(
                        config, *tiny_samples, tiny_reid_run, out, **options
                    )
                else:
                    if REID_STEPS[0] in overrides:  # a step is an epoch
                        patch.setattr(reid.ReidMethod, "checkpoint_every", 100)
                    runs[key] = reid.train_reid(config, tiny_samples[0], out, **options)
        return runs[key]

    return train


def records_of(run):
    return read_metrics(run.path / "metrics.jsonl")


# ------------------------------------------------------------------- of 200 steps


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [("precision=bfloat16",), ("jit_compile=true",)], ids=["bfloat16", "xla"]
)
@pytest.mark.parametrize(
    ("kind", "settings", "bounds"),
    [("gan", GAN_STEPS, GAN_BOUNDS), ("reid", REID_STEPS, REID_BOUNDS)],
    ids=["gan", "reid"],
)
def test_two_hundred_steps_stay_with_those_of_float32(
    trained, kind, settings, bounds, options
):
    own = records_of(trained(kind, *settings))
    assert len(own) >= 200
    changed = [f"{kind}.{option}" for option in options]
    found = distances(own, records_of(trained(kind, *settings, *changed)), bounds)
    assert within(found, bounds), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "settings", "bounds", "mistake"),
    [
        ("gan", GAN_STEPS, GAN_BOUNDS, TOO_FAST["gan"]),
        ("gan", GAN_STEPS, GAN_BOUNDS, ("gan.lambda_semantic=2",)),
        ("reid", REID_STEPS, REID_BOUNDS, TOO_FAST["reid"]),
    ],
    ids=["gan: rate", "gan: weight", "reid: rate"],
)
def test_the_bounds_would_show_a_mistake(trained, kind, settings, bounds, mistake):
    """A learning rate 1.2 times too high, or a weight of 2 for 1."""
    own = records_of(trained(kind, *settings))
    found = distances(own, records_of(trained(kind, *settings, *mistake)), bounds)
    assert not within(found, bounds), found


# ---------------------------------------------------------- of a few steps, and after


@pytest.fixture(scope="module")
def bfloat16_gan_run(trained):
    return trained("gan", "gan.precision=bfloat16")


@pytest.fixture(scope="module")
def bfloat16_reid_run(trained):
    return trained("reid", "reid.precision=bfloat16")


def test_a_gan_run_in_bfloat16_starts_like_one_in_float32(
    tiny_gan_run, bfloat16_gan_run
):
    own, other = records_of(tiny_gan_run), records_of(bfloat16_gan_run)
    assert len(own) == len(other) == 14
    found = distances(own, other, GAN_BOUNDS, window=7)
    assert within(found, GAN_BOUNDS), found
    assert all(found.values()), "the precision changed nothing"


def test_a_reid_run_in_bfloat16_starts_like_one_in_float32(
    tiny_reid_run, bfloat16_reid_run
):
    own, other = records_of(tiny_reid_run), records_of(bfloat16_reid_run)
    found = distances(own, other, REID_BOUNDS, window=3)
    assert 0 < found["reid/loss"] < 0.06


def test_a_checkpoint_is_float32_and_is_read_as_that(
    tiny_samples, bfloat16_gan_run, bfloat16_reid_run, checkpoint_values
):
    for run in (bfloat16_gan_run, bfloat16_reid_run):
        stored = checkpoint_values(run.checkpoints)
        kinds = {array.dtype for array in stored.values()}
        assert np.dtype("float32") in kinds
        assert all(kind.itemsize >= 4 for kind in kinds)
    assert load_generator(bfloat16_gan_run).compute_dtype == "float32"
    network = load_reid_network(bfloat16_reid_run)
    assert network.backbone.compute_dtype == "float32"
    run = open_run(bfloat16_reid_run.path, "reid")
    assert run.config.reid.precision == "bfloat16"
    features = extract_features(network, tiny_samples[0], (32, 16), 7).features
    again = extract_features(
        _in_bfloat16(run, network), tiny_samples[0], (32, 16), 7
    ).features
    # Features are computed in float32 whatever the network's precision.
    np.testing.assert_allclose(features, again, atol=1e-6)


def _in_bfloat16(run, network):
    config = run.config
    copy = build_reid_network(
        config.backbone, config.reid, len(run.labels), precision="bfloat16"
    )
    copy.set_weights(network.get_weights())
    return copy


def test_a_run_goes_on_in_its_own_precision_only(
    bfloat16_gan_run, tiny_samples, tiny_reid_run, tiny_config
):
    line = "another config .gan.precision is bfloat16 there, float32 here"
    with pytest.raises(InputError, match=line):
        ipgan.train_gan(
            tiny_config, *tiny_samples, tiny_reid_run, bfloat16_gan_run.path,
            devices=["CPU:0"], resume=True, progress=False,
        )  # fmt: skip


def test_a_resumed_bfloat16_run_ends_where_the_other_ended(
    bfloat16_reid_run, tiny_samples, killed_after, checkpoint_values
):
    again = reid.train_reid(
        bfloat16_reid_run.config, tiny_samples[0], killed_after(bfloat16_reid_run, 3),
        devices=["CPU:0"], resume=True, progress=False,
    )  # fmt: skip
    right = checkpoint_values(bfloat16_reid_run.checkpoints)
    for name, array in checkpoint_values(again.checkpoints).items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


# ------------------------------------------------------------------------ one step


@pytest.mark.slow
def test_two_devices_in_bfloat16_take_the_step_of_one(
    tiny_config, tiny_samples, two_devices
):
    gan = replace(
        tiny_config.gan, lambda_semantic=0.0, n_critic=1, precision="bfloat16"
    )
    config = replace(tiny_config, gan=gan)
    domains = DomainMap.from_samples(tiny_samples[1])

    def step(devices):
        strategy = make_strategy(devices)
        keras.utils.set_random_seed(1)
        with strategy.scope():
            method = ipgan.IPGANMethod(config, *tiny_samples, None)
            method.prepare()
            method.build()
        batches = gan_batches(
            *tiny_samples, None, domains, image_size=gan.image_size,
            batch_size=gan.batch_size, n_critic=gan.n_critic, seed=1, end_step=1,
        )  # fmt: skip
        loop = StepLoop(method.train_step, strategy)
        ((_, terms),) = loop.steps(batches, 0, 1)
        return {name: float(value) for name, value in terms.items()}

    one, two = step(["CPU:0"]), step(["CPU:0", "CPU:1"])
    # Eight bits of precision: a replica's mean rounds in another place.
    assert two == pytest.approx(one, rel=0.02, abs=0.005)


class Calling:
    """Its step calls Python, which XLA can't."""

    def train_step(self, batch):
        total = tf.numpy_function(np.sum, [batch], tf.float32)
        return {"sum": tf.ensure_shape(total, ())}


class Summing:
    def train_step(self, batch):
        return {"sum": tf.reduce_sum(batch)}


@pytest.mark.parametrize("model", [Summing, Calling])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_xla_compiles_the_step_if_it_is_asked_to(model, jit_compile):
    def terms():
        batches = tf.data.Dataset.from_tensors(np.ones(4, np.float32))
        loop = StepLoop(model().train_step, make_strategy(["CPU:0"]), jit_compile)
        ((_, terms),) = loop.steps(batches, 0, 1)
        return float(terms["sum"])

    if jit_compile and model is Calling:
        with pytest.raises(tf.errors.InvalidArgumentError):
            terms()
    else:
        assert terms() == 4.0


@pytest.mark.parametrize("kind", ["gan", "reid"])
def test_xla_on_several_devices_is_refused_before_the_folder_is_made(
    kind, tiny_config, tiny_samples, tiny_reid_run, two_devices, tmp_path
):
    section = replace(getattr(tiny_config, kind), jit_compile=True)
    config = replace(tiny_config, **{kind: section})
    out = tmp_path / "run"
    train = {
        "gan": lambda: ipgan.train_gan(
            config, *tiny_samples, tiny_reid_run, out, devices=["CPU:0", "CPU:1"]
        ),
        "reid": lambda: reid.train_reid(
            config, tiny_samples[0], out, devices=["CPU:0", "CPU:1"]
        ),
    }
    line = f"^{kind}.jit_compile is true and there are 2 devices, but XLA"
    with pytest.raises(InputError, match=line):
        train[kind]()
    assert not out.exists()


def test_all_parts_of_a_gan_compute_in_its_precision(
    tiny_config, tiny_samples, tiny_reid_run
):
    gan = replace(tiny_config.gan, precision="bfloat16")
    config = replace(tiny_config, gan=gan)
    method = ipgan.IPGANMethod(config, *tiny_samples, tiny_reid_run)
    method.prepare()
    method.build()
    model = method.model
    loaded = load_reid_network(tiny_reid_run)
    # By name: Keras 2 puts a frozen network's weights in another order.
    own, right = named_weights(model.semantic_network), named_weights(loaded)
    assert own.keys() == right.keys()
    for name, variable in own.items():
        np.testing.assert_array_equal(variable.numpy(), right[name].numpy(), name)
    for network in (model.generator, model.discriminator, model.semantic_network):
        kinds = {layer.compute_dtype for layer in network._flatten_layers()}
        assert kinds == {"bfloat16"}, network.name
        assert {tf.as_dtype(v.dtype) for v in network.variables} == {tf.float32}
