"""Instance normalisation (Ulyanov et al. 2016) of the Keras that is installed.

The one place that knows of two stacks: on Keras 3 the layer is this project's, on
Keras 2 it is that of tensorflow-addons. Both are called and named alike and compute the
same, so weights of the one load in the other.
"""

import keras

if int(keras.__version__.split(".")[0]) >= 3:
    from tfipgan.layers.instance_normalization_keras3 import InstanceNormalization
else:
    from tfipgan.layers.instance_normalization_addons import InstanceNormalization

__all__ = ["InstanceNormalization"]
