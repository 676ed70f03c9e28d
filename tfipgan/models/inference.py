"""The re-ID network for inference: its batch norm folded into the convolutions."""

import numpy as np
import tensorflow as tf

from tfipgan.layers import (
    GeneralizedMeanPooling,
    InstanceBatchNormalization,
    InstanceNormalization,
)
from tfipgan.models import ReidNetwork
from tfipgan.models.stripes import pooled_stripes


class InferenceNetwork(tf.Module):
    """A `ReidNetwork`'s feature in float32, in fewer operations.

    With its statistics frozen a batch norm scales and shifts each channel. The
    convolution before it takes the scale into its kernel and the shift as its bias,
    and TensorFlow makes one operation of it with the addition and ReLU that follow.
    Instance norms stay. ResNet-50 at 256x128 on two CPU cores, images/s: 35, the
    network itself 30. XLA gave either less or no more (28 and 31), and it compiles
    anew for each shape, so it is not used.

    Args:
        network: `ReidNetwork` with its variables made. They are copied: training it
            further changes nothing here.
        pool_stripes: how many stripes of the last map are pooled each by itself, by
            their maximum; None to pool the whole map as the network does.

    Call: images float32 RGB (batch, height, width, 3) in [0, 1]; returns what
    `ReidNetwork.extract_features` returns, float32 (batch, feature_size), of length 1.
    With stripes it is (batch, stripes * feature_size): each goes through the neck,
    if there is one, and all of them together have the length 1.
    """

    def __init__(self, network: ReidNetwork, pool_stripes: int | None = None):
        super().__init__(name="inference")
        self.pool_stripes = pool_stripes
        backbone = network.backbone
        self.mean, self.std = network.mean, network.std
        self.stem = _NormedConvolution(backbone.stem, backbone.stem_norm)
        self.blocks = [_Block(unit) for unit in backbone.blocks]
        self.pooling = None
        if network.pooling is not None:
            self.pooling = GeneralizedMeanPooling()
            self.pooling.build((None, None, None, backbone.feature_size))
            self.pooling.set_weights(network.pooling.get_weights())
        self.neck = None
        if network.neck is not None:
            self.neck = [
                tf.Variable(values.astype(np.float32), trainable=False)
                for values in _scale_and_shift(network.neck)
            ]

    def take_weights(self, network: ReidNetwork) -> None:
        """Become what a new one of this network would be; graphs of this one go on.

        Args:
            network: of the same kind as the one that this was made of.
        """
        new = InferenceNetwork(network, self.pool_stripes)
        for own, value in zip(self._weights(), new._weights(), strict=True):
            own.assign(value)

    def _weights(self):
        convolutions = [self.stem]
        norms = []
        for block in self.blocks:
            convolutions += block.convolutions
            if block.projection is not None:
                convolutions.append(block.projection)
            norms.append(block.output_norm)
        for convolution in convolutions:
            yield from (convolution.kernel, convolution.bias)
            norms.append(convolution.instance)
        for layer in (*norms, self.pooling):
            if layer is not None:
                yield from layer.weights
        yield from self.neck or ()

    def last_map(self, images):
        """Return what is pooled: float32 (batch, rows, columns, channels)."""
        # Not folded into the stem, whose zeros pad normalised images.
        x = (images - tf.constant(self.mean)) / tf.constant(self.std)
        x = tf.nn.relu(self.stem(x))
        # As in `ResNet`: after a ReLU zeros pad a maximum well.
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        for block in self.blocks:
            x = block(x)
        return x

    def __call__(self, images):
        x = self.last_map(images)
        if self.pool_stripes is not None:
            stripes = pooled_stripes(x, self.pool_stripes)
            features = tf.concat([self._after_neck(s) for s in stripes], axis=-1)
        elif self.pooling is None:
            features = self._after_neck(tf.reduce_mean(x, axis=(1, 2)))
        else:
            features = self._after_neck(self.pooling(x))
        return tf.math.l2_normalize(features, axis=-1)

    def _after_neck(self, features):
        if self.neck is None:
            return features
        scale, shift = self.neck
        return features * scale + shift


class _Block(tf.Module):
    """A `ResNetBlock`."""

    def __init__(self, unit):
        super().__init__()
        pairs = zip(unit.convolutions, unit.norms, strict=True)
        self.convolutions = [_NormedConvolution(*pair) for pair in pairs]
        self.projection = None
        if unit.projection is not None:
            self.projection = _NormedConvolution(unit.projection, unit.projection_norm)
        self.output_norm = _copied(unit.output_norm)

    def __call__(self, inputs):
        x = inputs
        for convolution in self.convolutions[:-1]:
            x = tf.nn.relu(convolution(x))
        x = self.convolutions[-1](x)
        x = x + (inputs if self.projection is None else self.projection(inputs))
        if self.output_norm is not None:
            x = self.output_norm(x)
        return tf.nn.relu(x)


class _NormedConvolution(tf.Module):
    """A convolution and the norm after it; of that, the instance norm is left."""

    def __init__(self, convolution, norm):
        super().__init__()
        batch = instance = None
        if isinstance(norm, InstanceBatchNormalization):
            batch, instance = norm.batch, norm.instance
        elif isinstance(norm, InstanceNormalization):
            instance = norm
        else:
            batch = norm
        kernel = convolution.kernel.numpy().astype(np.float64)
        scale, shift = np.ones(kernel.shape[-1]), np.zeros(kernel.shape[-1])
        if batch is not None:
            # All channels; in IBN-a the last ones.
            channels = batch.gamma.shape[0]
            scale[-channels:], shift[-channels:] = _scale_and_shift(batch)
        self.kernel = tf.Variable((kernel * scale).astype(np.float32), trainable=False)
        self.bias = tf.Variable(shift.astype(np.float32), trainable=False)
        self.stride, self.padding = convolution.strides, convolution.padding
        self.instance = _copied(instance)

    def __call__(self, inputs):
        sides = [self.padding, self.padding]
        paddings = [[0, 0], sides, sides, [0, 0]]
        x = tf.nn.conv2d(inputs, self.kernel, self.stride, paddings)
        x = tf.nn.bias_add(x, self.bias)
        if self.instance is None:
            return x
        channels = self.instance.gamma.shape[0]
        if channels == x.shape[-1]:
            return self.instance(x)
        return tf.concat([self.instance(x[..., :channels]), x[..., channels:]], -1)


def _scale_and_shift(norm):
    """Return what a batch norm with frozen statistics multiplies by and adds."""
    gamma, mean, variance = (
        variable.numpy().astype(np.float64)
        for variable in (norm.gamma, norm.moving_mean, norm.moving_variance)
    )
    beta = norm.beta.numpy().astype(np.float64) if norm.center else 0.0
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _copied(norm):
    """Return an instance norm in float32 with the same weights; None for None."""
    if norm is None:
        return None
    copy = InstanceNormalization.from_config({**norm.get_config(), "dtype": "float32"})
    copy.build((None, None, None, norm.gamma.shape[0]))
    copy.set_weights(norm.get_weights())
    return copy
