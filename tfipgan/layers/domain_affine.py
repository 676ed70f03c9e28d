"""A scale and a shift for each channel by the image's domain."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfipgan")
class DomainAffine(keras.layers.Layer):
    """Scale and shift each channel by values that the domain has for it.

    After an instance normalisation it makes a conditional one (Dumoulin et al. 2017,
    "A Learned Representation For Artistic Style", eq. 5). All domains start alike: the
    scale at 1, the shift at 0.

    Args:
        num_domains: int.

    Call: `layer((x, domains))` with x (batch, height, width, channels) of any
    float dtype and domains float32 one-hot (batch, num_domains). Returns x's shape
    and dtype. Its values are float32.
    """

    def __init__(self, num_domains, dtype="float32", **kwargs):
        # Not of the global policy, by which the values would be rounded to bfloat16.
        super().__init__(autocast=False, dtype=dtype, **kwargs)
        self.num_domains = num_domains

    def build(self, input_shape):
        shape = (self.num_domains, input_shape[0][-1])
        # What is added to 1.
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="zeros")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.built = True

    def call(self, inputs):
        x, domains = inputs
        scale, shift = (
            tf.cast(tf.matmul(domains, values), x.dtype)[:, None, None, :]
            for values in (self.gamma, self.beta)
        )
        return x * (1.0 + scale) + shift

    def get_config(self):
        return {**super().get_config(), "num_domains": self.num_domains}
