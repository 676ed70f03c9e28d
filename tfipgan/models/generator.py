"""The generator: one network that translates an image into any of the domains."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import Convolution2D, DomainAffine, InstanceNormalization
from tfipgan.layers.convolution import torch_uniform

SIZE_MULTIPLE = 4  # two halvings on the way down
UPSAMPLINGS = ("transposed", "resize")
CONDITIONINGS = ("planes", "normalization")
# Of the image that is added: the largest part whose inverse tanh is still small.
_KEPT = 0.98


@keras.saving.register_keras_serializable(package="tfipgan")
class GeneratorResidualBlock(keras.layers.Layer):
    """Two 3x3 convolutions with instance normalisation, added to their input.

    Args:
        filters: int.
        num_domains: int, of the values that its normalisations have for each domain;
            None gives them none.

    Call: `block((x, domains))`, as `DomainAffine`.
    """

    def __init__(self, filters, num_domains=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.num_domains = num_domains
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
        self.affine1 = self.affine2 = None
        if num_domains:
            self.affine1 = DomainAffine(num_domains, name="affine1")
            self.affine2 = DomainAffine(num_domains, name="affine2")

    def build(self, input_shape):
        for layer in (self.conv1, self.norm1, self.conv2, self.norm2):
            layer.build(input_shape[0])
        for layer in (self.affine1, self.affine2):
            if layer is not None:
                layer.build(input_shape)
        self.built = True

    def call(self, inputs):
        maps, domains = inputs
        x = _affine(self.affine1, self.norm1(self.conv1(maps)), domains)
        x = self.norm2(self.conv2(tf.nn.relu(x)))
        return maps + _affine(self.affine2, x, domains)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_domains": self.num_domains,
        }


def _affine(layer, x, domains):
    return x if layer is None else layer((x, domains))


@keras.saving.register_keras_serializable(package="tfipgan")
class Generator(keras.Model):
    """StarGAN's generator G(x, c) (paper sections 3.3 and 4.2).

    A 7x7 convolution, two 4x4 convolutions of stride 2, residual blocks, two transposed
    4x4 convolutions, a 7x7 convolution and tanh; instance normalisation after every
    convolution but the last.

    A residual generator adds the input image before the tanh, so that it learns what
    differs in a domain, and starts as 0.98 times the image.

    With conditioning by planes G is told the domain by constant channels beside the
    image's, of which the first instance normalisation leaves nothing but what zero
    padding makes of them at the border. By normalization every instance normalisation
    has a scale and shift of each domain (`DomainAffine`), all over the picture, and
    the 7x7 convolutions pad by reflection.

    Args:
        num_domains: int, L + 1: the target's cameras, and the source; 0 for a
            generator of one style, which is told none.
        width: int, channels of the first convolution.
        num_blocks: int, residual blocks.
        residual: bool; False is the paper's and StarGAN's.
        upsampling: "transposed", the paper's and StarGAN's, or "resize": each pixel
            four times, then a 3x3 convolution, which can't leave a grid.
        conditioning: "planes", the paper's and StarGAN's, or "normalization".
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
        conditioning="planes",
        **kwargs,
    ):
        for name, value, known in (
            ("upsampling", upsampling, UPSAMPLINGS),
            ("conditioning", conditioning, CONDITIONINGS),
        ):
            if value not in known:
                raise InputError(
                    f"{name} is {value!r}, expected one of {', '.join(known)}"
                )
        # The image that is added is the one given, not one rounded to bfloat16.
        super().__init__(autocast=False, **kwargs)
        self.num_domains = num_domains
        self.width = width
        self.num_blocks = num_blocks
        self.residual = residual
        self.upsampling = upsampling
        self.conditioning = conditioning
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

        padding = 3 if conditioning == "planes" else 0  # which `_reflect` does
        self.stem = convolution("stem", width, 7, padding=padding)
        self.stem_norm = norm("stem_norm")
        self.down = [
            convolution(f"down{i}", width * 2 ** (i + 1), 4, strides=2, padding=1)
            for i in range(2)
        ]
        self.down_norms = [norm(f"down{i}_norm") for i in range(2)]
        affine_domains = num_domains if conditioning == "normalization" else None
        self.blocks = [
            GeneratorResidualBlock(
                width * 4, affine_domains, name=f"block{i}", dtype=dtype
            )
            for i in range(num_blocks)
        ]
        self.up = [self._upsampling(i) for i in range(2)]
        self.up_norms = [norm(f"up{i}_norm") for i in range(2)]
        if residual:
            # Another name than the plain one's, whose weights mean something else.
            self.to_residual = convolution(
                "to_residual", 3, 7, padding=padding, start="zeros"
            )
        else:
            self.to_image = convolution("to_image", 3, 7, padding=padding)
        self.stem_affine, self.down_affines, self.up_affines = (
            None,
            [None] * 2,
            [None] * 2,
        )
        if affine_domains:
            self.stem_affine = DomainAffine(num_domains, name="stem_affine")
            self.down_affines = [
                DomainAffine(num_domains, name=f"down{i}_affine") for i in range(2)
            ]
            self.up_affines = [
                DomainAffine(num_domains, name=f"up{i}_affine") for i in range(2)
            ]

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
        x, domains = images, tf.cast(domains, tf.float32)
        if not self.num_domains:
            domains = domains[:, :0]  # whatever it is told
        if self.conditioning == "planes":
            # Zero padding, not reflection: the label planes are constant, and the
            # border is all that survives of them through instance normalisation.
            shape = tf.shape(images)
            planes = tf.broadcast_to(
                tf.cast(domains, images.dtype)[:, None, None, :],
                (shape[0], shape[1], shape[2], self.num_domains),
            )
            x = tf.concat([images, planes], axis=-1)
        x = tf.cast(x, self.compute_dtype)
        x = self.stem_norm(self.stem(self._reflect(x)))
        x = tf.nn.relu(_affine(self.stem_affine, x, domains))
        for convolution, norm, affine in zip(
            self.down, self.down_norms, self.down_affines, strict=True
        ):
            x = tf.nn.relu(_affine(affine, norm(convolution(x)), domains))
        for block in self.blocks:
            x = block((x, domains))
        for convolution, norm, affine in zip(
            self.up, self.up_norms, self.up_affines, strict=True
        ):
            if self.upsampling == "resize":
                x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = tf.nn.relu(_affine(affine, norm(convolution(x)), domains))
        x = self._reflect(x)
        if not self.residual:
            return tf.tanh(tf.cast(self.to_image(x), tf.float32))
        # Clipped: the inverse tanh of more than 1 is no number.
        kept = _KEPT * tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)
        return tf.tanh(tf.cast(self.to_residual(x), tf.float32) + tf.atanh(kept))

    def _reflect(self, x):
        """Pad for a 7x7 convolution where it doesn't by itself."""
        if self.conditioning == "planes":
            return x
        return tf.pad(x, [[0, 0], [3, 3], [3, 3], [0, 0]], "REFLECT")

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "num_domains": self.num_domains,
            "width": self.width,
            "num_blocks": self.num_blocks,
            "residual": self.residual,
            "upsampling": self.upsampling,
            "conditioning": self.conditioning,
        }
