import numpy as np
import pytest
import tensorflow as tf

from tfipgan.layers import Convolution2D, convolution

# image size, kernel, stride, padding, and the form that the layer is to take
SAME = [
    ((8, 6), (3, 3), 1, 1, "SAME"),
    ((12, 8), (4, 4), 2, 1, "SAME"),
    ((9, 7), (7, 7), 1, 3, "SAME"),
    ((5, 4), (1, 1), 1, 0, "SAME"),
    ((8, 10), (1, 1), 2, 0, "SAME"),
    ((9, 11), (3, 3), 2, 1, "SAME"),
]
VALID = [
    ((8, 10), (3, 3), 2, 1, "VALID"),
    ((16, 12), (7, 7), 2, 3, "VALID"),
    ((9, 8), (3, 3), 1, 0, "VALID"),
    ((7, 8), (4, 4), 1, 1, "VALID"),
    ((9, 5), (3, 1), 1, 2, "VALID"),
]
MATMUL = [
    ((4, 2), (4, 4), 2, 1, None),
    ((2, 1), (3, 3), 1, 1, None),
    ((2, 1), (2, 1), 1, 0, None),
    ((8, 4), (4, 4), 2, 1, None),
    ((5, 3), (3, 3), 2, 1, None),
    ((2, 2), (7, 7), 2, 3, None),
    ((1, 1), (3, 3), 2, 1, None),
    ((4, 2), (1, 1), 2, 0, None),
]


def make(kernel, stride, padding, channels=3, filters=4, **kwargs):
    layer = Convolution2D(filters, kernel, stride, padding, **kwargs)
    layer.build((None, None, None, channels))
    return layer


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def explicit(images, kernel, bias, stride, padding):
    zeros = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    return tf.nn.conv2d(images, kernel, stride, zeros) + bias


def derivatives(convolve, images, variables):
    """Outputs, first derivatives, and those of a gradient penalty: second ones."""
    with tf.GradientTape() as outer:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            outputs = convolve(images)
            weights = normal(*outputs.shape, seed=9)
            # Squared, so that the gradient depends on the image too.
            score = tf.reduce_sum(weights * outputs + tf.square(outputs))
        first = tape.gradient(score, images)
        penalty = tf.reduce_sum(tf.square(first))
    second = outer.gradient(penalty, variables)
    return [outputs, first, *tape.gradient(score, variables), *second]


def spy_on_conv2d(monkeypatch):
    """List to which every later call adds its padding."""
    forms = []
    convolve = tf.nn.conv2d

    def spy(inputs, kernel, strides, padding):
        forms.append(padding)
        return convolve(inputs, kernel, strides, padding)

    monkeypatch.setattr(tf.nn, "conv2d", spy)
    return forms


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "form"), SAME + VALID + MATMUL
)
def test_equals_explicit_padding(monkeypatch, size, kernel, stride, padding, form):
    monkeypatch.setattr(convolution, "MATMUL_KERNEL_VALUES", 1 if form is None else 1e9)
    layer = make(kernel, stride, padding)
    images = normal(2, *size, 3)
    variables = [layer.kernel, layer.bias]
    expected = derivatives(
        lambda x: explicit(x, *variables, stride, padding), images, variables
    )
    forms = spy_on_conv2d(monkeypatch)
    got = derivatives(layer, images, variables)
    assert forms == ([form] if form else [])
    assert layer.compute_output_shape(images.shape) == tuple(got[0].shape)
    for value, right in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize(
    ("size", "filters", "forms"),
    [((4, 2), 256, []), ((4, 2), 255, ["SAME"]), ((8, 6), 256, ["SAME"])],
)
def test_matrix_product_is_for_large_kernels_on_tiny_maps(
    monkeypatch, size, filters, forms
):
    layer = make((4, 4), 2, 1, channels=256, filters=filters)
    images = normal(2, *size, 256)
    right = explicit(images, layer.kernel, layer.bias, 2, 1)
    seen = spy_on_conv2d(monkeypatch)
    np.testing.assert_allclose(layer(images), right, rtol=1e-4, atol=1e-4)
    assert seen == forms


def test_hand_computed():
    layer = make((2, 2), 2, 1, channels=1, filters=1)
    layer.kernel.assign(np.array([1, 10, 100, 1000]).reshape(2, 2, 1, 1))
    layer.bias.assign([0.5])
    image = tf.constant([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
    outputs = layer(image).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(outputs, [[1000.5, 200.5], [30.5, 4.5]])


def test_without_bias():
    layer = make((3, 3), 1, 1, use_bias=False)
    assert layer.bias is None
    assert len(layer.variables) == 1
    images = normal(1, 6, 6, 3)
    right = explicit(images, layer.kernel, 0.0, 1, 1)
    np.testing.assert_allclose(layer(images), right, atol=1e-5)


@pytest.mark.parametrize("size", [(12, 8), (9, 7), (2, 1), (4, 4)])
def test_unknown_size(size):
    layer = make((3, 3), 2, 1)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def convolve(images):
        return layer(images)

    assert layer.compute_output_shape((None, None, 7, 3)) == (None, None, 4, 4)
    images = normal(2, *size, 3)
    np.testing.assert_allclose(convolve(images), layer(images), atol=1e-5)


def test_default_initialiser_is_pytorchs():
    layer = make((5, 3), 1, 0, channels=8, filters=64)
    limit = (5 * 3 * 8) ** -0.5
    for values in (layer.kernel.numpy(), layer.bias.numpy()):
        assert 0.85 * limit < abs(values).max() <= limit
        assert abs(values.mean()) < 0.2 * limit


def test_own_initialisers():
    layer = make((1, 1), 1, 0, kernel_initializer="ones", bias_initializer="zeros")
    np.testing.assert_array_equal(
        layer(tf.ones((1, 3, 3, 3))), 3 * np.ones((1, 3, 3, 4))
    )


@pytest.mark.parametrize("size", [(8, 8), (2, 1)])
def test_bfloat16(monkeypatch, size):
    monkeypatch.setattr(convolution, "MATMUL_KERNEL_VALUES", 1)
    layer = make((3, 3), 1, 1, dtype="mixed_bfloat16")
    images = normal(1, *size, 3)
    outputs = layer(images)
    assert outputs.dtype == tf.bfloat16
    assert layer.kernel.dtype == "float32"
    right = explicit(images, layer.kernel, layer.bias, 1, 1)
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), right, atol=0.05)
