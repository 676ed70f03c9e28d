"""IPGAN's step against the same step written out, one forward pass after the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.training.ipgan import IPGAN
from tfipgan.weights.variables import named_weights

ROWS, N_CRITIC, SIZE, DOMAINS, PEOPLE = 3, 2, 16, 3, 4
# All unlike each other, so that no two can be mistaken for each other.
LAMBDAS = {
    "lambda_domain": 1.5,
    "lambda_reconstruction": 4.0,
    "lambda_semantic": 0.7,
    "lambda_gradient_penalty": 3.0,
}
ADAM = {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.9}
# Large: Adam's first step would be +-rate even for a gradient of rounding errors.
EPSILON = 1e-2


def unsettle(network):
    """Move what starts at 0 or 1 away from it: scales, shifts, biases, statistics."""
    for seed, (name, variable) in enumerate(named_weights(network).items()):
        if variable.shape.rank == 1:
            noise = np.random.default_rng(seed).uniform(-0.5, 0.5, variable.shape)
            is_scale = name.endswith(("gamma", "moving_variance"))
            variable.assign(noise + is_scale)


def values_of(network):
    # Keras 2's get_weights() has another order for a network that is frozen.
    return [variable.numpy() for variable in named_weights(network).values()]


def put_back(network, values):
    for variable, value in zip(named_weights(network).values(), values, strict=True):
        variable.assign(value)


def make_networks():
    keras.utils.set_random_seed(3)
    generator = Generator(DOMAINS, width=4, num_blocks=1)
    generator((tf.zeros((1, SIZE, SIZE, 3)), tf.zeros((1, DOMAINS))))
    discriminator = Discriminator(DOMAINS, (SIZE, SIZE), width=4, num_layers=3)
    discriminator(tf.zeros((1, SIZE, SIZE, 3)))
    semantic_network = ReidNetwork(PEOPLE, depth=18, width=4, fc_units=8)
    semantic_network(tf.zeros((1, SIZE, SIZE, 3)))
    for network in (generator, discriminator, semantic_network):
        unsettle(network)
    # Or all people look alike.
    kernel = semantic_network.head.classifier.kernel
    kernel.assign(200 * kernel.numpy())
    return generator, discriminator, semantic_network


def make_batch(seed=0, n_critic=N_CRITIC):
    draw = np.random.default_rng(seed)
    shape = (ROWS, n_critic)
    batch = {
        "images": draw.uniform(-1, 1, (*shape, SIZE, SIZE, 3)).astype(np.float32),
        "domains": np.array([[0, 2], [2, 2], [1, 0]], np.int32)[:, -n_critic:],
        "target_domains": np.array([[1, 0], [2, 1], [0, 2]], np.int32)[:, -n_critic:],
        "identities": draw.integers(0, PEOPLE, shape).astype(np.int32),
        "is_source": np.array([[0, 1], [1, 1], [0, 0]], bool)[:, -n_critic:],
        "interpolation": draw.random(shape).astype(np.float32),
    }
    return {name: tf.constant(value) for name, value in batch.items()}


@pytest.fixture(scope="module")
def networks():
    """The networks as they start; what a test changes is put back by `restored`."""
    networks = make_networks()
    return networks, [values_of(network) for network in networks]


@pytest.fixture(autouse=True)
def restored(networks):
    yield
    for network, weights in zip(*networks, strict=True):
        network.trainable = True
        put_back(network, weights)


def compiled(
    networks, optimizers=None, n_critic=N_CRITIC, with_semantic=True, **options
):
    generator, discriminator, identities = networks[0]
    if not with_semantic:
        identities = None
    model = IPGAN(
        generator, discriminator, identities, n_critic=n_critic, **LAMBDAS | options
    )
    adam = {**ADAM, "epsilon": EPSILON}
    model.compile(*(optimizers or [keras.optimizers.Adam(**adam) for _ in range(2)]))
    return model


class PlainAdam:
    """Adam (Kingma and Ba 2015, the form at the end of section 2), in float64."""

    def __init__(self):
        self.steps, self.moments = 0, None

    def update(self, variables, gradients):
        self.steps += 1
        gradients = [gradient.numpy().astype(np.float64) for gradient in gradients]
        self.moments = self.moments or [(0 * g, 0 * g) for g in gradients]
        beta_1, beta_2 = ADAM["beta_1"], ADAM["beta_2"]
        rate = ADAM["learning_rate"] * np.sqrt(1 - beta_2**self.steps)
        rate /= 1 - beta_1**self.steps
        self.moments = [
            (beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2)
            for (m, v), g in zip(self.moments, gradients, strict=True)
        ]
        for variable, (m, v) in zip(variables, self.moments, strict=True):
            variable.assign(variable.numpy() - rate * m / (np.sqrt(v) + EPSILON))


def cross_entropy(logits, labels):
    pairs = zip(tf.unstack(logits), np.asarray(labels), strict=True)
    rows = [tf.nn.log_softmax(row)[label] for row, label in pairs]
    return -tf.add_n(rows) / len(rows)


def minus_log(probabilities):
    return -tf.reduce_mean(tf.math.log(probabilities))


def length(gradients):
    flat = np.concatenate([np.ravel(gradient) for gradient in gradients])
    return np.sqrt((flat.astype(np.float64) ** 2).sum())


def plain_step(networks, batch, optimizers, adversarial):
    """One step of the paper's section 3.3; returns the terms of the last updates."""
    generator, discriminator, semantic_network = networks[0]
    terms = {}
    for k in range(N_CRITIC):
        part = {name: value[:, k] for name, value in batch.items()}
        real, asked = part["images"], tf.one_hot(part["target_domains"], DOMAINS)
        fake = generator((real, asked))
        variables = discriminator.trainable_variables
        with tf.GradientTape() as tape:
            real_map, real_logits = discriminator(real)
            fake_map, _ = discriminator(fake)
            if adversarial == "vanilla":
                terms["D/loss_real"] = minus_log(tf.sigmoid(real_map))
                terms["D/loss_fake"] = minus_log(1 - tf.sigmoid(fake_map))
            else:
                terms["D/loss_real"] = -tf.reduce_mean(real_map)
                terms["D/loss_fake"] = tf.reduce_mean(fake_map)
                penalties = []
                for row in range(ROWS):
                    a = part["interpolation"][row]
                    mixed = (a * real[row] + (1 - a) * fake[row])[None]
                    with tf.GradientTape() as inner:
                        inner.watch(mixed)
                        score = tf.reduce_sum(discriminator(mixed)[0])
                    penalties.append((tf.norm(inner.gradient(score, mixed)) - 1) ** 2)
                terms["D/loss_gp"] = tf.add_n(penalties) / ROWS
            terms["D/loss_domain"] = cross_entropy(real_logits, part["domains"])
            terms["D/loss"] = (
                terms["D/loss_real"]
                + terms["D/loss_fake"]
                + 1.5 * terms["D/loss_domain"]
                + 3.0 * terms.get("D/loss_gp", 0.0)
            )
        gradients = tape.gradient(terms["D/loss"], variables)
        terms["D/gradient_norm"] = length(gradients)
        optimizers[1].update(variables, gradients)
    variables = generator.trainable_variables
    with tf.GradientTape() as tape:
        fake = generator((real, asked))
        fake_map, fake_logits = discriminator(fake)
        if adversarial == "vanilla":
            terms["G/loss_fake"] = minus_log(tf.sigmoid(fake_map))
        else:
            terms["G/loss_fake"] = -tf.reduce_mean(fake_map)
        terms["G/loss_domain"] = cross_entropy(fake_logits, part["target_domains"])
        back = generator((fake, tf.one_hot(part["domains"], DOMAINS)))
        terms["G/loss_rec"] = tf.reduce_mean(tf.abs(back - real))
        source = np.flatnonzero(part["is_source"])
        people = semantic_network(tf.gather((fake + 1) / 2, source))
        identities = part["identities"].numpy()[source]
        terms["G/loss_sem"] = cross_entropy(people, identities)
        terms["G/loss"] = (
            terms["G/loss_fake"]
            + 1.5 * terms["G/loss_domain"]
            + 4.0 * terms["G/loss_rec"]
            + 0.7 * terms["G/loss_sem"]
        )
    gradients = tape.gradient(terms["G/loss"], variables)
    terms["G/gradient_norm"] = length(gradients)
    optimizers[0].update(variables, gradients)
    return {name: float(value) for name, value in terms.items()}


