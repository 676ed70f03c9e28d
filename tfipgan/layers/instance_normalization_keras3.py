"""Instance normalisation on Keras 3, which has no layer of that name."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfipgan")
class InstanceNormalization(keras.layers.Layer):
    """Normalises each channel of each image by its own mean and variance.

    Args:
        epsilon: float added to the variance; 1e-5 is PyTorch's, and so StarGAN's.
        gamma_initializer: Keras initialiser of the scale.

    Input and output (batch, height, width, channels). Moments are taken in float32
    whatever the compute dtype. Training and inference are the same.
    """

    def __init__(self, epsilon=1e-5, gamma_initializer="ones", **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)

    def build(self, input_shape):
        # Not cast to the compute dtype, which would round them and their gradients.
        options = {"shape": (input_shape[-1],), "autocast": False}
        self.gamma = self.add_weight(
            name="gamma", initializer=self.gamma_initializer, **options
        )
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        self.built = True

    def call(self, inputs, training=None):
        del training  # taken so that it stands wherever a batch normalisation does
        # Written out: on a CPU faster than Keras's group normalisation layer.
        x = tf.cast(inputs, tf.float32)
        centred = x - tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=(1, 2), keepdims=True)
        gamma, beta = tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32)
        outputs = centred * (tf.math.rsqrt(variance + self.epsilon) * gamma) + beta
        return tf.cast(outputs, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }
