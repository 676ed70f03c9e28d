import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.models import Generator
from tfipgan.models.generator import CONDITIONINGS, UPSAMPLINGS
from tfipgan.weights.variables import named_weights


@pytest.fixture(scope="module")
def generator():
    generator = Generator(3, width=4, num_blocks=2, name="generator")
    generator((tf.zeros((1, 8, 8, 3)), tf.zeros((1, 3))))
    return generator


def images(*shape, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (*shape, 3))
    return tf.constant(values, tf.float32)


@pytest.mark.parametrize("size", [(16, 8), (8, 4), (20, 12)])
def test_shape_and_range(generator, size):
    outputs = generator((images(2, *size), tf.one_hot([0, 2], 3)))
    assert outputs.shape == (2, *size, 3)
    assert outputs.dtype == tf.float32
    assert 0.001 < np.abs(outputs).max() <= 1


def test_range_holds_for_large_weights(generator):
    before = generator.to_image.kernel.numpy()
    generator.to_image.kernel.assign(100 * before)
    outputs = generator((images(1, 8, 8), tf.one_hot([0], 3)))
    generator.to_image.kernel.assign(before)
    assert 0.99 < np.abs(outputs).max() <= 1


def test_domain_makes_a_difference(generator):
    # Constant label planes: they show only where the zeros of the padding begin.
    twice = tf.repeat(images(1, 16, 8), 2, axis=0)
    first, second = generator((twice, tf.one_hot([0, 1], 3)))
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize(
    "domains", [tf.one_hot([1, 0], 3, dtype=tf.int32), [[0, 1, 0]]]
)
def test_domains_of_other_types(generator, domains):
    domains = tf.convert_to_tensor(domains)
    batch = images(len(domains), 8, 8)
    for network in (generator, by_normalization()[0]):
        right = network((batch, tf.cast(domains, tf.float32)))
        np.testing.assert_array_equal(network((batch, domains)), right)


def test_unknown_size_in_a_function(generator):
    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, 3))]
    )
    def translate(batch, domains):
        return generator((batch, domains))

    for rows, size in ((1, (8, 8)), (2, (16, 4))):
        inputs = images(rows, *size), tf.one_hot([1] * rows, 3)
        np.testing.assert_allclose(translate(*inputs), generator(inputs), atol=1e-5)


def test_layers(generator):
    shapes = {name: v.shape for name, v in named_weights(generator).items()}
    kernels = {
        name.removesuffix(".kernel"): tuple(shape)
        for name, shape in shapes.items()
        if name.endswith("kernel")
    }
    assert kernels == {
        "stem": (7, 7, 3 + 3, 4),
        "down.0": (4, 4, 4, 8),
        "down.1": (4, 4, 8, 16),
        "blocks.0.conv1": (3, 3, 16, 16),
        "blocks.0.conv2": (3, 3, 16, 16),
        "blocks.1.conv1": (3, 3, 16, 16),
        "blocks.1.conv2": (3, 3, 16, 16),
        "up.0": (4, 4, 8, 16),
        "up.1": (4, 4, 4, 8),
        "to_image": (7, 7, 4, 3),
    }
    # A normalisation for every convolution but the last; no bias anywhere.
    assert sum(name.endswith("gamma") for name in shapes) == len(kernels) - 1
    assert len(shapes) == len(kernels) + 2 * (len(kernels) - 1)


def test_start_is_pytorchs(generator):
    for layer, fan_in in ((generator.down[1], 4 * 4 * 8), (generator.up[0], 4 * 4 * 8)):
        largest = np.abs(layer.kernel).max()
        assert 0.95 * fan_in**-0.5 < largest <= fan_in**-0.5


@pytest.mark.parametrize("size", [(10, 8), (8, 6), (7, 7)])
def test_size_that_cannot_be_halved_twice(generator, size):
    message = f"{size[0]}x{size[1]} .height x width., .* multiples of 4.*gan.image_size"
    with pytest.raises(InputError, match=message):
        generator((images(1, *size), tf.one_hot([0], 3)))


# ---------------------------------------------------------------------- as options


def randomised(
    residual, upsampling="transposed", conditioning="planes", dtype="float32"
):
    """A generator whose last convolution is no start; and its kernel."""
    kind = residual, upsampling, conditioning
    network = Generator(3, 4, 2, *kind, name="generator", dtype=dtype)
    network((tf.zeros((1, 8, 8, 3)), tf.zeros((1, 3))))
    last = network.to_residual if residual else network.to_image
    draw = np.random.default_rng(1)
    last.kernel.assign(draw.uniform(-0.1, 0.1, last.kernel.shape))
    return network, last.kernel.numpy()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("upsampling", "conditioning"),
    [("transposed", "planes"), ("resize", "planes"), ("resize", "normalization")],
)
def test_a_residual_one_starts_as_the_image(dtype, upsampling, conditioning):
    """Of the image as given: bfloat16 would be off by a thousandth."""
    kind = True, upsampling, conditioning
    network = Generator(3, 4, 2, *kind, name="generator", dtype=dtype)
    batch = images(2, 16, 8)
    outputs = network((batch, tf.one_hot([0, 2], 3)))
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(outputs, 0.98 * batch, atol=1e-6)


