"""The generator: one network that translates an image into any of the domains."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import Convolution2D, InstanceNormalization
from tfipgan.layers.convolution import torch_uniform

SIZE_MULTIPLE = 4  # two halvings on the way down
UPSAMPLINGS = ("transposed", "resize")
# Of the image that is added: the largest part whose inverse tanh is still small.
_KEPT = 0.98


@keras.saving.register_keras_serializable(package="tfipgan")
class ResidualBlock(keras.layers.Layer):
    """Two 3x3 convolutions with instance normalisation, added to their input."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        dtype = self.dtype_policy

        def convolution(name):
            return Convolution2D(
                filters, (3, 3), padding=1, use_bias=False, name=name, dtype=dtype
            )

        self.conv1 = convolution("conv1")
        self.norm1 = InstanceNormalization(name="norm1", dtype=dtype)
        self.conv2 = convolution("conv2")
        # The block starts as the identity: what G must keep passes from the first step
        # on, where StarGAN's start (a scale of 1) mixes it with noise.
        self.norm2 = InstanceNormalization(
            gamma_initializer="zeros", name="norm2", dtype=dtype
        )

    def build(self, input_shape):
        for layer in (self.conv1, self.norm1, self.conv2, self.norm2):
            layer.build(input_shape)
        self.built = True

    def call(self, inputs):
        x = tf.nn.relu(self.norm1(self.conv1(inputs)))
        return inputs + self.norm2(self.conv2(x))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="tfipgan")
class Generator(keras.Model):
    """StarGAN's generator G(x, c) (paper sections 3.3 and 4.2).

    A 7x7 convolution, two 4x4 convolutions of stride 2, residual blocks, two transposed
    4x4 convolutions, a 7x7 convolution and tanh; instance normalisation after every
    convolution but the last.

    A residual generator adds the input image before the tanh, so that it learns what
    differs in a domain, and starts as 0.98 times the image.

    Args:
        num_domains: int, L + 1: the target's cameras, and the source.
        width: int, channels of the first convolution.
        num_blocks: int, residual blocks.
        residual: bool; False is the paper's and StarGAN's.
        upsampling: "transposed", the paper's and StarGAN's, or "resize": each pixel
            four times, then a 3x3 convolution, which can't leave a grid.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16, but norms, and the image
            that is added, in float32.

    Call: `generator((images, domains))` with images float32 (batch, height, width, 3)
    in [-1, 1], height and width multiples of 4, and domains float32 one-hot
    (batch, num_domains). Returns float32 images of the same shape in [-1, 1]. A
    residual one takes what is outside of [-1, 1] for its nearest end.

    Raises:
        InputError: an unknown upsampling, or the image size is not a multiple of 4.
    """

    def __init__(
        self,
        num_domains,
        width=64,
        num_blocks=6,
        residual=False,
        upsampling="transposed",
        **kwargs,
    ):
        if upsampling not in UPSAMPLINGS:
            known = ", ".join(UPSAMPLINGS)
            raise InputError(f"upsampling is {upsampling!r}, expected one of {known}")
        # The image that is added is the one given, not one rounded to bfloat16.
        super().__init__(autocast=False, **kwargs)
        self.num_domains = num_domains
        self.width = width
        self.num_blocks = num_blocks
        self.residual = residual
        self.upsampling = upsampling
        dtype = self.dtype_policy

        def convolution(name, filters, kernel, strides=1, padding=0, start=None):
            return Convolution2D(
                filters,
                (kernel, kernel),
                strides,
                padding,
                use_bias=False,
                kernel_initializer=start,
                name=name,
                dtype=dtype,
            )

        def norm(name):
            return InstanceNormalization(name=name, dtype=dtype)

        self.stem = convolution("stem", width, 7, padding=3)
        self.stem_norm = norm("stem_norm")
        self.down = [
            convolution(f"down{i}", width * 2 ** (i + 1), 4, strides=2, padding=1)
            for i in range(2)
        ]
        self.down_norms = [norm(f"down{i}_norm") for i in range(2)]
        self.blocks = [
            ResidualBlock(width * 4, name=f"block{i}", dtype=dtype)
            for i in range(num_blocks)
        ]
        self.up = [self._upsampling(i) for i in range(2)]
        self.up_norms = [norm(f"up{i}_norm") for i in range(2)]
        if residual:
            # Another name than the plain one's, whose weights mean something else.
            self.to_residual = convolution(
                "to_residual", 3, 7, padding=3, start="zeros"
            )
        else:
            self.to_image = convolution("to_image", 3, 7, padding=3)

    def _upsampling(self, i):
        filters = self.width * 2 ** (1 - i)
        if self.upsampling == "resize":
            return Convolution2D(
                filters,
                (3, 3),
                padding=1,
                use_bias=False,
                name=f"up{i}",
                dtype=self.dtype_policy,
            )
        # "same" of a 4x4 transposed convolution of stride 2 is PyTorch's padding 1.
        return keras.layers.Conv2DTranspose(
            filters,
            4,
            strides=2,
            padding="same",
            data_format="channels_last",  # whatever the user's keras.json says
            use_bias=False,
            kernel_initializer=torch_uniform(4 * 4 * filters),
            name=f"up{i}",
            dtype=self.dtype_policy,
        )

    def call(self, inputs):
        images, domains = inputs
        height, width = images.shape[1:3]
        if (height or 0) % SIZE_MULTIPLE or (width or 0) % SIZE_MULTIPLE:
            raise InputError(
                f"images are {height}x{width} (height x width), the generator takes "
                f"multiples of {SIZE_MULTIPLE}: change gan.image_size"
            )
        # Zero padding, not reflection: the label planes are constant, and the border is
        # all that survives of them through instance normalisation.
        shape = tf.shape(images)
        planes = tf.broadcast_to(
            tf.cast(domains, images.dtype)[:, None, None, :],
            (shape[0], shape[1], shape[2], self.num_domains),
        )
        x = tf.cast(tf.concat([images, planes], axis=-1), self.compute_dtype)
        x = tf.nn.relu(self.stem_norm(self.stem(x)))
        for convolution, norm in zip(self.down, self.down_norms, strict=True):
            x = tf.nn.relu(norm(convolution(x)))
        for block in self.blocks:
            x = block(x)
        for convolution, norm in zip(self.up, self.up_norms, strict=True):
            if self.upsampling == "resize":
                x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = tf.nn.relu(norm(convolution(x)))
        if not self.residual:
            return tf.tanh(tf.cast(self.to_image(x), tf.float32))
        # Clipped: the inverse tanh of more than 1 is no number.
        kept = _KEPT * tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)
        return tf.tanh(tf.cast(self.to_residual(x), tf.float32) + tf.atanh(kept))

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "num_domains": self.num_domains,
            "width": self.width,
            "num_blocks": self.num_blocks,
            "residual": self.residual,
            "upsampling": self.upsampling,
        }
