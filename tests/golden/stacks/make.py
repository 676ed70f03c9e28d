"""Writes weights and answers of small networks, as this environment's Keras has them.

    python tests/golden/stacks/make.py

Once in each stack; tests/test_stacks.py reads the files of both in each. Anew only if a
network changes in a way that its old weights can't follow.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfipgan.files.tensor_file import save_arrays
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.weights.variables import named_weights

FOLDER = Path(__file__).parent


def networks():
    """{name: (network, inputs)}; variables not made."""
    images = np.random.default_rng(1).random((2, 32, 16, 3), np.float32)
    return {
        "generator": (Generator(3, 2, 1), (2 * images - 1, np.eye(3, dtype="f4")[:2])),
        "discriminator": (Discriminator(3, (32, 16), 2, 3), 2 * images - 1),
        "reid_ibn_a": (ReidNetwork(4, 18, "a", 2, 3), images),
        "reid_ibn_b": (ReidNetwork(4, 50, "b", 2, 3), images),
    }


def answers(network, inputs):
    """Everything that the network puts out, as a list of arrays."""
    return [tensor.numpy() for tensor in tf.nest.flatten(network(inputs))]


def main():
    stack = f"keras{keras.__version__.split('.')[0]}"
    rng = np.random.default_rng(2)
    for name, (network, inputs) in networks().items():
        network(inputs)
        arrays = {}
        for weight, variable in named_weights(network).items():
            values = rng.standard_normal(variable.shape)
            is_kernel = weight.endswith("kernel")
            fan_in = max(np.prod(variable.shape[:-1]), 1)
            values = values / fan_in**0.5 if is_kernel else 1 + 0.1 * abs(values)
            variable.assign(values.astype("f4"))
            arrays[weight] = variable.numpy()
        save_arrays(FOLDER / f"{stack}_{name}.safetensors", arrays)
        outputs = {f"{i}": array for i, array in enumerate(answers(network, inputs))}
        save_arrays(FOLDER / f"{stack}_{name}_answers.safetensors", outputs)


if __name__ == "__main__":
    main()
