"""One table of layers and networks, run through what all of them have to keep."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.layers import (
    Convolution2D,
    DomainAffine,
    GeneralizedMeanPooling,
    InstanceBatchNormalization,
    InstanceNormalization,
)
from tfipgan.models import (
    Discriminator,
    Generator,
    LinearHead,
    PatchDiscriminator,
    ReidHead,
    ReidNetwork,
    ResNet,
    SiameseNetwork,
)
from tfipgan.models.generator import GeneratorResidualBlock
from tfipgan.models.resnet import ResNetBlock
from tfipgan.weights.variables import named_weights

MAP = (8, 4, 6)
ENDS_IN_FLOAT32 = (Discriminator, PatchDiscriminator, SiameseNetwork)

# class, arguments (all of them other than the defaults), the shape of one input or two
CASES = {
    "convolution": (
        Convolution2D,
        {
            "filters": 5,
            "kernel_size": (3, 2),
            "strides": 2,
            "padding": 1,
            "use_bias": False,
            "kernel_initializer": "he_uniform",
            "bias_initializer": "ones",
        },
        MAP,
    ),
    "default convolution": (Convolution2D, {"filters": 5, "kernel_size": (1, 1)}, MAP),
    "instance": (
        InstanceNormalization,
        {"epsilon": 0.1, "gamma_initializer": "zeros"},
        MAP,
    ),
    "split": (InstanceBatchNormalization, {}, MAP),
    "generalised mean": (GeneralizedMeanPooling, {}, MAP),
    "residual block": (
        GeneratorResidualBlock,
        {"filters": 6, "num_domains": 3},
        (MAP, (3,)),
    ),
    "domain affine": (DomainAffine, {"num_domains": 3}, (MAP, (3,))),
    "plain unit": (
        ResNetBlock,
        {"filters": 6, "stride": 1, "bottleneck": False, "project": False, "ibn": "b"},
        MAP,
    ),
    "bottleneck": (
        ResNetBlock,
        {
            "filters": 3,
            "stride": 2,
            "bottleneck": True,
            "project": True,
            "ibn": "a",
            "stride_first": True,
        },
        MAP,
    ),
    "generator": (
        Generator,
        {"num_domains": 3, "width": 4, "num_blocks": 2},
        ((16, 8, 3), (3,)),
    ),
    "discriminator": (
        Discriminator,
        {"num_domains": 3, "image_size": (16, 8), "width": 4, "num_layers": 3},
        (16, 8, 3),
    ),
    "patch discriminator": (
        PatchDiscriminator,
        {"image_size": (16, 12), "width": 4, "num_layers": 2},
        (16, 12, 3),
    ),
    "siamese": (
        SiameseNetwork,
        {"image_size": (16, 20), "width": 4, "num_layers": 2},
        (16, 20, 3),
    ),
    "resnet": (
        ResNet,
        {"depth": 18, "ibn": "b", "width": 4, "stride_first": True, "last_stride": 1},
        (32, 16, 3),
    ),
    "head": (ReidHead, {"num_classes": 5, "fc_units": 7, "dropout": 0.25}, (9,)),
    "reid": (
        ReidNetwork,
        {
            "num_classes": 5,
            "depth": 18,
            "ibn": "a",
            "width": 4,
            "fc_units": 8,
            "dropout": 0.25,
            "stride_first": True,
            "mean": (0.1, 0.2, 0.3),
            "std": (0.4, 0.5, 0.6),
        },
        (32, 16, 3),
    ),
    "linear head": (LinearHead, {"num_classes": 5}, (9,)),
    "reid of today": (
        ReidNetwork,
        {
            "num_classes": 5,
            "depth": 18,
            "width": 4,
            "stride_first": True,
            "last_stride": 1,
            "pooling": "gem",
            "neck": "bnneck",
        },
        (32, 16, 3),
    ),
}


def draw(shape, rows, seed=0):
    if isinstance(shape[0], tuple):
        return tuple(draw(part, rows, seed) for part in shape)
    values = np.random.default_rng(seed).uniform(-1, 1, (rows, *shape))
    return tf.constant(values, tf.float32)


def parameters(owner):
    named = named_weights(owner)
    return [(name, tuple(variable.shape)) for name, variable in named.items()]


@pytest.fixture(params=CASES, scope="module")
def case(request):
    """(class, arguments, input shape, a built layer that has forgotten its start)."""
    kind, arguments, shape = CASES[request.param]
    owner = kind(**arguments, name="it")
    owner(draw(shape, 2))
    for seed, (name, variable) in enumerate(named_weights(owner).items()):
        noise = np.random.default_rng(seed).uniform(0.5, 1.5, variable.shape)
        sign = np.where(np.random.default_rng(seed).random(variable.shape) < 0.5, -1, 1)
        if name.endswith(("moving_variance", "gamma", "p")):
            sign = 1
        fan = max(1, int(np.prod(variable.shape[:-1])))
        variable.assign(noise * sign / fan**0.5)
    return kind, arguments, shape, owner


def same_outputs(got, right):
    for value, other in zip(tf.nest.flatten(got), tf.nest.flatten(right), strict=True):
        assert value.dtype == other.dtype == tf.float32
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-5)


def test_config_round_trip(case):
    kind, arguments, shape, owner = case
    config = owner.get_config()
    taken = set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}
    assert taken <= set(config)
    for name, value in arguments.items():
        if not name.endswith("initializer"):
            assert config[name] == value, name
    twin = kind.from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    twin(draw(shape, 2))
    # Names are stable: those of another object of the same arguments are the same.
    assert parameters(twin) == parameters(owner)
    twin.set_weights(owner.get_weights())
    same_outputs(twin(draw(shape, 3, seed=1)), owner(draw(shape, 3, seed=1)))


def test_keras_knows_the_class(case):
    kind, _, _, owner = case
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(owner)))
    assert stored["registered_name"] == f"tfipgan>{kind.__name__}"
    twin = keras.saving.deserialize_keras_object(stored)
    assert type(twin) is kind
    assert twin.get_config() == owner.get_config()


def test_function_of_any_batch(case):
    _, _, shape, owner = case
    specs = tf.nest.map_structure(
        lambda part: tf.TensorSpec((None, *part.shape[1:])), draw(shape, 1)
    )
    function = tf.function(owner, input_signature=[specs])
    for rows in (1, 3):
        inputs = draw(shape, rows, seed=rows)
        same_outputs(function(inputs), owner(inputs))


def test_a_row_is_on_its_own_in_inference(case):
    _, _, shape, owner = case
    inputs = draw(shape, 3)
    alone = tf.nest.map_structure(lambda part: part[1:2], inputs)
    together = tf.nest.map_structure(lambda part: part[1:2], owner(inputs))
    same_outputs(owner(alone), together)


def test_shape_is_known_beforehand(case):
    kind, _, shape, owner = case
    unknown = (DomainAffine, GeneratorResidualBlock, ReidHead, LinearHead)
    if not issubclass(kind, keras.Model) and kind not in unknown:
        inputs = draw(shape, 2)
        assert owner.compute_output_shape(inputs.shape) == owner(inputs).shape


def test_gradients_reach_all_that_is_trainable(case):
    _, _, shape, owner = case
    inputs = draw(shape, 4)
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(owner(inputs))
        # Not of squares alone, whose sum is 1 for descriptors of length 1.
        score = tf.add_n([tf.reduce_sum((output + 2) ** 2) for output in outputs])
    named = {n: v for n, v in named_weights(owner).items() if v.trainable}
    gradients = tape.gradient(score, named)
    for name, gradient in gradients.items():
        assert np.abs(gradient).max() > 0, name


def test_bfloat16_is_the_same_but_for_its_rounding(case):
    kind, arguments, shape, owner = case
    if kind in (DomainAffine, GeneralizedMeanPooling):
        pytest.skip("it is of float32")
    twin = kind(**arguments, name="it", dtype="mixed_bfloat16")
    twin(draw(shape, 2))
    twin.set_weights(owner.get_weights())
    for variable in twin.variables:
        assert tf.as_dtype(variable.dtype) == tf.float32
    outputs = zip(
        tf.nest.flatten(twin(draw(shape, 3, seed=1))),
        tf.nest.flatten(owner(draw(shape, 3, seed=1))),
        strict=True,
    )
    for got, right in outputs:
        error = np.linalg.norm(tf.cast(got, tf.float32) - right)
        assert 0 < error < 0.03 * np.linalg.norm(right)
        # What a network ends with leaves it in float32, but a feature map doesn't.
        ends = kind in (*ENDS_IN_FLOAT32, Generator, ReidHead, LinearHead, ReidNetwork)
        assert got.dtype == (tf.float32 if ends else tf.bfloat16)
    stored = json.loads(json.dumps(twin.get_config()))
    assert kind.from_config(stored).compute_dtype == "bfloat16"
    assert kind.from_config(owner.get_config()).compute_dtype == "float32"
