"""Variables under a distribution strategy, read and written by one process alone."""

import tensorflow as tf

from tfipgan.weights.variables import named_weights


class LocalCopies:
    """The copies of a variable that lie on this process's devices, as one variable.

    They are all equal between two steps. What Keras 2 keeps a batch norm's statistics
    in takes the mean over the copies of all workers when it is read, and when it is
    assigned too: a worker that did so alone would wait for the others for ever. Under
    no strategy it is the variable itself.

    Args:
        variable: of a Keras layer or optimiser.
    """

    def __init__(self, variable):
        if not isinstance(variable, tf.Variable):
            variable = variable.value  # Keras 3 wraps TensorFlow's
        strategy = getattr(variable, "distribute_strategy", None)
        self._copies = (
            strategy.experimental_local_results(variable) if strategy else (variable,)
        )
        self.shape, self.dtype = variable.shape, variable.dtype

    def numpy(self):
        """Return the value as a NumPy array."""
        return self._copies[0].numpy()

    def assign(self, value) -> None:
        """Give every copy the value."""
        for copy in self._copies:
            copy.assign(value)


def local_copies(variables: dict) -> dict[str, LocalCopies]:
    """Return `LocalCopies` of variables by name."""
    return {name: LocalCopies(variable) for name, variable in variables.items()}


def copy_weights(network, other) -> None:
    """Give a network the weights of another of its kind, which other workers share.

    Args:
        network: whose weights to read, without running anything.
        other: a network of this process alone.
    """
    own = local_copies(named_weights(network))
    for name, variable in named_weights(other).items():
        variable.assign(own[name].numpy())
