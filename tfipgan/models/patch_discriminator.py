"""CycleGAN's PatchGAN: tells real images of one domain from translated ones."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import Convolution2D, InstanceNormalization

LEAKY_SLOPE = 0.2
MOST_CHANNELS = 8  # times the width


@keras.saving.register_keras_serializable(package="tfipgan")
class PatchDiscriminator(keras.Model):
    """Scores of overlapping patches (Isola et al. 2017; Zhu et al. 2017, section 4).

    4x4 convolutions of stride 2 that double their channels up to 8 times the first
    one's, one more of stride 1, and one of stride 1 for the map; leaky ReLU 0.2;
    instance normalisation after all but the first and the last. With three of stride 2
    a score sees 70x70 pixels.

    Args:
        image_size: (height, width) in pixels, at least 3 * 2**num_layers.
        width: int, channels of the first convolution.
        num_layers: int, strided convolutions.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16, but norms in float32.

    Call: images float32 (batch, height, width, 3) in [-1, 1]. Returns float32 (batch,
    h, w, 1), unbounded scores; 1 is real and 0 translated as `least_squares_loss` has
    it.

    Raises:
        InputError: a size of which nothing is left.
    """

    def __init__(self, image_size=(128, 64), width=64, num_layers=3, **kwargs):
        super().__init__(**kwargs)
        # Each of the last two convolutions takes a row and a column off.
        smallest = 3 * 2**num_layers
        if any(size < smallest for size in image_size):
            raise InputError(
                f"image size {image_size[0]}x{image_size[1]} (height x width) is too "
                f"small for {num_layers} strided convolutions and two more: use "
                f"{smallest} or more, or change gan.num_layers"
            )
        self.image_size = tuple(image_size)
        self.width = width
        self.num_layers = num_layers
        dtype = self.dtype_policy

        def convolution(name, filters, strides, use_bias=False):
            return Convolution2D(
                filters,
                (4, 4),
                strides=strides,
                padding=1,
                use_bias=use_bias,
                name=name,
                dtype=dtype,
            )

        channels = [width * min(2**i, MOST_CHANNELS) for i in range(num_layers + 1)]
        self.convolutions = [
            # Where a normalisation follows, it would take a bias out again.
            convolution(f"conv{i}", filters, 2 if i < num_layers else 1, i == 0)
            for i, filters in enumerate(channels)
        ]
        self.norms = [
            InstanceNormalization(name=f"norm{i}", dtype=dtype)
            for i in range(1, num_layers + 1)
        ]
        self.to_source = convolution("to_source", 1, 1, use_bias=True)

    def call(self, images):
        first, *others = self.convolutions
        x = tf.nn.leaky_relu(first(images), LEAKY_SLOPE)
        for convolution, norm in zip(others, self.norms, strict=True):
            x = tf.nn.leaky_relu(norm(convolution(x)), LEAKY_SLOPE)
        return tf.cast(self.to_source(x), tf.float32)

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "image_size": self.image_size,
            "width": self.width,
            "num_layers": self.num_layers,
        }
