"""2-D convolution with explicit padding, and a fast form for the tiniest maps."""

import keras
import tensorflow as tf

# With so few output positions and so large a kernel, patches are gathered and
# multiplied as one matrix: for the discriminator's last convolution at full width (1024
# to 2048 channels, 4x2 to 2x1) that is faster forward and backward on a CPU. With small
# kernels the gathering costs more than it saves.
MATMUL_POSITIONS = 8
MATMUL_KERNEL_VALUES = 2**20


def torch_uniform(fan_in: int) -> keras.initializers.Initializer:
    """Return PyTorch's default for convolutions: uniform in +-1/sqrt(fan_in)."""
    limit = fan_in**-0.5
    return keras.initializers.RandomUniform(-limit, limit)


@keras.saving.register_keras_serializable(package="tfipgan")
class Convolution2D(keras.layers.Layer):
    """Convolution padded by the same number of zeros on both sides, as PyTorch pads.

    Keras's "same" pads a strided convolution more on the right than on the left, so
    weights trained elsewhere would see shifted images.

    Args:
        filters: int, output channels.
        kernel_size: (height, width) in pixels.
        strides: int, the same for both axes.
        padding: int, zeros added on each side of both axes.
        use_bias: bool.
        kernel_initializer, bias_initializer: Keras initialisers; None is PyTorch's
            default, uniform in +-1/sqrt(fan_in).

    Input (batch, height, width, channels), output (batch, out_height, out_width,
    filters), of the layer's compute dtype. The kernel is stored float32 (height, width,
    in, out).
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding=0,
        use_bias=True,
        kernel_initializer=None,
        bias_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        channels = input_shape[-1]
        fan_in = self.kernel_size[0] * self.kernel_size[1] * channels
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels, self.filters),
            initializer=self.kernel_initializer or torch_uniform(fan_in),
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer or torch_uniform(fan_in),
            )
        self.built = True

    def compute_output_shape(self, input_shape):
        height, width = (
            self._output_length(size, kernel)
            for size, kernel in zip(input_shape[1:3], self.kernel_size, strict=True)
        )
        return (input_shape[0], height, width, self.filters)

    def _output_length(self, length, kernel):
        if length is None:
            return None
        return (length + 2 * self.padding - kernel) // self.strides + 1

    def call(self, inputs):
        kernel = tf.cast(self.kernel, inputs.dtype)
        _, height, width, _ = self.compute_output_shape(inputs.shape)
        is_tiny = height and width and height * width <= MATMUL_POSITIONS
        if is_tiny and kernel.shape.num_elements() >= MATMUL_KERNEL_VALUES:
            outputs = _convolve_as_matmul(
                inputs, kernel, self.strides, self.padding, (height, width)
            )
        elif self._same_pads_alike(inputs.shape):
            outputs = tf.nn.conv2d(inputs, kernel, self.strides, "SAME")
        else:
            padded = _pad(inputs, self.padding)
            outputs = tf.nn.conv2d(padded, kernel, self.strides, "VALID")
        if self.bias is None:
            return outputs
        return tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))

    def _same_pads_alike(self, input_shape):
        """Whether TensorFlow's "SAME" puts `padding` zeros on each side of both axes.

        Explicit paddings would do for all, but their gradients miss oneDNN and take two
        to four times as long.
        """
        for length, kernel in zip(input_shape[1:3], self.kernel_size, strict=True):
            if length is None:
                return False
            outputs = -(-length // self.strides)
            zeros = max((outputs - 1) * self.strides + kernel - length, 0)
            if zeros != 2 * self.padding:
                return False
        return True

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer)
            if self.kernel_initializer
            else None,
            "bias_initializer": keras.initializers.serialize(self.bias_initializer)
            if self.bias_initializer
            else None,
        }


def _pad(inputs, padding):
    if not padding:
        return inputs
    return tf.pad(inputs, [[0, 0], [padding, padding], [padding, padding], [0, 0]])


def _convolve_as_matmul(inputs, kernel, stride, padding, output_size):
    """Convolve by one matrix product over patches; equal to `tf.nn.conv2d`."""
    kernel_height, kernel_width, channels, filters = kernel.shape
    rows = _taps(inputs.shape[1], kernel_height, stride, padding, output_size[0])
    columns = _taps(inputs.shape[2], kernel_width, stride, padding, output_size[1])
    # Rows and columns of the kernel that meet nothing but padding are left out. Not by
    # indexing, whose gradient takes five times as long.
    kernel = tf.slice(
        kernel,
        (rows[0], columns[0], 0, 0),
        (len(rows), len(columns), channels, filters),
    )
    padded = _pad(inputs, padding)
    spans = [stride * (size - 1) + 1 for size in output_size]
    patches = tf.concat(
        [
            padded[
                :, row : row + spans[0] : stride, column : column + spans[1] : stride
            ]
            for row in rows
            for column in columns
        ],
        axis=-1,
    )
    taps = len(rows) * len(columns) * channels
    product = tf.matmul(
        tf.reshape(patches, (-1, taps)), tf.reshape(kernel, (taps, filters))
    )
    return tf.reshape(product, (-1, *output_size, filters))


def _taps(length, kernel, stride, padding, positions):
    """Return the kernel offsets that meet at least one pixel of the image."""
    return [
        tap
        for tap in range(kernel)
        if any(0 <= tap + stride * p - padding < length for p in range(positions))
    ]