def test_a_residual_one_adds_to_what_a_plain_one_computes():
    plain, kernel = randomised(False)
    residual, _ = randomised(True)
    for name, variable in named_weights(residual).items():
        name = name.replace("to_residual", "to_image")
        variable.assign(named_weights(plain)[name])
    batch = images(2, 16, 8), tf.one_hot([0, 2], 3)
    before_tanh = np.arctanh(plain(batch)) + np.arctanh(0.98 * batch[0].numpy())
    np.testing.assert_allclose(residual(batch), np.tanh(before_tanh), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_what_is_outside_of_the_range_is_its_end(dtype):
    network, _ = randomised(True, dtype=dtype)
    domains = tf.one_hot([1], 3)
    batch = images(1, 8, 8)

    @tf.function
    def with_gradient(batch):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = network((batch, domains))
        return outputs, tape.gradient(outputs, batch)

    for far in (1.5, -1.5, 1.03, 1e30):
        outputs, gradient = with_gradient(tf.fill(batch.shape, far))
        assert np.isfinite(outputs).all() and np.isfinite(gradient).all()
        assert np.abs(outputs).max() <= 1


def test_a_resize_repeats_each_pixel():
    """A kernel of one tap in its middle shows the pixels as they were laid out."""
    network, _ = randomised(False, "resize")
    first = network.up[0]
    assert first.kernel.shape == (3, 3, 16, 8)
    kernel = np.zeros((3, 3, 16, 8), np.float32)
    kernel[1, 1, 0, 0] = 1
    first.kernel.assign(kernel)
    seen = []
    # Keras 2 tells layers also whether they train.
    network.up_norms[0].call = lambda x, **_: (seen.append(x), x)[1]
    small = tf.random.stateless_uniform((1, 2, 2, 16), (1, 2))
    network.blocks[-1].call = lambda x, **_: small
    network((images(1, 8, 8), tf.one_hot([0], 3)))
    expected = np.kron(small[0, ..., 0], np.ones((2, 2)))
    np.testing.assert_allclose(seen[0][0, ..., 0], expected, rtol=1e-6)


def by_normalization():
    """A generator with values of its own for each domain, and these values."""
    network, _ = randomised(False, "resize", "normalization")
    weights = named_weights(network)
    names = [name for name in weights if "affine" in name]
    draw = np.random.default_rng(2)
    for name in names:
        weights[name].assign(draw.uniform(-0.5, 0.5, weights[name].shape))
    return network, [weights[name] for name in names]


def test_domains_start_alike_by_normalization():
    network, _ = randomised(False, "resize", "normalization")
    twice = tf.repeat(images(1, 16, 8), 2, axis=0)
    first, second = network((twice, tf.one_hot([0, 1], 3)))
    np.testing.assert_array_equal(first, second)


def test_normalization_reaches_the_whole_picture():
    """Planes differ by what the border shows; this differs in the middle too."""
    network, values = by_normalization()
    # Of every normalisation: the stem's, 2 down, 2 x 2 in blocks, 2 up.
    assert len(values) == 2 * (1 + 2 + 4 + 2)
    twice = tf.repeat(images(1, 64, 64), 2, axis=0)
    first, second = network((twice, tf.one_hot([0, 1], 3)))
    assert np.abs(first - second)[24:40, 24:40].mean() > 1e-2


def test_by_normalization_the_border_of_an_even_picture_is_no_other_place():
    """By reflection a 7x7 kernel sees the same there; by zeros it would not."""
    network, _ = by_normalization()
    seen = []
    network.stem_norm.call = lambda x, **_: (seen.append(x), x)[1]
    network((tf.fill((1, 16, 8, 3), 0.5), tf.one_hot([0], 3)))
    middle = seen[0][:, 8:9, 4:5]
    np.testing.assert_allclose(seen[0], tf.broadcast_to(middle, seen[0].shape), 1e-5)


def test_normalization_is_of_the_images_own_domain():
    """A batch of two domains is what each gives alone."""
    network, _ = by_normalization()
    batch = images(2, 8, 8)
    both = network((batch, tf.one_hot([2, 0], 3)))
    for i, domain in enumerate((2, 0)):
        alone = network((batch[i : i + 1], tf.one_hot([domain], 3)))
        np.testing.assert_allclose(both[i : i + 1], alone, atol=1e-5)


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("residual", [False, True])
def test_its_config_makes_the_same_one(residual, upsampling, conditioning):
    network, _ = randomised(residual, upsampling, conditioning)
    again = Generator.from_config(network.get_config())
    again((tf.zeros((1, 8, 8, 3)), tf.zeros((1, 3))))
    kind = again.residual, again.upsampling, again.conditioning
    assert kind == (residual, upsampling, conditioning)
    shapes = [
        {name: v.shape for name, v in named_weights(n).items()}
        for n in (network, again)
    ]
    assert shapes[0] == shapes[1]


def test_one_style_is_told_no_domain():
    network = Generator(0, width=4, num_blocks=1, name="generator")
    batch = images(2, 8, 8)
    plain = network((batch, tf.zeros((2, 0))))
    assert network.stem.kernel.shape == (7, 7, 3, 4)
    np.testing.assert_array_equal(network((batch, tf.one_hot([0, 1], 2))), plain)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"upsampling": "nearest"}, "upsampling is 'nearest', expected one of transp"),
        ({"conditioning": "style"}, "conditioning is 'style', expected one of planes"),
    ],
)
def test_an_unknown_kind_is_refused(options, expected):
    with pytest.raises(InputError, match=expected):
        Generator(3, **options)