@pytest.mark.parametrize("adversarial", ["wgan-gp", "vanilla"])
def test_steps_equal_the_plain_ones(networks, adversarial):
    trained, frozen = networks[0][:2], values_of(networks[0][2])
    states = [[values_of(network) for network in trained]]
    model = compiled(networks, adversarial=adversarial)
    got = []
    for seed in (0, 1):
        got.append(model.train_step(make_batch(seed)))
        states.append([values_of(network) for network in trained])
    for weights, start in zip(values_of(networks[0][2]), frozen, strict=True):
        np.testing.assert_array_equal(weights, start)

    optimizers = PlainAdam(), PlainAdam()
    for seed, terms in enumerate(got):
        # Both steps start alike: rounding would grow wherever a ReLU has its corner.
        for network, weights in zip(trained, states[seed], strict=True):
            put_back(network, weights)
        right = plain_step(networks, make_batch(seed), optimizers, adversarial)
        terms = {name: float(term) for name, term in terms.items()}
        assert terms == pytest.approx(right, rel=1e-4, abs=1e-5)
        for network, before, after in zip(trained, *states[seed:][:2], strict=True):
            named = named_weights(network).items()
            for (name, variable), old, new in zip(named, before, after, strict=True):
                np.testing.assert_allclose(variable, new, atol=2e-5)
                assert abs(new - old).max() > 1e-3, name


