"""The re-ID network's optimisers against PyTorch's written out in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.config import ReidConfig
from tfipgan.models import ReidNetwork
from tfipgan.training.reid import ReidTraining
from tfipgan.training.reid_optimizers import (
    freeze_stages,
    learning_rates,
    make_optimizers,
)

EPOCH_STEPS = 3


def rates(steps, **values):
    schedule = learning_rates(ReidConfig(**values), EPOCH_STEPS, 0.8)
    return [float(schedule(step)) for step in range(steps)]


def test_the_papers_rates():
    expected = [0.8] * 6 + [0.08] * 3
    np.testing.assert_allclose(rates(9, decay_epoch=2), expected, rtol=1e-6)


def test_rates_of_several_decays_after_a_warmup():
    got = rates(15, warmup_epochs=1, decay_epoch=[2, 4], decay_factor=0.5)
    rising = 0.8 * np.array([0.01, 0.34, 0.67])
    expected = [*rising, *[0.8] * 3, *[0.4] * 6, *[0.2] * 3]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_cosine_rates_fall_from_the_warmups_end_to_the_last_epochs():
    got = rates(10, schedule="cosine", warmup_epochs=1, epochs=3, decay_epoch=1)
    np.testing.assert_allclose(got[:3], 0.8 * np.array([0.01, 0.34, 0.67]), rtol=1e-6)
    falling = 0.4 * (1 + np.cos(np.pi * np.arange(7) / 6))
    np.testing.assert_allclose(got[3:], falling, atol=1e-7)


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [("sgd", keras.optimizers.SGD), ("adam", keras.optimizers.Adam)],
)
def test_each_part_has_its_rate(optimizer, kind):
    reid = ReidConfig(
        optimizer=optimizer, learning_rate=0.2, backbone_learning_rate=0.03
    )
    made = make_optimizers(reid, EPOCH_STEPS)
    for name, rate in (("backbone_optimizer", 0.03), ("head_optimizer", 0.2)):
        assert type(made[name]) is kind and made[name].name == name
        made[name].build([tf.Variable(1.0)])
        assert float(made[name].learning_rate) == pytest.approx(rate)


def test_adam_with_decay_in_the_gradient():
    """Two steps as torch.optim.Adam(weight_decay=...) makes them."""
    keras.utils.set_random_seed(1)
    network = ReidNetwork(3, depth=18, width=2, fc_units=6)
    network(tf.zeros((1, 32, 16, 3)))
    # All but the last layer held: its gradient does not depend on anything that moves.
    freeze_stages(network.backbone, 5)
    network.head.embedding.trainable = network.head.norm.trainable = False
    decay, rate = 0.1, 0.01
    reid = ReidConfig(optimizer="adam", learning_rate=rate)
    model = ReidTraining(network, decay)
    model.compile(**make_optimizers(reid, EPOCH_STEPS))
    draw = np.random.default_rng(0)
    batch = {
        "images": tf.constant(draw.random((4, 32, 16, 3)), tf.float32),
        "identities": tf.constant([0, 2, 1, 2]),
        "dropout_noise": tf.ones((4, 6)),
    }
    kernel = network.head.classifier.kernel
    # Keras adds epsilon at another place: values, so their decay, are far above it.
    kernel.assign(100 * kernel.numpy())
    weights = kernel.numpy().astype(float)
    pooled = network.pool(batch["images"])
    hidden = tf.nn.relu(network.head.norm(network.head.embedding(pooled))).numpy() * 2
    bias, targets = np.zeros(3), np.eye(3)[batch["identities"]]
    first = [np.zeros_like(weights), np.zeros(3)]
    second = [np.zeros_like(weights), np.zeros(3)]
    for step in (1, 2):
        model.train_step(batch)
        logits = hidden @ weights + bias
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        slopes = (shares - targets) / 4
        values = [weights, bias]
        gradients = [hidden.T @ slopes, slopes.sum(axis=0)]
        for place, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
            decayed = gradient + decay * value
            first[place] = 0.9 * first[place] + 0.1 * decayed
            second[place] = 0.999 * second[place] + 0.001 * decayed**2
            mean = first[place] / (1 - 0.9**step)
            size = np.sqrt(second[place] / (1 - 0.999**step)) + 1e-8
            values[place] = value - rate * mean / size
        weights, bias = values
        np.testing.assert_allclose(kernel, weights, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(
            network.head.classifier.bias, bias, rtol=1e-3, atol=1e-5
        )
