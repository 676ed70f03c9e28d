"""Weights by PyTorch's names: the names, the layouts, and all that is refused.

That the networks then answer as the public ones do is tests/models/test_golden.py's.
"""

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork, ResNet
from tfipgan.weights import load_pytorch_state_dict
from tfipgan.weights.pytorch_names import pytorch_shapes

FC = {"fc.weight": np.ones((1000, 32), np.float32), "fc.bias": np.ones(1000)}
TRACKED = ("running_mean", "running_var", "num_batches_tracked")


def small_generator():
    return Generator(num_domains=2, width=3, num_blocks=1)


def small_discriminator():
    return Discriminator(num_domains=5, image_size=(12, 8), width=3, num_layers=2)


def small_resnet(ibn=None):
    return ResNet(18, ibn, width=4)


def random_state(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def values_of(model):
    return [variable.numpy() for variable in model.variables]


@pytest.fixture(scope="module")
def fitting():
    """{kind: (built network, weights that fit it)}; tests may load those, no others."""
    models = {
        "generator": small_generator(),
        "discriminator": small_discriminator(),
        "resnet": small_resnet(),
        "resnet_a": small_resnet("a"),
        "resnet_b": small_resnet("b"),
    }
    return {
        kind: (model, random_state(pytorch_shapes(model)))
        for kind, model in models.items()
    }


def sorted_values(arrays):
    return np.sort(np.concatenate([array.ravel() for array in arrays]))


def assert_same(left, right):
    for ours, theirs in zip(left, right, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def refusal(model, state, ignore=()):
    """Return the one line of the InputError, having seen that nothing was assigned."""
    before = values_of(model)
    with pytest.raises(InputError) as caught:
        load_pytorch_state_dict(model, state, ignore)
    if before:
        assert_same(values_of(model), before)
    (line,) = str(caught.value).splitlines()
    return line


def test_generator_names():
    names = {
        "main.0.weight": (3, 5, 7, 7),
        "main.3.weight": (6, 3, 4, 4),
        "main.6.weight": (12, 6, 4, 4),
        "main.9.main.0.weight": (12, 12, 3, 3),
        "main.9.main.3.weight": (12, 12, 3, 3),
        "main.10.weight": (12, 6, 4, 4),  # in, out: transposed
        "main.13.weight": (6, 3, 4, 4),
        "main.16.weight": (3, 3, 7, 7),
    }
    norms = {1: 3, 4: 6, 7: 12, "9.main.1": 12, "9.main.4": 12, 11: 6, 14: 3}
    for place, channels in norms.items():
        names[f"main.{place}.weight"] = names[f"main.{place}.bias"] = (channels,)
    assert pytorch_shapes(small_generator()) == names


def test_discriminator_names():
    assert pytorch_shapes(small_discriminator()) == {
        "main.0.weight": (3, 3, 4, 4),
        "main.0.bias": (3,),
        "main.2.weight": (6, 3, 4, 4),
        "main.2.bias": (6,),
        "conv1.weight": (1, 6, 3, 3),
        "conv2.weight": (5, 6, 3, 2),
    }


def test_resnet_names(fitting):
    plain, a, b = (
        pytorch_shapes(fitting[kind][0]) for kind in ("resnet", "resnet_a", "resnet_b")
    )
    # Convolutions: the stem, 16 in blocks, 3 projections; each with its norm.
    assert sum(len(shape) == 4 for shape in plain.values()) == 20
    assert len(plain) == 20 * 5
    assert plain["conv1.weight"] == (4, 3, 7, 7)
    assert plain["bn1.running_var"] == (4,)
    assert plain["layer1.1.conv2.weight"] == (4, 4, 3, 3)
    assert plain["layer2.0.downsample.0.weight"] == (8, 4, 1, 1)
    assert plain["layer4.0.downsample.1.running_mean"] == (32,)
    assert "layer1.0.downsample.0.weight" not in plain
    split = {f"layer{stack}.{block}.bn1" for stack in (1, 2, 3) for block in (0, 1)}
    four = {"weight", "bias", "running_mean", "running_var"}
    assert a.keys() - plain.keys() == {
        f"{norm}.{name}"
        for norm in split
        for name in {f"BN.{name}" for name in four} | {"IN.weight", "IN.bias"}
    }
    assert plain.keys() - a.keys() == {
        f"{norm}.{name}" for norm in split for name in four
    }
    assert b.keys() - plain.keys() == {
        f"layer{stack}.1.IN.{name}" for stack in (1, 2) for name in ("weight", "bias")
    }
    assert plain.keys() - b.keys() == {"bn1.running_mean", "bn1.running_var"}


def test_layouts():
    model = small_generator()
    state = {
        name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        for name, shape in pytorch_shapes(model).items()
    }
    load_pytorch_state_dict(model, state)
    theirs, ours = state["main.3.weight"], model.down[0].kernel.numpy()
    for out, into, y, x in product(*map(range, theirs.shape)):
        assert ours[y, x, into, out] == theirs[out, into, y, x]
    # Keras keeps a transposed convolution's kernel as (height, width, out, in).
    theirs, ours = state["main.10.weight"], model.up[0].kernel.numpy()
    for into, out, y, x in product(*map(range, theirs.shape)):
        assert ours[y, x, out, into] == theirs[into, out, y, x]
    np.testing.assert_array_equal(model.up_norms[0].gamma, state["main.11.weight"])
    np.testing.assert_array_equal(model.up_norms[0].beta, state["main.11.bias"])


def test_moments_and_biases(fitting):
    network, state = fitting["resnet"]
    load_pytorch_state_dict(network, state)
    batch, name = network.blocks[0].norms[0], "layer1.0.bn1"
    np.testing.assert_array_equal(batch.moving_mean, state[f"{name}.running_mean"])
    np.testing.assert_array_equal(batch.moving_variance, state[f"{name}.running_var"])
    discriminator, state = fitting["discriminator"]
    load_pytorch_state_dict(discriminator, state)
    np.testing.assert_array_equal(discriminator.down[1].bias, state["main.2.bias"])


@pytest.mark.parametrize("make", [small_generator, small_discriminator, small_resnet])
def test_built_or_not_in_any_order(make):
    built = make()
    state = random_state(pytorch_shapes(built))
    load_pytorch_state_dict(built, state)
    unbuilt = make()
    assert load_pytorch_state_dict(unbuilt, dict(reversed(state.items()))) is None
    assert_same(values_of(unbuilt), values_of(built))
    assert len(built.variables) == len(state)
    # Every value has arrived, whatever the names of the variables.
    np.testing.assert_array_equal(
        *map(sorted_values, (values_of(built), state.values()))
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float64, tf.bfloat16.as_numpy_dtype])
def test_other_floats_are_cast(dtype):
    model = small_discriminator()
    state = random_state(pytorch_shapes(model))
    state = {name: value.astype(dtype) for name, value in state.items()}
    load_pytorch_state_dict(model, state)
    bias = model.down[0].bias.numpy()
    assert bias.dtype == np.float32
    np.testing.assert_array_equal(bias, state["main.0.bias"].astype(np.float32))


def test_what_is_never_used_may_hold_anything(fitting):
    generator, state = fitting["generator"]
    norms = [name.removesuffix(".bias") for name in state if name.endswith(".bias")]
    unused = {f"{norm}.{name}": np.nan for norm in norms for name in TRACKED}
    assert len(unused) == 21
    load_pytorch_state_dict(generator, state | unused)
    load_pytorch_state_dict(generator, state | dict(list(unused.items())[:4]))
    network, state = fitting["resnet"]
    counts = {
        name.replace("running_var", "num_batches_tracked"): np.int64(7)
        for name in state
        if name.endswith("running_var")
    }
    assert len(counts) == 20
    load_pytorch_state_dict(network, state | counts)


@pytest.mark.parametrize(
    ("kind", "prefixes"),
    [
        ("generator", ["main.0", "main.2", "main.9", "main.9.main.2", "xmain.1"]),
        ("discriminator", ["main.0", "main.1", "conv1"]),
        ("resnet", ["conv1", "layer1.0.conv1", "layer1.0.downsample.1", "bn1.x"]),
        ("resnet_a", ["layer1.0.bn1", "layer1.0.bn1.IN"]),
        ("resnet_b", ["bn1", "layer1.0.IN", "layer1.1.IN"]),
    ],
)
def test_statistics_of_anything_else_are_unexpected(kind, prefixes, fitting):
    model, state = fitting[kind]
    added = [f"{prefix}.{name}" for prefix in prefixes for name in TRACKED]
    line = refusal(model, state | dict.fromkeys(added, np.float32(1)))
    assert f"; unexpected: {', '.join(added)}; give" in line


def test_every_fault_is_in_one_line(fitting):
    model, state = fitting["discriminator"]
    state = dict(state)
    del state["main.0.bias"], state["conv2.weight"]
    state["main.2.weight"] = state["main.2.weight"].transpose(2, 3, 1, 0)
    state["main.2.bias"] = np.full(6, np.nan, np.float32)
    state["conv1.weight"] = np.zeros((1, 6, 3, 3), np.int32)
    state |= {"module.main.0.bias": 0, "two\nlines": 0, 3: 0}
    assert refusal(model, state) == (
        "the state dict does not fit this Discriminator, nothing was loaded; "
        "missing: main.0.bias, conv2.weight; "
        "unexpected: module.main.0.bias, 'two\\nlines', 3; "
        "of another shape: main.2.weight (found (4, 4, 3, 6), expected (6, 3, 4, 4)); "
        "not floats: conv1.weight (int32); "
        "not finite: main.2.bias; "
        "give the weights of the same network, and in ignore what else they hold, "
        "such as a classifier"
    )


def test_lists_are_whole(fitting):
    model, state = fitting["resnet_a"]
    shapes = {name: value.shape for name, value in state.items()}
    assert f"missing: {', '.join(shapes)};" in refusal(model, {})
    nans = {name: np.full(shape, np.nan) for name, shape in shapes.items()}
    assert f"not finite: {', '.join(shapes)};" in refusal(model, nans)
    words = ", ".join(f"{name} (<U1)" for name in shapes)
    assert f"not floats: {words};" in refusal(model, dict.fromkeys(shapes, "x"))
    longer = {name: value[None] for name, value in state.items()}
    wrong = ", ".join(
        f"{name} (found {(1, *shape)}, expected {shape})"
        for name, shape in shapes.items()
    )
    assert f"of another shape: {wrong};" in refusal(model, longer)
    other = {f"module.{name}": value for name, value in state.items()}
    assert f"unexpected: {', '.join(other)};" in refusal(model, other)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(3, np.int64),
        np.zeros(3, bool),
        np.zeros(3, complex),
        np.array(["1", "2", "3"]),
        np.array([1.0, 2.0, None]),
        [1, 2, 3],
        [[1.0], [2.0, 3.0]],
        {"weight": 1.0},
        None,
    ],
)
def test_values_that_are_no_floats(value, fitting):
    model, state = fitting["discriminator"]
    line = refusal(model, state | {"main.0.bias": value})
    assert "loaded; not floats: main.0.bias (" in line


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite(value, fitting):
    model, state = fitting["discriminator"]
    line = refusal(model, state | {"main.0.bias": np.array([1.0, value, 2.0])})
    assert "loaded; not finite: main.0.bias; " in line


