"""The steps' gradients against finite differences of the paper's losses.

The losses and the networks are written out again in NumPy, in float64 and from the
paper alone: of the code under test they only read the weights. Central differences of
them, along random directions, must be the gradients that the optimisers were given.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.training.ipgan import IPGAN
from tfipgan.training.reid import ReidTraining

# All sizes unlike each other, as far as they can be.
ROWS, N_CRITIC, SIZE, DOMAINS, PEOPLE, UNITS = 4, 2, (16, 8), 3, 5, 6
REID_ROWS, REID_SIZE, DROPOUT = 8, (32, 16), 0.3
MEAN, STD = (0.4, 0.5, 0.55), (0.3, 0.25, 0.2)
LAMBDAS = {
    "lambda_domain": 1.5,
    "lambda_reconstruction": 4.0,
    "lambda_semantic": 0.7,
    "lambda_gradient_penalty": 3.0,
}
RATE, DECAY = 0.05, 0.3
DIRECTIONS = 2
# Short, because a long way meets corners of ReLUs: where the first does, the second
# won't. Rounding in float64 takes 1e-5 and 1e-4 of a gradient's length.
STEPS = (1e-8, 1e-9)
# Of a gradient's length. Rounding in float32 takes up to 1e-4 of it for IPGAN, 2e-4 for
# the re-ID network, whose last batch normalisations see eight values each.
TOLERANCE = 5e-4


class RecordingSGD(keras.optimizers.SGD):
    """Plain SGD that keeps {id(variable): (value, gradient)} of every update."""

    def __init__(self, rate=RATE):
        super().__init__(rate)
        self.updates = []

    def apply_gradients(self, grads_and_vars):
        pairs = list(grads_and_vars)
        self.updates.append({id(v): (v.numpy(), np.array(g)) for g, v in pairs})
        super().apply_gradients(pairs)


class Weights(dict):
    """{id(variable): float64 array}; called with a variable it gives the array."""

    def __init__(self, *networks):
        for network in networks:
            for variable in network.variables:
                self[id(variable)] = variable.numpy().astype(np.float64)

    def take(self, update):
        """Go back to the values that an update started from."""
        for key, (value, _) in update.items():
            self[key] = value.astype(np.float64)

    def __call__(self, variable):
        return self[id(variable)]


# The networks of the paper's section 4.2, slow and obvious.


def taps(kernel, stride, size):
    """Yield, for each place of a kernel, what it meets of an image and its matrix."""
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            rows = slice(i, i + stride * (size[0] - 1) + 1, stride)
            columns = slice(j, j + stride * (size[1] - 1) + 1, stride)
            yield (slice(None), rows, columns), kernel[i, j]


def pad(x, by, value=0.0):
    edges = ((0, 0), (by, by), (by, by), (0, 0))
    return np.pad(x, edges, constant_values=value)


def convolve(x, kernel, stride=1, padding=0):
    x = pad(x, padding)
    size = [(x.shape[axis + 1] - kernel.shape[axis]) // stride + 1 for axis in (0, 1)]
    return sum(x[place] @ matrix for place, matrix in taps(kernel, stride, size))


def convolve_back(y, kernel, stride=1, padding=0):
    """Return what `convolve` gets from y by the chain rule: its transpose."""
    size = [
        (y.shape[axis + 1] - 1) * stride + kernel.shape[axis] - 2 * padding
        for axis in (0, 1)
    ]
    x = pad(np.zeros((len(y), *size, kernel.shape[2])), padding)
    for place, matrix in taps(kernel, stride, y.shape[1:3]):
        x[place] += y @ matrix.T
    return x[:, padding : padding + size[0], padding : padding + size[1]]


def relu(x):
    return np.maximum(x, 0)


def instance_norm(weights, layer, x):
    mean, variance = (f(x, axis=(1, 2), keepdims=True) for f in (np.mean, np.var))
    scaled = (x - mean) / np.sqrt(variance + 1e-5)
    return scaled * weights(layer.gamma) + weights(layer.beta)


def generator(weights, network, images, domains):
    planes = np.zeros((*images.shape[:3], DOMAINS))
    for row, domain in enumerate(domains):
        planes[row, :, :, domain] = 1

    def unit(x, layer, norm, stride, padding, operation=convolve):
        x = operation(x, weights(layer.kernel), stride, padding)
        return instance_norm(weights, norm, x)

    x = np.concatenate([images, planes], axis=-1)
    x = relu(unit(x, network.stem, network.stem_norm, 1, 3))
    for layer, norm in zip(network.down, network.down_norms, strict=True):
        x = relu(unit(x, layer, norm, 2, 1))
    for block in network.blocks:
        inside = relu(unit(x, block.conv1, block.norm1, 1, 1))
        x = x + unit(inside, block.conv2, block.norm2, 1, 1)
    for layer, norm in zip(network.up, network.up_norms, strict=True):
        x = relu(unit(x, layer, norm, 2, 1, convolve_back))
    return np.tanh(convolve(x, weights(network.to_image.kernel), 1, 3))


def discriminator(weights, network, images):
    """Return source map, domain logits and the leaky ReLUs' slopes."""
    x, slopes = images, []
    for layer in network.down:
        x = convolve(x, weights(layer.kernel), 2, 1) + weights(layer.bias)
        slopes.append(np.where(x > 0, 1, 0.01))
        x = x * slopes[-1]
    logits = convolve(x, weights(network.to_domain.kernel))
    return convolve(x, weights(network.to_source.kernel), 1, 1), logits[:, 0, 0], slopes


