"""Instance normalisation on Keras 2: the layer of tensorflow-addons."""

import warnings

import keras
import tensorflow as tf

try:
    with warnings.catch_warnings():
        # That it is no longer maintained is why it has an extra of its own; a user of
        # that extra need not be told by every command.
        warnings.filterwarnings("ignore", r"\s*TensorFlow Addons \(TFA\) has ended")
        from tensorflow_addons.layers import InstanceNormalization as AddonsLayer
except ModuleNotFoundError as error:
    raise ImportError(
        f"Keras {keras.__version__} is here without tensorflow-addons ({error}): "
        "pip install 'tfipgan[addons]', or TensorFlow 2.16 or later, which has Keras 3",
        name=error.name,
    ) from error


@keras.saving.register_keras_serializable(package="tfipgan")
class InstanceNormalization(AddonsLayer):
    """Normalises each channel of each image by its own mean and variance.

    Args:
        epsilon: float added to the variance; 1e-5 is PyTorch's, and so StarGAN's.
        gamma_initializer: Keras initialiser of the scale.

    Input and output (batch, height, width, channels). Moments are taken in float32
    whatever the compute dtype. Training and inference are the same.
    """

    def __init__(self, epsilon=1e-5, gamma_initializer="ones", **kwargs):
        super().__init__(epsilon=epsilon, gamma_initializer=gamma_initializer, **kwargs)

    def add_weight(self, **kwargs):
        # Read as float32, as call() has it, and not cast to the compute dtype.
        return super().add_weight(experimental_autocast=False, **kwargs)

    def call(self, inputs, training=None):
        del training  # taken so that it stands wherever a batch normalisation does
        # tf.nn.moments would take those of bfloat16 images in bfloat16.
        return tf.cast(super().call(tf.cast(inputs, tf.float32)), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        # The number of groups is the layer's to set: it warns when it is given one.
        del config["groups"]
        return config