@pytest.mark.parametrize("ignore", [("fc.",), ["fc."], "fc.", ("head.", "fc.")])
def test_ignored_names(ignore, fitting):
    network, state = fitting["resnet"]
    load_pytorch_state_dict(network, state | FC, ignore=ignore)
    load_pytorch_state_dict(network, state, ignore=ignore)
    assert "unexpected: fc.weight, fc.bias;" in refusal(network, state | FC)
    assert "unexpected: fc2.bias;" in refusal(network, state | {"fc2.bias": 0}, ignore)


def test_what_the_model_needs_is_never_ignored(fitting):
    network, state = fitting["resnet"]
    line = refusal(network, state | FC, ignore=("fc.", "bn1.", "conv1"))
    lacking = ["conv1.weight", "bn1.weight", "bn1.bias"]
    lacking += ["bn1.running_mean", "bn1.running_var"]
    listed = ", ".join(f"{name} (left out by ignore)" for name in lacking)
    assert f"loaded; missing: {listed}; give" in line
    lacking = {name: value for name, value in state.items() if name != "bn1.bias"}
    line = refusal(network, lacking, ignore=("bn1.b",))
    assert "missing: bn1.bias; give" in line


@pytest.mark.parametrize("ignore", [None, 3, ("fc.", 3), {"fc."}, b"fc."])
def test_ignore_of_another_kind(ignore):
    line = refusal(small_discriminator(), {}, ignore)
    assert line == (
        f'ignore is {ignore!r}, expected a tuple of name beginnings like ("fc.",)'
    )


