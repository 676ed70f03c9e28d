"""Loads the public networks' weights, by their PyTorch names, into ours."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


def _state_dict(shapes):
    spec = importlib.util.spec_from_file_location("weights", GOLDEN / "weights.py")
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    return weights.state_dict(shapes)


class StateDict(dict):
    """{PyTorch name: array}; assigns to our layers and knows which ones are left."""

    def __init__(self, values):
        super().__init__(values)
        self.left = {
            name
            for name in values
            if not name.startswith(("fc.", "classifier."))
            and not name.endswith("num_batches_tracked")
        }

    def take(self, name):
        self.left.discard(name)
        return self[name]

    def convolution(self, layer, name):
        # out, in, height, width; a transposed one in, out, ...: the same turn for both
        layer.kernel.assign(self.take(f"{name}.weight").transpose(2, 3, 1, 0))
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(self.take(f"{name}.bias"))

    def norm(self, layer, name):
        if hasattr(layer, "instance"):
            self.norm(layer.instance, f"{name}.IN")
            self.norm(layer.batch, f"{name}.BN")
            return
        layer.gamma.assign(self.take(f"{name}.weight"))
        layer.beta.assign(self.take(f"{name}.bias"))
        if hasattr(layer, "moving_mean"):
            layer.moving_mean.assign(self.take(f"{name}.running_mean"))
            layer.moving_variance.assign(self.take(f"{name}.running_var"))
        else:  # StarGAN's instance normalisation keeps them too, and reads them never
            self.left -= {f"{name}.running_mean", f"{name}.running_var"}


def _load_generator(generator, state):
    pairs = [(generator.stem, generator.stem_norm)]
    pairs += zip(generator.down, generator.down_norms, strict=True)
    pairs += [(block, None) for block in generator.blocks]
    pairs += zip(generator.up, generator.up_norms, strict=True)
    place = 0
    for layer, norm in pairs:
        if norm is None:
            for ours, index in ((1, 0), (2, 3)):
                name = f"main.{place}.main."
                state.convolution(getattr(layer, f"conv{ours}"), f"{name}{index}")
                state.norm(getattr(layer, f"norm{ours}"), f"{name}{index + 1}")
            place += 1
        else:
            state.convolution(layer, f"main.{place}")
            state.norm(norm, f"main.{place + 1}")
            place += 3
    state.convolution(generator.to_image, f"main.{place}")


def _load_discriminator(discriminator, state):
    for i, layer in enumerate(discriminator.down):
        state.convolution(layer, f"main.{2 * i}")
    state.convolution(discriminator.to_source, "conv1")
    state.convolution(discriminator.to_domain, "conv2")


def _load_resnet(network, state):
    state.convolution(network.stem, "conv1")
    state.norm(network.stem_norm, "bn1")
    for unit in network.blocks:
        stack, block = unit.name.removeprefix("stack").split("_block")
        name = f"layer{stack}.{block}."
        for i, convolution in enumerate(unit.convolutions):
            state.convolution(convolution, f"{name}conv{i + 1}")
            state.norm(unit.norms[i], f"{name}bn{i + 1}")
        if unit.projection is not None:
            state.convolution(unit.projection, f"{name}downsample.0")
            state.norm(unit.projection_norm, f"{name}downsample.1")
        if unit.output_norm is not None:
            state.norm(unit.output_norm, f"{name}IN")


@pytest.fixture
def golden():
    """Function of a file's name: (arrays with channels last, load(built network))."""

    def read(name):
        with np.load(GOLDEN / f"{name}.npz") as file:
            arrays = {
                key.removesuffix("_nchw"): file[key].transpose(0, 2, 3, 1)
                if key.endswith("_nchw")
                else file[key]
                for key in file.files
            }
        state = StateDict(_state_dict(json.loads(str(arrays.pop("shapes")))))

        def load(network):
            loaders = {
                "Generator": _load_generator,
                "Discriminator": _load_discriminator,
                "ResNet": _load_resnet,
            }
            loaders[type(network).__name__](network, state)
            assert not state.left, f"weights that went nowhere: {sorted(state.left)}"

        return arrays, load

    return read
