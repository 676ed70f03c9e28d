"""A network's or an optimiser's variables in the form that checkpoints take."""

import tensorflow as tf


def named_variables(owner) -> dict[str, tf.Variable]:
    """Return all variables of a Keras model or optimiser by unique, stable names.

    Checkpoints are made of these and not of the objects: Keras 3 hides the layers in a
    model's lists from `tf.train.Checkpoint`, which then saves a part in silence.
    """
    return {
        f"{place:04d}_{getattr(variable, 'path', variable.name)}": _tensorflow(variable)
        for place, variable in enumerate(owner.variables)
    }


def _tensorflow(variable) -> tf.Variable:
    """Return the TensorFlow variable inside a Keras 3 one; Keras 2's are ones."""
    return variable if isinstance(variable, tf.Variable) else variable.value
