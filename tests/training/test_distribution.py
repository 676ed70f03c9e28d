"""One device step by step, and two under Keras's fit: the same training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.models.resnet import BLOCK_COUNTS
from tfipgan.training.ipgan import IPGAN
from tfipgan.training.reid import ReidTraining
from tfipgan.training.strategy import check_batch_size, make_strategy
from tfipgan.weights.variables import named_weights

STEPS, ROWS, N_CRITIC, DOMAINS, PEOPLE, UNITS = 2, 4, 2, 3, 4, 6
GAN_SIZE, REID_SIZE = (16, 8), (64, 32)


def make_semantic(people):
    network = ReidNetwork(people, depth=18, width=2, fc_units=UNITS)
    network(tf.zeros((1, 32, 32, 3)))
    return network


def make_ipgan():
    generator = Generator(DOMAINS, width=4, num_blocks=1)
    generator((tf.zeros((1, *GAN_SIZE, 3)), tf.zeros((1, DOMAINS))))
    discriminator = Discriminator(DOMAINS, GAN_SIZE, width=4, num_layers=3)
    discriminator(tf.zeros((1, *GAN_SIZE, 3)))
    model = IPGAN(
        generator,
        discriminator,
        make_semantic(PEOPLE),
        n_critic=N_CRITIC,
        # So large that a wrong mean over the source rows would rule the update.
        lambda_semantic=5.0,
    )
    # A large epsilon: the first step is not +-rate for a gradient of rounding errors.
    optimizers = [
        keras.optimizers.Adam(0.02, beta_1=0.5, epsilon=1e-2) for _ in range(2)
    ]
    return model, optimizers


def gan_batches():
    draw = np.random.default_rng(0)
    shape = (STEPS * ROWS, N_CRITIC)
    # Source rows of the critic's last batch in the halves of each: 2 and 1, 0 and 1.
    last = np.array([1, 1, 1, 0, 0, 0, 0, 1], bool)
    rows = {
        "images": draw.uniform(-1, 1, (*shape, *GAN_SIZE, 3)).astype(np.float32),
        "domains": draw.integers(0, DOMAINS, shape).astype(np.int32),
        "target_domains": draw.integers(0, DOMAINS, shape).astype(np.int32),
        "identities": draw.integers(0, PEOPLE, shape).astype(np.int32),
        # Not bool: Keras takes a mean over the replicas of all that it is given.
        "is_source": np.stack([~last, last], axis=1).astype(np.int32),
        "interpolation": draw.random(shape).astype(np.float32),
    }
    return tf.data.Dataset.from_tensor_slices(rows).batch(ROWS, drop_remainder=True)


def make_reid():
    model = ReidTraining(make_semantic(PEOPLE), weight_decay=0.05)
    optimizers = [
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True) for rate in (0.01, 0.1)
    ]
    return model, optimizers


def reid_batches():
    draw = np.random.default_rng(0)
    rows = {
        "images": draw.random((STEPS * ROWS, *REID_SIZE, 3)).astype(np.float32),
        "identities": draw.integers(0, PEOPLE, STEPS * ROWS).astype(np.int32),
        "dropout_noise": draw.random((STEPS * ROWS, UNITS)).astype(np.float32),
    }
    return tf.data.Dataset.from_tensor_slices(rows).batch(ROWS, drop_remainder=True)


def make_triplet():
    """Smoothed, by Adam, with triplets that rule the update."""
    network = make_semantic(PEOPLE)
    model = ReidTraining(network, 0.05, label_smoothing=0.1, triplet_margin=20.0)
    return model, [keras.optimizers.Adam(0.002, epsilon=1e-2) for _ in range(2)]


def triplet_batches():
    """Each image's only other of its person is on the other device, at first."""

    def paired(rows):
        people = tf.constant([[0, 1, 0, 1], [2, 0, 1, 2]])[rows["number"]]
        return {**rows["batch"], "identities": people}

    batches = tf.data.Dataset.zip(
        {"number": tf.data.Dataset.range(STEPS), "batch": reid_batches()}
    )
    return batches.map(paired)


CASES = {
    "ipgan": (make_ipgan, gan_batches),
    "reid": (make_reid, reid_batches),
    "triplet": (make_triplet, triplet_batches),
}


def weights_of(model):
    """Weights of the networks, not of the optimisers, nor Keras's own counts."""
    networks = [
        getattr(model, name)
        for name in ("generator", "discriminator", "semantic_network", "network")
        if hasattr(model, name)
    ]
    return {
        f"{i}: {name}": variable
        for i, network in enumerate(networks)
        for name, variable in named_weights(network).items()
    }


def snapshot(model):
    return [variable.numpy() for variable in weights_of(model).values()]


