"""The domain discriminator D_dom: a PatchGAN that also names the domain."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import Convolution2D

LEAKY_SLOPE = 0.01  # paper section 4.2


@keras.saving.register_keras_serializable(package="tfipgan")
class Discriminator(keras.Model):
    """PatchGAN with a real/fake map and domain logits (paper sections 3.3 and 4.2).

    4x4 convolutions of stride 2 that double their channels, leaky ReLU, no
    normalisation; then a 3x3 convolution for the map and one as large as the last map
    for the logits. That map is 2x1 for 128x64 images and six layers.

    Args:
        num_domains: int, L + 1.
        image_size: (height, width) in pixels, at least 2**num_layers; an odd row or
            column that a halving leaves over is not seen, as in StarGAN.
        width: int, channels of the first convolution.
        num_layers: int, strided convolutions.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16.

    Call: images float32 (batch, height, width, 3) in [-1, 1]. Returns float32: the
    source map (batch, h, w, 1), unbounded scores that are high for real patches, and
    the domain logits (batch, num_domains).

    Raises:
        InputError: a size that can't be halved num_layers times, or other images.
    """

    def __init__(
        self, num_domains, image_size=(128, 64), width=64, num_layers=6, **kwargs
    ):
        super().__init__(**kwargs)
        smallest = 2**num_layers
        if any(size < smallest for size in image_size):
            raise InputError(
                f"image size {image_size[0]}x{image_size[1]} (height x width) can't be "
                f"halved {num_layers} times: use {smallest} or more, or change "
                "gan.num_layers"
            )
        self.num_domains = num_domains
        self.image_size = tuple(image_size)
        self.width = width
        self.num_layers = num_layers
        dtype = self.dtype_policy
        # He's start keeps the signal's size through the layers. With PyTorch's default
        # each layer halves it, and the domain loss takes hundreds of steps to move.
        self.down = [
            Convolution2D(
                width * 2**i,
                (4, 4),
                strides=2,
                padding=1,
                kernel_initializer="he_uniform",
                bias_initializer="zeros",
                name=f"down{i}",
                dtype=dtype,
            )
            for i in range(num_layers)
        ]
        self.to_source = Convolution2D(
            1, (3, 3), padding=1, use_bias=False, name="to_source", dtype=dtype
        )
        self.to_domain = Convolution2D(
            num_domains,
            tuple(size // smallest for size in image_size),
            use_bias=False,
            name="to_domain",
            dtype=dtype,
        )

    def call(self, images):
        if tuple(images.shape[1:3]) != self.image_size:
            raise InputError(
                f"images are {images.shape[1]}x{images.shape[2]}, this discriminator "
                f"takes {self.image_size[0]}x{self.image_size[1]} (height x width)"
            )
        x = images
        for convolution in self.down:
            x = tf.nn.leaky_relu(convolution(x), LEAKY_SLOPE)
        domain_logits = tf.squeeze(self.to_domain(x), axis=(1, 2))
        source_map = self.to_source(x)
        return tf.cast(source_map, tf.float32), tf.cast(domain_logits, tf.float32)

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "num_domains": self.num_domains,
            "image_size": self.image_size,
            "width": self.width,
            "num_layers": self.num_layers,
        }
