"""Batch normalisation as PyTorch's networks have it, synchronised over replicas."""

import keras

# The share of the statistics that stays at each batch.
MOMENTUM = 0.9


def batch_normalization(name, dtype=None, center=True):
    """Return a batch-normalisation layer with decay 0.9 and epsilon 1e-5.

    Keras's own defaults are 0.99 and 1e-3; weights trained in PyTorch, and the paper's
    schedules, assume the ones here. Statistics are those of the global batch, float32
    whatever the `dtype`, which is a name or a Keras dtype policy. Without `center`
    there is no shift.
    """
    return keras.layers.BatchNormalization(
        momentum=MOMENTUM,
        epsilon=1e-5,
        center=center,
        synchronized=True,
        name=name,
        dtype=dtype,
    )
