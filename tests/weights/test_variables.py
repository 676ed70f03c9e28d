"""Variables by names that don't depend on Keras, and assigned all or not at all."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.weights.variables import assign_all, named_weights, numbered_variables


def generator(domains=3, width=2, blocks=1):
    network = Generator(domains, width, blocks)
    network((tf.zeros((1, 8, 4, 3)), tf.zeros((1, domains))))
    return network


def discriminator(image_size=(8, 4), domains=3, width=2, layers=2):
    network = Discriminator(domains, image_size, width, layers)
    network(tf.zeros((1, *image_size, 3)))
    return network


def reid_network(ibn="a", identities=5, depth=50, width=2, units=4):
    network = ReidNetwork(identities, depth, ibn, width, units)
    network(tf.zeros((1, 32, 16, 3)))
    return network


@pytest.mark.parametrize("build", [generator, discriminator, reid_network])
def test_every_variable_has_a_name_of_its_own(build):
    network = build()
    named = named_weights(network)
    assert len(named) == len(network.variables)
    assert {id(v) for v in named.values()} == {id(v) for v in network.variables}
    # Keras gives layers other names the second time in a process.
    assert list(named_weights(build())) == list(named)


def test_names_are_the_attributes_that_lead_there():
    network = reid_network()
    named = named_weights(network)
    unit = network.backbone.blocks[3]
    for name, variable in (
        ("backbone.stem.kernel", network.backbone.stem.kernel),
        ("backbone.blocks.3.convolutions.2.kernel", unit.convolutions[2].kernel),
        ("backbone.blocks.3.norms.0.instance.gamma", unit.norms[0].instance.gamma),
        ("backbone.blocks.3.norms.0.batch.beta", unit.norms[0].batch.beta),
        ("backbone.blocks.3.projection_norm.moving_variance",
         unit.projection_norm.moving_variance),
        ("head.classifier.kernel", network.head.classifier.kernel),
        ("head.norm.moving_mean", network.head.norm.moving_mean),
    ):  # fmt: skip
        assert named[name] is variable
    named = named_weights(generator())
    assert {"up.1.kernel", "up_norms.1.beta", "blocks.0.norm2.gamma"} <= named.keys()
    assert "down.1.bias" in named_weights(discriminator())


def test_a_variable_out_of_sight_is_an_error():
    class Hiding(keras.Model):
        def __init__(self):
            super().__init__()
            self._dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self._dense(inputs)

    network = Hiding()
    network(tf.zeros((1, 2)))
    with pytest.raises(RuntimeError, match="Hiding has 2 variables, but 0 are found"):
        named_weights(network)


def test_an_optimiser_has_a_slot_for_each():
    network = discriminator()
    optimizer = keras.optimizers.Adam(name="adam")
    optimizer.build(network.trainable_variables)
    named = numbered_variables(optimizer)
    assert len(named) >= 1 + 2 * len(network.trainable_variables)
    assert list(named)[0].startswith("0000_") and "iteration" in list(named)[0]
    assert [id(v) for v in named.values()] == [id(v) for v in optimizer.variables]


def test_all_are_assigned_or_none():
    variables = {"a": tf.Variable([1.0, 2.0]), "b": tf.Variable(3.0)}
    assign_all(variables, {"b": np.float32(4), "a": np.float32([5, 6])}, "x")
    np.testing.assert_array_equal(variables["a"].numpy(), [5, 6])
    assert variables["b"].numpy() == 4
    arrays = {"a": np.zeros(3, np.float32), "c": np.float32(0), "d": np.float32(0)}
    assert refusal(variables, arrays) == (
        "w.safetensors does not fit and was not taken: of another shape: a is (3,), "
        "expected (2,); missing: b; unused: c, d"
    )
    np.testing.assert_array_equal(variables["a"].numpy(), [5, 6])


def refusal(variables, arrays):
    with pytest.raises(InputError) as error:
        assign_all(variables, arrays, "w.safetensors")
    return str(error.value)


def test_values_that_are_no_weights():
    variables = {name: tf.Variable([1.0, 2.0]) for name in "abcdef"}
    variables["n"] = tf.Variable(3, dtype=tf.int64)
    good = {name: np.zeros(2, np.float32) for name in "abcdef"}
    good["n"] = np.array(4, np.int64)
    other_types = {
        **good, "b": np.zeros(2), "c": np.zeros(2, bool), "n": np.float32(1)
    }  # fmt: skip
    assert refusal(variables, other_types).endswith(
        "of another type: b is float64, expected float32, c is bool, expected float32, "
        "n is float32, expected int64"
    )
    broken = {name: np.float32([1, np.nan]) for name in "bcde"}
    broken["d"] = np.float32([-np.inf, 1])
    assert refusal(variables, {**good, **broken}) == (
        "w.safetensors has values that are NaN or infinite and was not taken: b, c, d "
        "and 1 more; look for a run that diverged, and take an earlier checkpoint"
    )
    for name in "abcdef":
        np.testing.assert_array_equal(variables[name].numpy(), [1, 2])


def told(network, other):
    """What is said about another network's weights, before the names."""
    arrays = {name: v.numpy() for name, v in named_weights(other).items()}
    text = refusal(named_weights(network), arrays)
    return re.match(
        r"w.safetensors does not fit and was not taken: (.+?); (of another|missing)",
        text,
    )[1]


def test_what_differs_is_said_in_words():
    assert told(generator(), generator(domains=5)) == "5 domains, expected 3"
    assert told(generator(), generator(width=4, blocks=2)) == (
        "width 4, expected 2; 2 residual blocks, expected 1"
    )
    assert told(discriminator(), discriminator(domains=8)) == "8 domains, expected 3"
    assert told(discriminator(), discriminator((16, 8), width=4, layers=3)) == (
        "width 4, expected 2; 3 layers, expected 2; images of 16x8, expected 8x4"
    )
    small = reid_network("a", depth=18)
    assert told(small, reid_network("b", depth=34, width=4)) == (
        "depth 34, expected 18; ibn b, expected a; width 4, expected 2"
    )
    assert told(small, reid_network(None, identities=6, depth=18, units=8)) == (
        "ibn none, expected a; 6 identities, expected 5; 8 values before the "
        "classifier, expected 4"
    )
    # The bare backbone has other names; of 34 and 50 both have 16 blocks.
    assert told(reid_network().backbone, reid_network("a", depth=34).backbone) == (
        "depth 34, expected 50"
    )
    assert told(generator(), discriminator()) == (
        "a discriminator, expected a generator"
    )


def test_names_and_shapes_of_no_network_at_all():
    variables = named_weights(generator())
    for arrays in (
        {},
        {"up.0.kernel": np.float32(0), "stem.kernel": np.float32([1])},
        {"to_domain.kernel": np.float32(0), "down.0.kernel": np.float32(0)},
        {"blocks.0.convolutions.0.kernel": np.float32(0)},
    ):
        assert "w.safetensors does not fit" in refusal(variables, arrays)
