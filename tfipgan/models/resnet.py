"""ResNet and its two IBN variants: one residual block, normalisation by option."""

import itertools

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import (
    Convolution2D,
    InstanceBatchNormalization,
    InstanceNormalization,
    batch_normalization,
)

BLOCK_COUNTS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
BOTTLENECK_DEPTHS = (50, 101)
BOTTLENECK_EXPANSION = 4
IBN_KINDS = (None, "a", "b")
LAST_STRIDES = (1, 2)


def _convolution(filters, kernel, stride, name, dtype):
    return Convolution2D(
        filters,
        (kernel, kernel),
        strides=stride,
        padding=kernel // 2,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, "fan_out", "untruncated_normal"
        ),
        name=name,
        dtype=dtype,
    )


@keras.saving.register_keras_serializable(package="tfipgan")
class ResNetBlock(keras.layers.Layer):
    """A residual block of ResNet: 3x3, 3x3, or the bottleneck 1x1, 3x3, 1x1.

    Args:
        filters: int, channels inside the block; a bottleneck puts out four times that.
        stride: int, of the (first) 3x3 convolution, as in torchvision.
        bottleneck: bool.
        project: bool, whether a 1x1 convolution brings the input to the output's shape.
        ibn: None; "a": the first normalisation splits its channels between instance
            and batch normalisation; "b": instance normalisation after the addition.
        stride_first: bool, whether a bottleneck has its stride on the first
            convolution, as in Keras's ResNet, and not on the 3x3.
    """

    def __init__(
        self,
        filters,
        stride,
        bottleneck,
        project,
        ibn=None,
        stride_first=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.bottleneck = bottleneck
        self.project = project
        self.ibn = ibn
        self.stride_first = stride_first
        dtype = self.dtype_policy
        outputs = filters * (BOTTLENECK_EXPANSION if bottleneck else 1)
        if bottleneck:
            first, second = (stride, 1) if stride_first else (1, stride)
            shapes = [(filters, 1, first), (filters, 3, second), (outputs, 1, 1)]
        else:
            shapes = [(filters, 3, stride), (outputs, 3, 1)]
        self.convolutions = [
            _convolution(*shape, f"conv{i}", dtype) for i, shape in enumerate(shapes, 1)
        ]
        # Made whole: Keras 3 does not see a layer that takes a place in a list later.
        self.norms = [
            InstanceBatchNormalization(name="norm1", dtype=dtype)
            if ibn == "a" and i == 1
            else batch_normalization(f"norm{i}", dtype)
            for i in range(1, len(shapes) + 1)
        ]
        self.projection = self.projection_norm = self.output_norm = None
        if project:
            self.projection = _convolution(outputs, 1, stride, "projection", dtype)
            self.projection_norm = batch_normalization("projection_norm", dtype)
        if ibn == "b":
            self.output_norm = InstanceNormalization(name="output_norm", dtype=dtype)

    def build(self, input_shape):
        shape = input_shape
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            norm.build(shape)
        if self.projection is not None:
            self.projection.build(input_shape)
            self.projection_norm.build(shape)
        if self.output_norm is not None:
            self.output_norm.build(shape)
        self.built = True

    def call(self, inputs, training=False):
        x = inputs
        last = len(self.convolutions) - 1
        for i, convolution in enumerate(self.convolutions):
            x = self.norms[i](convolution(x), training=training)
            if i < last:
                x = tf.nn.relu(x)
        shortcut = inputs
        if self.projection is not None:
            shortcut = self.projection_norm(self.projection(inputs), training=training)
        x = x + shortcut
        if self.output_norm is not None:
            x = self.output_norm(x)
        return tf.nn.relu(x)

    def compute_output_shape(self, input_shape):
        shape = input_shape
        for convolution in self.convolutions:
            shape = convolution.compute_output_shape(shape)
        return shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
            "bottleneck": self.bottleneck,
            "project": self.project,
            "ibn": self.ibn,
            "stride_first": self.stride_first,
        }


