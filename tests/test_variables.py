"""Variables by names that don't depend on Keras, and assigned all or not at all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.variables import assign_all, named_weights, numbered_variables


def generator():
    network = Generator(3, 2, 1)
    network((tf.zeros((1, 8, 4, 3)), tf.zeros((1, 3))))
    return network


def discriminator():
    network = Discriminator(3, (8, 4), 2, 2)
    network(tf.zeros((1, 8, 4, 3)))
    return network


def reid_network(ibn="a"):
    network = ReidNetwork(5, 50, ibn, 2, 4)
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
    with pytest.raises(InputError) as error:
        assign_all(variables, arrays, "w.safetensors")
    assert str(error.value) == (
        "w.safetensors does not fit to the last variable, so none was taken (missing: "
        "b; unused: c, d; of another shape: a (3,) for (2,))"
    )
    np.testing.assert_array_equal(variables["a"].numpy(), [5, 6])
