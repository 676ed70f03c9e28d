"""The re-ID step against PyTorch's SGD written out in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan import losses
from tfipgan.models import ReidNetwork
from tfipgan.training.reid import ReidTraining
from tfipgan.training.reid_optimizers import freeze_stages
from tfipgan.weights.variables import named_weights

ROWS, SIZE, PEOPLE, UNITS = 4, (32, 16), 3, 6
DECAY, MOMENTUM = 0.05, 0.9
RATES = {"backbone": 0.01, "head": 0.1}


def values_of(network):
    return {name: v.numpy() for name, v in named_weights(network).items()}


def put_back(network, values):
    for name, variable in named_weights(network).items():
        variable.assign(values[name])


@pytest.fixture(scope="module")
def built():
    keras.utils.set_random_seed(1)
    network = ReidNetwork(PEOPLE, depth=18, width=2, fc_units=UNITS, name="reid")
    network(tf.zeros((1, *SIZE, 3)))
    # Away from the start's small classifier, so that all gradients are at work.
    kernel = network.head.classifier.kernel
    kernel.assign(100 * kernel.numpy())
    return network, values_of(network)


@pytest.fixture
def network(built):
    network, start = built
    put_back(network, start)
    return network


def make_batch(seed=0):
    draw = np.random.default_rng(seed)
    return {
        "images": tf.constant(draw.random((ROWS, *SIZE, 3)), tf.float32),
        "identities": tf.constant(draw.integers(0, PEOPLE, ROWS), tf.int32),
        "dropout_noise": tf.constant(draw.random((ROWS, UNITS)), tf.float32),
    }


def compiled(network, weight_decay=DECAY, momentum=MOMENTUM, nesterov=True, **options):
    model = ReidTraining(network, weight_decay, **options)
    model.compile(
        *(keras.optimizers.SGD(rate, momentum, nesterov) for rate in RATES.values())
    )
    return model


def test_two_steps_equal_pytorchs(network, built):
    model = compiled(network)
    results = [model.train_step(make_batch(seed)) for seed in (0, 1)]
    end = values_of(network)

    put_back(network, built[1])
    named = named_weights(network)
    trained = {name: v for name, v in named.items() if v.trainable}
    speed = {name: np.zeros(variable.shape) for name, variable in trained.items()}
    for seed, result in enumerate(results):
        batch = make_batch(seed)
        with tf.GradientTape() as tape:
            logits = network(
                batch["images"], training=True, dropout_noise=batch["dropout_noise"]
            )
            rows = tf.range(ROWS)
            chosen = tf.stack([rows, batch["identities"]], axis=1)
            loss = -tf.reduce_mean(tf.gather_nd(tf.nn.log_softmax(logits), chosen))
        assert float(result["reid/loss"]) == pytest.approx(float(loss), rel=1e-4)
        right = np.argmax(logits, axis=1) == batch["identities"].numpy()
        assert float(result["reid/accuracy"]) == pytest.approx(right.mean())
        gradients = tape.gradient(loss, trained)
        flat = np.concatenate([np.ravel(gradient) for gradient in gradients.values()])
        length = np.sqrt((flat.astype(np.float64) ** 2).sum())
        assert float(result["reid/gradient_norm"]) == pytest.approx(length, rel=1e-3)
        assert result.keys() == {"reid/loss", "reid/accuracy", "reid/gradient_norm"}
        for name, gradient in gradients.items():
            weights = trained[name].numpy()
            decayed = gradient.numpy() + DECAY * weights
            speed[name] = MOMENTUM * speed[name] + decayed
            rate = RATES[name.split(".")[0]]
            trained[name].assign(weights - rate * (decayed + MOMENTUM * speed[name]))
    for name, variable in named.items():
        np.testing.assert_allclose(variable, end[name], rtol=1e-3, atol=1e-4)
        assert abs(end[name] - built[1][name]).max() > 0, name


def test_decay_takes_all_trainable_parameters(network, built):
    """What decay adds to one plain step is -rate * decay * w, biases and norms too."""
    ends = []
    for decay in (0.0, 0.5):
        put_back(network, built[1])
        model = compiled(network, decay, momentum=0.0, nesterov=False)
        model.train_step(make_batch())
        ends.append(values_of(network))
    without, with_it = ends
    for name, variable in named_weights(network).items():
        factor = -RATES[name.split(".")[0]] * 0.5 if variable.trainable else 0
        moved = with_it[name] - without[name]
        np.testing.assert_allclose(moved, factor * built[1][name], atol=1e-5)


def test_dropped_units_learn_nothing(network, built):
    batch = make_batch()
    noise = np.full((ROWS, UNITS), 0.9, np.float32)
    noise[:, 1] = 0.1
    model = compiled(network, weight_decay=0.0)
    model.train_step({**batch, "dropout_noise": tf.constant(noise)})
    start = built[1]["head.classifier.kernel"]
    moved = network.head.classifier.kernel.numpy() - start
    assert not moved[1].any()
    assert moved[[0, 2, 3, 4, 5]].any(axis=1).sum() >= 3


def test_loss_is_that_of_the_noise(network, built):
    losses = []
    for noise in (0.0, 0.6, 0.9):
        put_back(network, built[1])
        batch = {**make_batch(), "dropout_noise": tf.fill((ROWS, UNITS), noise)}
        losses.append(float(compiled(network).train_step(batch)["reid/loss"]))
    assert losses[1] == pytest.approx(losses[2])
    # Nothing kept: the logits are the classifier's bias, all alike.
    assert losses[0] == pytest.approx(np.log(PEOPLE), rel=1e-5)
    assert losses[1] != pytest.approx(losses[0])


def test_step_of_all_loss_terms(network, built):
    """The update is along the gradient of the smoothed loss and the triplets' sum."""
    batch = {**make_batch(), "identities": tf.constant([2, 0, 2, 0])}
    model = compiled(
        network, 0.0, 0.0, False, label_smoothing=0.2, triplet_margin="soft"
    )
    result = model.train_step(batch)
    end = values_of(network)

    put_back(network, built[1])
    trained = {n: v for n, v in named_weights(network).items() if v.trainable}
    with tf.GradientTape() as tape:
        features = network.pool(batch["images"], training=True)
        logits = network.head(
            features, training=True, dropout_noise=batch["dropout_noise"]
        )
        smoothed = losses.identity_loss(logits, batch["identities"], 0.2)
        triplet = losses.triplet_loss(features, batch["identities"], "soft")
        total = smoothed + triplet
    assert float(result["reid/loss"]) == pytest.approx(float(smoothed), rel=1e-5)
    assert float(result["reid/triplet_loss"]) == pytest.approx(float(triplet), rel=1e-5)
    gradients = tape.gradient(total, trained)
    length = float(tf.linalg.global_norm(list(gradients.values())))
    assert float(result["reid/gradient_norm"]) == pytest.approx(length, rel=1e-3)
    for name, gradient in gradients.items():
        moved = end[name] - built[1][name]
        rate = RATES[name.split(".")[0]]
        np.testing.assert_allclose(moved, -rate * gradient, rtol=1e-3, atol=1e-5)