def score_gradient(weights, network, images):
    """Return d sum(source map) / d images, by the chain rule."""
    source_map, _, slopes = discriminator(weights, network, images)
    x = convolve_back(np.ones_like(source_map), weights(network.to_source.kernel), 1, 1)
    for layer, slope in zip(network.down[::-1], slopes[::-1], strict=True):
        x = convolve_back(x * slope, weights(layer.kernel), 2, 1)
    return x


def batch_norm(weights, layer, x, training):
    axes = tuple(range(x.ndim - 1))
    mean, variance = weights(layer.moving_mean), weights(layer.moving_variance)
    if training:
        mean, variance = x.mean(axes), x.var(axes)
    scaled = (x - mean) / np.sqrt(variance + 1e-5)
    return scaled * weights(layer.gamma) + weights(layer.beta)


def any_norm(weights, layer, x, training):
    if hasattr(layer, "moving_mean"):
        return batch_norm(weights, layer, x, training)
    return instance_norm(weights, layer, x)


def reid(weights, network, images, training=False, dropout=1.0):
    """Return ResNet-18's identity logits; `dropout` scales the head's hidden units."""

    def unit(x, layer, norm, stride, padding):
        x = convolve(x, weights(layer.kernel), stride, padding)
        return any_norm(weights, norm, x, training)

    backbone, head = network.backbone, network.head
    x = relu(unit((images - MEAN) / STD, backbone.stem, backbone.stem_norm, 2, 3))
    size = [-(-length // 2) for length in x.shape[1:3]]
    x = pad(x, 1, -np.inf)
    x = np.max([x[place] for place, _ in taps(np.empty((3, 3)), 2, size)], axis=0)
    for i, block in enumerate(backbone.blocks):
        stride = 2 if i in (2, 4, 6) else 1
        inside = relu(unit(x, block.convolutions[0], block.norms[0], stride, 1))
        inside = unit(inside, block.convolutions[1], block.norms[1], 1, 1)
        if stride == 2:
            x = unit(x, block.projection, block.projection_norm, 2, 0)
        x = x + inside
        if block.output_norm is not None:
            x = instance_norm(weights, block.output_norm, x)
        x = relu(x)
    x = x.mean(axis=(1, 2))
    x = x @ weights(head.embedding.kernel) + weights(head.embedding.bias)
    x = relu(batch_norm(weights, head.norm, x, training)) * dropout
    return x @ weights(head.classifier.kernel) + weights(head.classifier.bias)


# The losses: eq. 1 to 9 of the paper, with WGAN-GP or the log loss for eq. 1.


def cross_entropy(logits, labels):
    pairs = zip(logits, labels, strict=True)
    return np.mean([-np.log(np.exp(row)[y] / np.exp(row).sum()) for row, y in pairs])


def minus_log_sigmoid(x):
    return np.mean(np.log(1 + np.exp(-x)))


def discriminator_loss(weights, network, batch, fake, kind):
    """Eq. 8; `fake` is a constant."""
    real = batch["images"]
    real_map, real_logits, _ = discriminator(weights, network, real)
    fake_map, _, _ = discriminator(weights, network, fake)
    loss = LAMBDAS["lambda_domain"] * cross_entropy(real_logits, batch["domains"])
    if kind == "vanilla":
        return loss + minus_log_sigmoid(real_map) + minus_log_sigmoid(-fake_map)
    share = batch["interpolation"][:, None, None, None]
    slope = score_gradient(weights, network, share * real + (1 - share) * fake)
    penalty = np.mean((np.sqrt((slope**2).sum(axis=(1, 2, 3))) - 1) ** 2)
    penalty *= LAMBDAS["lambda_gradient_penalty"]
    return loss - real_map.mean() + fake_map.mean() + penalty


def generator_loss(weights, networks, batch, kind):
    """Eq. 9."""
    real = batch["images"]
    fake = generator(weights, networks[0], real, batch["target_domains"])
    back = generator(weights, networks[0], fake, batch["domains"])
    source_map, logits, _ = discriminator(weights, networks[1], fake)
    vanilla = kind == "vanilla"
    loss = minus_log_sigmoid(source_map) if vanilla else -source_map.mean()
    loss += LAMBDAS["lambda_domain"] * cross_entropy(logits, batch["target_domains"])
    loss += LAMBDAS["lambda_reconstruction"] * np.mean(abs(real - back))
    source = np.flatnonzero(batch["is_source"])
    people = reid(weights, networks[2], (fake[source] + 1) / 2)
    semantic = cross_entropy(people, batch["identities"][source])
    return loss + LAMBDAS["lambda_semantic"] * semantic


def reid_loss(weights, network, batch):
    dropout = (batch["dropout_noise"] >= DROPOUT) / (1 - DROPOUT)
    logits = reid(weights, network, batch["images"], True, dropout)
    squares = [(weights(v) ** 2).sum() for v in network.trainable_variables]
    return cross_entropy(logits, batch["identities"]) + DECAY / 2 * sum(squares)


# Networks, batches and the comparison.


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def draw_weights(network, draw):
    for variable in network.variables:
        shape = tuple(variable.shape)
        limit = 0.5 if len(shape) == 1 else (6 / np.prod(shape[:-1])) ** 0.5
        is_scale = "gamma" in variable.name or "variance" in variable.name
        variable.assign(draw.uniform(-limit, limit, shape) + is_scale)


def make_reid(size, ibn=None):
    options = {"fc_units": UNITS, "dropout": DROPOUT, "mean": MEAN, "std": STD}
    network = ReidNetwork(PEOPLE, depth=18, width=2, ibn=ibn, **options)
    network(tf.zeros((1, *size, 3)))
    return network


@pytest.fixture(scope="module")
def built():
    generator = Generator(DOMAINS, width=2, num_blocks=1)
    generator((tf.zeros((1, *SIZE, 3)), tf.zeros((1, DOMAINS))))
    discriminator = Discriminator(DOMAINS, SIZE, width=2, num_layers=3)
    discriminator(tf.zeros((1, *SIZE, 3)))
    return generator, discriminator, make_reid(SIZE)


@pytest.fixture
def networks(built, draw):
    """G, D_dom and D_sem as every test finds them."""
    for network in built:
        draw_weights(network, draw)
    return built


def make_batch(draw):
    shape = (ROWS, N_CRITIC)
    is_source = np.array([[0, 1], [1, 0], [0, 0], [0, 1]], np.int32)
    # A target's identity is no class of D_sem's.
    identities = np.where(is_source, draw.integers(0, PEOPLE, shape), -2)
    return {
        "images": draw.uniform(-1, 1, (*shape, *SIZE, 3)).astype(np.float32),
        "domains": np.array([[0, 2], [2, 1], [1, 0], [0, 2]], np.int32),
        "target_domains": np.array([[1, 0], [2, 1], [0, 2], [0, 1]], np.int32),
        "identities": identities.astype(np.int32),
        "is_source": is_source,
        "interpolation": draw.random(shape).astype(np.float32),
    }


def ipgan_updates(networks, batches, **options):
    """Run a step for each batch; return the updates of G's and of D's optimiser."""
    model = IPGAN(*networks, n_critic=N_CRITIC, **{**LAMBDAS, **options})
    optimizers = RecordingSGD(), RecordingSGD()
    model.compile(*optimizers)
    for batch in batches:
        model.train_step({name: tf.constant(value) for name, value in batch.items()})
    return [optimizer.updates for optimizer in optimizers]


def difference(loss, weights, key, direction, step):
    """Return the loss's derivative as one variable moves in a direction."""
    value, ends = weights[key], []
    for sign in (1, -1):
        weights[key] = value + sign * step * direction
        ends.append(loss(weights))
    weights[key] = value
    return (ends[0] - ends[1]) / (2 * step)


def assert_gradients(loss, weights, update, variables, draw):
    """The update's gradients are the loss's, for each of the variables and no others.

    A wrong gradient would have to be right along each of the random directions.
    """
    assert update.keys() == {id(variable) for variable in variables}
    for variable in variables:
        gradient = update[id(variable)][1].astype(np.float64)
        shape, largest = gradient.shape, np.zeros(gradient.shape)
        largest.flat[abs(gradient).argmax()] = 1
        directions = [draw.choice((-1.0, 1.0), shape) for _ in range(DIRECTIONS)]
        directions.append(largest)
        got = [(gradient * direction).sum() for direction in directions]
        length = np.linalg.norm(gradient)
        assert length > 1e-3, variable.name  # or there is nothing to compare
        limits = {"rtol": 0, "atol": TOLERANCE * length}
        for step in STEPS:
            right = [
                difference(loss, weights, id(variable), d, step) for d in directions
            ]
            if np.allclose(got, right, **limits):
                break
        np.testing.assert_allclose(got, right, **limits, err_msg=variable.name)


def assert_descent(updates, start, variables):
    """The updates lead from the start to the variables' values, each by -rate * g."""
    for variable in variables:
        value = start(variable)
        for update in updates:
            before, gradient = update[id(variable)]
            np.testing.assert_allclose(before, value, rtol=0, atol=1e-6)
            value = before - RATE * gradient
        np.testing.assert_allclose(variable.numpy(), value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["wgan-gp", "vanilla"])
def test_ipgan_step(networks, kind, draw):
    weights = Weights(*networks)
    g_variables, d_variables = (network.trainable_variables for network in networks[:2])
    steps = [make_batch(draw), make_batch(draw)]
    g_updates, d_updates = ipgan_updates(networks, steps, adversarial=kind)

    assert (len(g_updates), len(d_updates)) == (2, 2 * N_CRITIC)
    assert_descent(g_updates, weights, g_variables)
    assert_descent(d_updates, weights, d_variables)
    for variable in networks[2].variables:
        np.testing.assert_array_equal(variable.numpy(), weights(variable))

    # The second step: by then G is no longer the one that all started with.
    weights.take(g_updates[1])
    for k, update in enumerate(d_updates[N_CRITIC:]):
        batch = {name: values[:, k] for name, values in steps[1].items()}
        weights.take(update)
        fake = generator(weights, networks[0], batch["images"], batch["target_domains"])

        def d_loss(weights, batch=batch, fake=fake):
            return discriminator_loss(weights, networks[1], batch, fake, kind)

        assert_gradients(d_loss, weights, update, d_variables, draw)

    def g_loss(weights):
        return generator_loss(weights, networks, batch, kind)

    # G's update is on D's last batch, with D as it came out of it.
    weights.update(Weights(networks[1]))
    assert_gradients(g_loss, weights, g_updates[1], g_variables, draw)


def test_semantic_gradient_without_source_rows(networks, draw):
    """It is 0, exactly: G's gradient is as if the term's weight were 0."""
    batch = make_batch(draw)
    batch["is_source"] = np.zeros_like(batch["is_source"])
    start = [network.get_weights() for network in networks[:2]]
    gradients = []
    for options in ({}, {"lambda_semantic": 0.0}):
        for network, values in zip(networks[:2], start, strict=True):
            network.set_weights(values)
        (update,), _ = ipgan_updates(networks, [batch], **options)
        gradients.append([gradient for _, gradient in update.values()])
    for with_it, without in zip(*gradients, strict=True):
        np.testing.assert_array_equal(with_it, without)


@pytest.mark.parametrize("ibn", [None, "b"])
def test_reid_step(ibn, draw):
    network = make_reid(REID_SIZE, ibn)
    draw_weights(network, draw)
    batch = {
        "images": draw.random((REID_ROWS, *REID_SIZE, 3)).astype(np.float32),
        "identities": draw.integers(0, PEOPLE, REID_ROWS).astype(np.int32),
        "dropout_noise": draw.random((REID_ROWS, UNITS)).astype(np.float32),
    }
    weights = Weights(network)
    model = ReidTraining(network, DECAY)
    optimizers = RecordingSGD(), RecordingSGD()
    model.compile(*optimizers)
    model.train_step({name: tf.constant(value) for name, value in batch.items()})

    def loss(weights):
        return reid_loss(weights, network, batch)

    parts = network.backbone, network.head
    for part, optimizer in zip(parts, optimizers, strict=True):
        variables = part.trainable_variables
        assert len(optimizer.updates) == 1
        assert_descent(optimizer.updates, weights, variables)
        assert_gradients(loss, weights, optimizer.updates[0], variables, draw)


def test_score_gradient_by_finite_differences(networks, draw):
    """The chain rule of this file; D is linear between its corners."""
    network = networks[1]
    weights = Weights(network)
    images = draw.uniform(-1, 1, (2, *SIZE, 3))
    weights["images"] = images
    slope = score_gradient(weights, network, images)

    def score(weights):
        return discriminator(weights, network, weights["images"])[0].sum()

    for k in draw.integers(0, images.size, 60):
        entry = np.eye(1, images.size, k).reshape(images.shape)
        right = difference(score, weights, "images", entry, STEPS[0])
        assert slope.flat[k] == pytest.approx(right, abs=1e-6)
