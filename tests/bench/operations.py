"""How many operations the networks take for an image, counted in their graphs.

python tests/bench/operations.py

A multiplication and an addition are two. Convolutions and matrix products are counted,
which is all but a few hundredths.
"""

import math

import tensorflow as tf
from measure import print_table

from tfipgan.config import BackboneConfig, ReidConfig, load_config
from tfipgan.models import (
    Discriminator,
    Generator,
    PatchDiscriminator,
    SiameseNetwork,
)
from tfipgan.models.from_config import build_reid_network

GAN_SIZE = 128, 64
IDENTITIES = 751


def operations(network, *shapes):
    """Count those of a forward pass of one image."""
    specs = [tf.TensorSpec((1, *shape), tf.float32) for shape in shapes]
    graph = tf.function(network).get_concrete_function(*specs).graph
    return sum(_of_operation(operation) for operation in graph.get_operations())


def _of_operation(operation):
    if operation.type == "Conv2D":
        kernel, positions = operation.inputs[1].shape, operation.outputs[0].shape[:3]
    elif operation.type == "Conv2DBackpropInput":
        # A transposed convolution: each position of its input meets the whole kernel.
        kernel, positions = operation.inputs[1].shape, operation.inputs[2].shape[:3]
    elif operation.type == "MatMul":
        kernel = operation.inputs[1].shape
        positions = operation.inputs[0].shape[:1]
    else:
        return 0
    return 2 * math.prod(kernel) * math.prod(positions)


def parameters(network):
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


def row(name, network, *shapes):
    count = operations(network, *shapes)
    millions = parameters(network) / 1e6
    return [name, f"{count / 1e9:.2f}", f"{millions:.1f}"]


def main():
    image = (*GAN_SIZE, 3)
    rows = []
    for cameras in (8, 1000):
        domains = cameras + 1
        generator = Generator(domains)
        generator((tf.zeros((1, *image)), tf.zeros((1, domains))))
        discriminator = Discriminator(domains, GAN_SIZE)
        discriminator(tf.zeros((1, *image)))
        name = f"G, {cameras} cameras"
        translate = NetworkOfTwo(generator)
        rows.append(row(name, translate, image, (domains,)))
        rows.append(row(f"D, {cameras} cameras", discriminator, image))
    # Of CycleGAN, CamStyle and SPGAN.
    generator = Generator(0, num_blocks=9)
    generator((tf.zeros((1, *image)), tf.zeros((1, 0))))
    rows.append(row("G of CycleGAN", NetworkOfTwo(generator), image, (0,)))
    for name, network in (
        ("D of CycleGAN", PatchDiscriminator(GAN_SIZE)),
        ("SiaNet of SPGAN", SiameseNetwork(GAN_SIZE)),
    ):
        network(tf.zeros((1, *image)))
        rows.append(row(name, network, image))
    semantic = load_config("market_to_duke/semantic").reid
    for name, config in (("D_sem", semantic), ("re-ID network", ReidConfig())):
        network = build_reid_network(BackboneConfig(), config, IDENTITIES)
        rows.append(row(name, network, (*config.image_size, 3)))
    print_table(["", "forward, GFLOP an image", "parameters, millions"], rows)


class NetworkOfTwo:
    """A generator that takes its two inputs as two arguments."""

    def __init__(self, generator):
        self.trainable_variables = generator.trainable_variables
        self._generator = generator

    def __call__(self, images, wanted):
        return self._generator((images, wanted))


if __name__ == "__main__":
    main()