def test_semantic_is_only_read(networks):
    model = compiled(networks)
    generator, discriminator, semantic_network = networks[0]
    assert semantic_network.trainable_variables == []
    trained = len(generator.trainable_variables + discriminator.trainable_variables)
    assert len(model.trainable_variables) == trained


def test_updates_are_counted_by_each_optimiser(networks):
    model = compiled(networks)
    model.train_step(make_batch())
    assert int(model.discriminator_optimizer.iterations) == N_CRITIC
    assert int(model.generator_optimizer.iterations) == 1


@pytest.mark.parametrize("with_semantic", [True, False])
def test_stargan_has_no_semantic_term(networks, with_semantic):
    with_it = compiled(networks).train_step(make_batch())
    for network, weights in zip(*networks, strict=True):
        put_back(network, weights)
    model = compiled(networks, with_semantic=with_semantic, lambda_semantic=0.0)
    terms = model.train_step(make_batch())
    assert with_it.keys() - terms.keys() == {"G/loss_sem"}
    assert float(terms["G/loss"]) == pytest.approx(
        float(with_it["G/loss"] - 0.7 * with_it["G/loss_sem"]), rel=1e-5
    )


def test_without_source_rows(networks):
    batch = make_batch()
    batch["is_source"] = tf.zeros_like(batch["is_source"])
    terms = compiled(networks).train_step(batch)
    assert terms["G/loss_sem"] == 0
    assert all(np.isfinite(value) for value in terms.values())


def test_identities_of_target_rows_do_not_matter(networks):
    generator, _, _ = networks[0]
    ends = []
    for garbage in (0, -2, 10**6):
        for network, weights in zip(*networks, strict=True):
            put_back(network, weights)
        batch = make_batch()
        batch["identities"] = tf.where(batch["is_source"], batch["identities"], garbage)
        compiled(networks).train_step(batch)
        ends.append(np.concatenate([w.ravel() for w in values_of(generator)]))
    np.testing.assert_array_equal(ends[1], ends[0])
    np.testing.assert_array_equal(ends[2], ends[0])


@pytest.mark.parametrize("side", ["G", "D"])
def test_gradient_by_finite_differences(networks, side):
    """Along the gradient the loss falls by the gradient's length."""
    network, start = (networks[0][side == "D"], networks[1][side == "D"])
    rates = [float(side == name) for name in "GD"]

    def loss(weights, rates):
        put_back(network, weights)
        optimizers = [keras.optimizers.SGD(rate) for rate in rates]
        model = compiled(networks, optimizers, n_critic=1)
        return float(model.train_step(make_batch(n_critic=1))[f"{side}/loss"])

    loss(start, rates)
    gradient = [a - b for a, b in zip(start, values_of(network), strict=True)]
    for other, weights in zip(*networks, strict=True):
        put_back(other, weights)
    length = np.sqrt(sum((part.astype(np.float64) ** 2).sum() for part in gradient))
    step = 3e-5  # short: there is a corner of a ReLU on any longer way
    above, below = (
        loss([w + h * g for w, g in zip(start, gradient, strict=True)], (0.0, 0.0))
        for h in (step / length, -step / length)
    )
    assert length > 1
    assert (above - below) / (2 * step) == pytest.approx(length, rel=1e-2)


def test_call_translates(networks):
    inputs = make_batch()["images"][:, 0], tf.one_hot([0, 1, 2], DOMAINS)
    generator = networks[0][0]
    np.testing.assert_array_equal(compiled(networks)(inputs), generator(inputs))


def test_semantic_term_without_a_semantic_discriminator(networks):
    message = (
        "lambda_semantic is 0.7 but there is no .*--semantic RUN.*lambda_semantic=0"
    )
    with pytest.raises(InputError, match=message):
        compiled(networks, with_semantic=False)


def test_unknown_adversarial_loss(networks):
    message = "adversarial is 'hinge', expected one of wgan-gp, vanilla"
    with pytest.raises(InputError, match=message):
        compiled(networks, adversarial="hinge")