def compiled(make, strategy, start):
    with strategy.scope():
        model, optimizers = make()
        model.compile(*optimizers)
        for variable, value in zip(weights_of(model).values(), start, strict=True):
            variable.assign(value)
    return model


def train(make, batches, strategy, start):
    """Run the steps op by op; return metrics and weights after each, and the model."""
    model = compiled(make, strategy, start)
    metrics, weights = [], []
    for batch in strategy.experimental_distribute_dataset(batches()):
        terms = strategy.run(model.train_step, args=(batch,))
        metrics.append({name: float(term) for name, term in terms.items()})
        weights.append(snapshot(model))
    return metrics, weights, model


def fit(make, batches, strategy, start):
    """The same by Keras's own loop."""
    model = compiled(make, strategy, start)
    metrics, weights = [], []

    def on_train_batch_end(batch, logs):
        metrics.append({name: float(term) for name, term in logs.items()})
        weights.append(snapshot(model))

    watch = keras.callbacks.LambdaCallback(on_train_batch_end=on_train_batch_end)
    model.fit(
        batches(), steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[watch]
    )
    return metrics, weights, model


@pytest.fixture(scope="module", params=CASES)
def runs(request, two_devices):
    """One training on one device, and on two; from the same start."""
    make, batches = CASES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        # What takes the time here is tracing: the shallowest network that has it all.
        patch.setitem(BLOCK_COUNTS, 18, (1, 1, 0, 0))
        keras.utils.set_random_seed(3)
        model, _ = make()
        for seed, variable in enumerate(weights_of(model).values()):
            # Off the zeros that some layers start at, which hide what is behind them.
            noise = np.random.default_rng(seed).uniform(0.0, 0.1, variable.shape)
            variable.assign_add(noise)
        start = snapshot(model)
        one, two = (
            tf.distribute.MirroredStrategy(devices)
            for devices in (two_devices[:1], two_devices)
        )
        assert (one.num_replicas_in_sync, two.num_replicas_in_sync) == (1, 2)
        return {
            "start": start,
            "one": train(make, batches, one, start),
            "two": fit(make, batches, two, start),
        }


def assert_same(model, got, right):
    for name, value, expected in zip(weights_of(model), got, right, strict=True):
        np.testing.assert_allclose(value, expected, 1e-4, 1e-5, err_msg=name)


def test_two_devices_train_as_one(runs):
    (metrics, weights, model), (right, right_weights, _) = runs["two"], runs["one"]
    assert len(metrics) == len(weights) == STEPS
    for step in range(STEPS):
        assert metrics[step] == pytest.approx(right[step], rel=1e-4, abs=1e-5)
        assert_same(model, weights[step], right_weights[step])


def test_training_moved_all_there_is_to_train(runs):
    _, (first, last), model = runs["two"]
    trained = {id(variable) for variable in model.trainable_variables}
    for (name, variable), start, after, end in zip(
        weights_of(model).items(), runs["start"], first, last, strict=True
    ):
        is_statistic = hasattr(model, "network") and "moving" in name
        moves = id(variable) in trained or is_statistic
        assert (abs(after - start).max() > 1e-6) == moves, name
        assert (abs(end - after).max() > 1e-6) == moves, name


def test_replicas_hold_the_same(runs):
    *_, model = runs["two"]
    strategy, weights = model.distribute_strategy, weights_of(model)

    def read():
        return {name: tf.identity(variable) for name, variable in weights.items()}

    for name, copies in strategy.run(read).items():
        first, second = strategy.experimental_local_results(copies)
        np.testing.assert_array_equal(first, second, err_msg=name)


def test_strategy_of_named_devices(two_devices):
    assert make_strategy(["CPU:1"]).num_replicas_in_sync == 1
    assert make_strategy(["CPU:1"]) is make_strategy(("CPU:1",))
    assert make_strategy(["CPU:0", "CPU:1"]).num_replicas_in_sync == 2


def test_strategy_of_all_devices(two_devices):
    gpus = tf.config.list_logical_devices("GPU")
    assert make_strategy().num_replicas_in_sync == len(gpus or two_devices)


def test_device_that_is_not_there(two_devices):
    message = "^device GPU:7, TPU:0 is not there; this machine has .*CPU:0, CPU:1$"
    with pytest.raises(InputError, match=message):
        make_strategy(["CPU:0", "GPU:7", "TPU:0"])


def test_batch_size_that_does_not_split(two_devices):
    strategy = make_strategy(["CPU:0", "CPU:1"])
    check_batch_size(strategy, 16)
    check_batch_size(make_strategy(["CPU:0"]), 15)
    message = (
        "^batch size 15 does not split over 2 devices: use a multiple of 2, or fewer"
    )
    with pytest.raises(InputError, match=message):
        check_batch_size(strategy, 15)
