"""SPGAN's SiaNet: tells by a descriptor whether two images are alike."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import Convolution2D

LEAKY_SLOPE = 0.2
HIDDEN_UNITS, FEATURES = 128, 64
DROPOUT = 0.5


@keras.saving.register_keras_serializable(package="tfipgan")
class SiameseNetwork(keras.Model):
    """Descriptors of 64 values (Deng et al. 2018, SPGAN, as their public code has it).

    Blocks of a 4x4 convolution of stride 2, leaky ReLU 0.2 and a maximum over 2x2, each
    of twice the channels of the one before; a fully connected layer of 128 units, leaky
    ReLU, dropout 0.5, and one of 64, scaled to length 1.

    Args:
        image_size: (height, width) in pixels, at least 4**num_layers.
        width: int, channels of the first block.
        num_layers: int, blocks; theirs are 3 at 256x128.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16.

    Call: images float32 (batch, height, width, 3) in [-1, 1]. Returns float32 (batch,
    64). Dropout keeps the units where `dropout_noise` float32 (batch, 128) in [0, 1) is
    at least 0.5; without noise there is none.

    Raises:
        InputError: a size of which nothing is left.
    """

    def __init__(self, image_size=(128, 64), width=64, num_layers=3, **kwargs):
        # Keras 3 would round the noise too: other units would be dropped.
        super().__init__(**{"autocast": False, **kwargs})
        smallest = 4**num_layers
        if any(size < smallest for size in image_size):
            raise InputError(
                f"image size {image_size[0]}x{image_size[1]} (height x width) is too "
                f"small for {num_layers} blocks of the SiaNet, each of which leaves a "
                f"fourth: use {smallest} or more, or change gan.siamese_layers"
            )
        self.image_size = tuple(image_size)
        self.width = width
        self.num_layers = num_layers
        dtype = self.dtype_policy
        self.convolutions = [
            Convolution2D(
                width * 2**i, (4, 4), strides=2, padding=1, name=f"conv{i}", dtype=dtype
            )
            for i in range(num_layers)
        ]
        self.hidden = keras.layers.Dense(HIDDEN_UNITS, name="hidden", dtype=dtype)
        self.embedding = keras.layers.Dense(FEATURES, name="embedding", dtype=dtype)

    def call(self, images, dropout_noise=None):
        x = images
        for convolution in self.convolutions:
            x = tf.nn.leaky_relu(convolution(x), LEAKY_SLOPE)
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        # Of a known size, which the first call builds the next layer by.
        x = tf.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
        x = tf.nn.leaky_relu(self.hidden(x), LEAKY_SLOPE)
        if dropout_noise is not None:
            x = x * tf.cast(dropout_noise >= DROPOUT, x.dtype) / (1.0 - DROPOUT)
        return tf.math.l2_normalize(tf.cast(self.embedding(x), tf.float32), axis=1)

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "image_size": self.image_size,
            "width": self.width,
            "num_layers": self.num_layers,
        }
