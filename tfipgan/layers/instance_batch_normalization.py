"""The split normalisation of IBN-Net-a (Pan et al. 2018; paper, reference [31])."""

import keras
import tensorflow as tf

from tfipgan.layers.batch_normalization import batch_normalization
from tfipgan.layers.instance_normalization import InstanceNormalization


@keras.saving.register_keras_serializable(package="tfipgan")
class InstanceBatchNormalization(keras.layers.Layer):
    """Instance-normalises the first half of the channels, batch-normalises the rest.

    Input and output (batch, height, width, channels); an odd number of channels gives
    the larger half to batch normalisation, as IBN-Net does.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.instance = InstanceNormalization(name="instance", dtype=self.dtype_policy)
        self.batch = batch_normalization(name="batch", dtype=self.dtype_policy)

    def build(self, input_shape):
        half = input_shape[-1] // 2
        self.instance.build((*input_shape[:-1], half))
        self.batch.build((*input_shape[:-1], input_shape[-1] - half))
        self.built = True

    def call(self, inputs, training=False):
        half = inputs.shape[-1] // 2
        return tf.concat(
            [
                self.instance(inputs[..., :half]),
                self.batch(inputs[..., half:], training=training),
            ],
            axis=-1,
        )

    def compute_output_shape(self, input_shape):
        return input_shape
