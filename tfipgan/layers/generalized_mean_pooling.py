"""Generalised-mean pooling (Radenovic, Tolias and Chum 2018), as re-ID uses it."""

import keras
import tensorflow as tf

SMALLEST = 1e-6
FIRST_P = 3.0


@keras.saving.register_keras_serializable(package="tfipgan")
class GeneralizedMeanPooling(keras.layers.Layer):
    """The p-th root of the mean of p-th powers over a map; p, one number, is learnt.

    p begins at 3; 1 is the mean, and the larger it is the nearer to the maximum.
    Values below 1e-6 count as 1e-6.

    Input (batch, height, width, channels) of any float dtype; output float32 (batch,
    channels), computed in float32. `p` is float32 (1,).
    """

    def __init__(self, dtype="float32", **kwargs):
        # Not of the global policy, by which p would be rounded in mixed precision.
        super().__init__(autocast=False, dtype=dtype, **kwargs)

    def build(self, input_shape):
        self.p = self.add_weight(
            name="p", shape=(1,), initializer=keras.initializers.Constant(FIRST_P)
        )
        self.built = True

    def call(self, inputs):
        # By logarithms: on a CPU a third of the time of powers. The largest is taken
        # off, so that nothing over- or underflows, whatever p is.
        p = tf.convert_to_tensor(self.p)
        x = tf.maximum(tf.cast(inputs, tf.float32), SMALLEST)
        logs = p * tf.math.log(x)
        largest = tf.stop_gradient(tf.reduce_max(logs, axis=(1, 2), keepdims=True))
        mean = tf.reduce_mean(tf.exp(logs - largest), axis=(1, 2))
        return tf.exp((tf.squeeze(largest, axis=(1, 2)) + tf.math.log(mean)) / p)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])