def test_models_of_another_kind():
    network = ReidNetwork(3, depth=18, width=2)
    expected = "expected a Generator, Discriminator or ResNet of tfipgan.models"
    assert refusal(network, {}) == (
        f"model is a ReidNetwork, {expected}: give its .backbone"
    )
    layer = keras.layers.ReLU()
    assert refusal(layer, {}) == f"model is a ReLU, {expected}: give one"
    with pytest.raises(InputError, match="model is a NoneType"):
        pytorch_shapes(None)


def test_a_stride_that_the_public_networks_have_elsewhere():
    line = refusal(ResNet(50, width=2, stride_first=True), {})
    assert line.startswith("model has stride_first, which is Keras's ResNet")
    # Blocks of two 3x3 convolutions have it in one place only.
    assert pytorch_shapes(ResNet(18, width=2, stride_first=True))


def test_state_dict_of_another_kind():
    line = refusal(small_discriminator(), "weights.pth")
    assert line == (
        "state_dict is a str, expected a mapping of PyTorch's names to arrays"
    )


@pytest.mark.parametrize(
    ("make", "is_built"),
    [(small_generator, False), (small_generator, True), (small_resnet, False)],
)
def test_every_replica_gets_them(make, is_built, two_devices):
    alone = make()
    state = random_state(pytorch_shapes(alone))
    load_pytorch_state_dict(alone, state)
    strategy = tf.distribute.MirroredStrategy(two_devices)
    with strategy.scope():
        model = make()
        if is_built:
            pytorch_shapes(model)
    load_pytorch_state_dict(model, state)
    reads = strategy.run(lambda: [tf.convert_to_tensor(v) for v in model.variables])
    for read, right in zip(reads, values_of(alone), strict=True):
        copies = strategy.experimental_local_results(read)
        for copy, device in zip(copies, two_devices, strict=True):
            assert copy.device.endswith(device)
            np.testing.assert_array_equal(copy, right)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"residual": True}, "has gan.residual true, public StarGANs have false: b"),
        ({"upsampling": "resize"}, "has gan.upsampling resize, public StarGANs have t"),
        (
            {"conditioning": "normalization"},
            "has gan.conditioning normalization, public StarGANs have planes",
        ),
    ],
)
def test_generators_that_no_public_weights_are_of(options, expected):
    generator = Generator(3, 4, 1, **options, name="generator")
    generator((tf.zeros((1, 8, 8, 3)), tf.zeros((1, 3))))
    with pytest.raises(InputError, match=expected):
        load_pytorch_state_dict(generator, {})