@keras.saving.register_keras_serializable(package="tfipgan")
class ResNet(keras.Model):
    """ResNet without its classifier (paper section 3.1), and IBN-ResNet (section 3.4).

    `ibn="b"` is the paper's IBN-reID backbone: instance normalisation in place of batch
    normalisation after conv1, and after the last block of conv2_x and of conv3_x
    (before the ReLU), as IBN-Net-b has it. `ibn="a"` is IBN-Net-a: split normalisation
    in conv2_x, conv3_x and conv4_x.

    Args:
        depth: 18, 34, 50 or 101.
        ibn: None, "a" or "b".
        width: int, channels of conv1; 64 is the published network.
        stride_first: bool, of `ResNetBlock`.
        last_stride: 1 or 2, the stride of conv5_x; with 1 its maps are as large as
            those of conv4_x.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16, but norms in float32.

    Call: images float32 (batch, height, width, 3), normalised by the dataset's mean and
    deviation. Returns the feature map (batch, height / 32, width / 32, feature_size),
    or / 16 with last_stride 1, sizes rounded up, of the compute dtype. `feature_size`
    is 2048 for depth 50 and width 64.

    Raises:
        InputError: an unknown depth, ibn or last_stride.
    """

    def __init__(
        self,
        depth=50,
        ibn=None,
        width=64,
        stride_first=False,
        last_stride=2,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if depth not in BLOCK_COUNTS:
            raise InputError(
                f"depth is {depth!r}, known depths are {sorted(BLOCK_COUNTS)}"
            )
        if ibn not in IBN_KINDS:
            raise InputError(f'ibn is {ibn!r}, expected None, "a" or "b"')
        if last_stride not in LAST_STRIDES:
            raise InputError(f"last_stride is {last_stride!r}, expected 1 or 2")
        self.depth = depth
        self.ibn = ibn
        self.width = width
        self.stride_first = stride_first
        self.last_stride = last_stride
        strides = (1, 2, 2, last_stride)
        bottleneck = depth in BOTTLENECK_DEPTHS
        expansion = BOTTLENECK_EXPANSION if bottleneck else 1
        self.feature_size = width * 8 * expansion
        dtype = self.dtype_policy
        self.stem = _convolution(width, 7, 2, "stem", dtype)
        self.stem_norm = (
            InstanceNormalization(name="stem_norm", dtype=dtype)
            if ibn == "b"
            else batch_normalization("stem_norm", dtype)
        )
        self.blocks = []
        channels = width
        for stack, count in enumerate(BLOCK_COUNTS[depth]):
            filters = width * 2**stack
            for block in range(count):
                stride = strides[stack] if block == 0 else 1
                self.blocks.append(
                    ResNetBlock(
                        filters,
                        stride,
                        bottleneck,
                        project=stride > 1 or channels != filters * expansion,
                        ibn=_block_ibn(ibn, stack, block == count - 1),
                        stride_first=stride_first,
                        name=f"stack{stack + 1}_block{block}",
                        dtype=dtype,
                    )
                )
                channels = filters * expansion

    def stages(self):
        """Return the layers of conv1, conv2_x, ... conv5_x: five lists, in order."""
        blocks = iter(self.blocks)
        counts = BLOCK_COUNTS[self.depth]
        stacks = [list(itertools.islice(blocks, count)) for count in counts]
        return [[self.stem, self.stem_norm], *stacks]

    def call(self, images, training=False):
        x = tf.nn.relu(self.stem_norm(self.stem(images), training=training))
        # After a ReLU zeros pad a maximum as well as minus infinity does.
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        for block in self.blocks:
            x = block(x, training=training)
        return x

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "depth": self.depth,
            "ibn": self.ibn,
            "width": self.width,
            "stride_first": self.stride_first,
            "last_stride": self.last_stride,
        }


def _block_ibn(ibn, stack, is_last):
    if ibn == "a":
        return "a" if stack < 3 else None
    return "b" if ibn == "b" and stack < 2 and is_last else None