@pytest.fixture
def thawed(network):
    """The network, which is trained whole again after the test."""
    yield network
    for layer in sum(network.backbone.stages(), []):
        layer.trainable = True


@pytest.mark.parametrize(
    ("count", "frozen"),
    [
        (1, ("stem",)),
        (3, ("stem", "blocks.0.", "blocks.1.", "blocks.2.", "blocks.3.")),
        (5, ("",)),
    ],
)
def test_frozen_stages_stay_as_they_are(thawed, built, count, frozen):
    """Weights and statistics, whatever the decay; all others move."""
    freeze_stages(thawed.backbone, count)
    model = compiled(thawed, weight_decay=0.5)
    for seed in (0, 1):
        model.train_step(make_batch(seed))
    for name, value in values_of(thawed).items():
        stays = name.startswith(tuple(f"backbone.{part}" for part in frozen))
        assert (value == built[1][name]).all() == stays, name


def test_a_frozen_stage_normalises_by_its_statistics(thawed):
    images = make_batch()["images"]
    freeze_stages(thawed.backbone, 5)
    got = thawed.pool(images, training=True)
    np.testing.assert_allclose(got, thawed.pool(images), rtol=1e-5, atol=1e-6)


def test_frozen_batch_norm_keeps_the_backbones_statistics(network, built):
    """Its scales and shifts are learnt, and so are the head's statistics."""
    batch = make_batch()
    right = network.head(
        network.pool(batch["images"]),
        training=True,
        dropout_noise=batch["dropout_noise"],
    )
    put_back(network, built[1])
    loss = losses.identity_loss(right, batch["identities"])
    result = compiled(network, frozen_batch_norm=True).train_step(batch)
    assert float(result["reid/loss"]) == pytest.approx(float(loss), rel=1e-5)
    for name, value in values_of(network).items():
        stays = name.startswith("backbone") and "moving" in name
        assert (value == built[1][name]).all() == stays, name


def test_call_gives_logits_in_inference(network):
    images = make_batch()["images"]
    np.testing.assert_array_equal(compiled(network)(images), network(images))
