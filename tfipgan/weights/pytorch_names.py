"""Networks take the weights of the public PyTorch networks: all of them, or none.

How the names run stands in three functions: `_generator_layers`,
`_discriminator_layers` and `_resnet_layers`.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfipgan.errors import InputError, shorten_name
from tfipgan.models import Discriminator, Generator, ReidNetwork, ResNet
from tfipgan.models.generator import SIZE_MULTIPLE
from tfipgan.models.resnet import BLOCK_COUNTS, BOTTLENECK_DEPTHS

# PyTorch keeps a kernel as (out, in, height, width), we as (height, width, in, out).
# Transposed convolutions have in and out swapped on both sides: the same turn.
TO_OURS = (2, 3, 1, 0)
TO_PYTORCH = (3, 2, 0, 1)


def load_pytorch_state_dict(model, state_dict, ignore=()) -> None:
    """Assign a public network's weights to a network of ours, making its variables.

    Names are those of StarGAN (github.com/yunjey/stargan) for a generator and a
    discriminator, of torchvision and IBN-Net (github.com/XingangPan/IBN-Net) for a
    ResNet. Nothing is assigned unless everything fits.

    Args:
        model: `Generator`, `Discriminator` or `ResNet`, built or not.
        state_dict: mapping of names to arrays of floats of any width, in PyTorch's
            layout; the model keeps float32. `num_batches_tracked` of batch norms, and
            the running statistics of StarGAN's instance norms, are never used: they
            may be there or not and hold anything.
        ignore: tuple of str, beginnings of the names to leave out, such as
            ("fc.",) for the classifier of 1000 classes; never a name the model needs.

    Raises:
        InputError: missing or unexpected names, other shapes, values that are no floats
            or not finite (the message lists every name); another kind of model.
    """
    if not isinstance(state_dict, Mapping):
        raise InputError(
            f"state_dict is a {type(state_dict).__name__}, expected a mapping of "
            "PyTorch's names to arrays"
        )
    prefixes = _prefixes(ignore)
    variables, unused = _variables_and_unused(model)
    values = {}
    faults = {
        "missing": [],
        "unexpected": [
            shorten_name(name)
            for name in state_dict
            if name not in variables
            and name not in unused
            and not str(name).startswith(prefixes)
        ],
        "of another shape": [],
        "not floats": [],
        "not finite": [],
    }
    for name, variable in variables.items():
        if name not in state_dict:
            faults["missing"].append(name)
            continue
        if name.startswith(prefixes):
            faults["missing"].append(f"{name} (left out by ignore)")
            continue
        array = _as_array(state_dict[name])
        shape = _pytorch_shape(variable)
        if array.dtype.kind != "f" and array.dtype != tf.bfloat16.as_numpy_dtype:
            faults["not floats"].append(f"{name} ({array.dtype})")
        elif array.shape != shape:
            faults["of another shape"].append(
                f"{name} (found {array.shape}, expected {shape})"
            )
        else:
            with np.errstate(over="ignore"):
                values[name] = array.astype(np.float32, copy=False)
            if not np.isfinite(values[name]).all():
                faults["not finite"].append(name)
    if any(faults.values()):
        listed = "; ".join(
            f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names
        )
        raise InputError(
            f"the state dict does not fit this {type(model).__name__}, nothing was "
            f"loaded; {listed}; give the weights of the same network, and in ignore "
            "what else they hold, such as a classifier"
        )
    for name, variable in variables.items():
        array = values[name]
        variable.assign(array.transpose(TO_OURS) if array.ndim == 4 else array)


def pytorch_shapes(model) -> dict[str, tuple[int, ...]]:
    """Return {PyTorch name: shape in PyTorch's layout} of all that the model needs.

    Takes what `load_pytorch_state_dict` takes; the model's variables are made.
    """
    variables, _ = _variables_and_unused(model)
    return {name: _pytorch_shape(variable) for name, variable in variables.items()}


def _generator_layers(generator):
    """In `main` a convolution, its norm and ReLU have a place each, a block has one."""
    for option, ours, theirs in (
        ("residual", generator.residual, False),
        ("upsampling", generator.upsampling, "transposed"),
        ("conditioning", generator.conditioning, "planes"),
    ):
        if ours != theirs:
            raise InputError(
                f"the generator has gan.{option} {str(ours).lower()}, public StarGANs "
                f"have {str(theirs).lower()}: build one with that"
            )
    yield "main.0", generator.stem
    yield "main.1", generator.stem_norm
    for i in range(2):
        yield f"main.{3 + 3 * i}", generator.down[i]
        yield f"main.{4 + 3 * i}", generator.down_norms[i]
    for i, block in enumerate(generator.blocks, 9):
        yield f"main.{i}.main.0", block.conv1
        yield f"main.{i}.main.1", block.norm1
        yield f"main.{i}.main.3", block.conv2
        yield f"main.{i}.main.4", block.norm2
    end = 9 + len(generator.blocks)
    for i in range(2):
        yield f"main.{end + 3 * i}", generator.up[i]
        yield f"main.{end + 3 * i + 1}", generator.up_norms[i]
    yield f"main.{end + 6}", generator.to_image


def _discriminator_layers(discriminator):
    """In `main` each convolution is followed by its leaky ReLU."""
    for i, convolution in enumerate(discriminator.down):
        yield f"main.{2 * i}", convolution
    yield "conv1", discriminator.to_source
    yield "conv2", discriminator.to_domain


def _resnet_layers(network):
    """Stacks count from 1, blocks from 0, the layers of a block from 1."""
    yield "conv1", network.stem
    yield "bn1", network.stem_norm
    units = iter(network.blocks)
    for stack, count in enumerate(BLOCK_COUNTS[network.depth], 1):
        for block in range(count):
            unit, place = next(units), f"layer{stack}.{block}"
            layers = zip(unit.convolutions, unit.norms, strict=True)
            for i, (convolution, norm) in enumerate(layers, 1):
                yield f"{place}.conv{i}", convolution
                if hasattr(norm, "instance"):  # the split one of IBN-Net-a
                    yield f"{place}.bn{i}.IN", norm.instance
                    yield f"{place}.bn{i}.BN", norm.batch
                else:
                    yield f"{place}.bn{i}", norm
            if unit.projection is not None:
                yield f"{place}.downsample.0", unit.projection
                yield f"{place}.downsample.1", unit.projection_norm
            if unit.output_norm is not None:  # of IBN-Net-b
                yield f"{place}.IN", unit.output_norm


def _variables_and_unused(model):
    """Return {PyTorch name: variable}, and the names that may be there for nothing."""
    variables, unused = {}, set()
    for name, layer in _layers(model):
        if hasattr(layer, "kernel"):
            variables[f"{name}.weight"] = layer.kernel
            if layer.bias is not None:
                variables[f"{name}.bias"] = layer.bias
            continue
        variables[f"{name}.weight"] = layer.gamma
        variables[f"{name}.bias"] = layer.beta
        running = (f"{name}.running_mean", f"{name}.running_var")
        if hasattr(layer, "moving_mean"):
            variables |= zip(
                running, (layer.moving_mean, layer.moving_variance), strict=True
            )
            unused.add(f"{name}.num_batches_tracked")
        elif isinstance(model, Generator):
            # StarGAN's instance norms track them, IBN-Net's do not.
            unused.update(running, [f"{name}.num_batches_tracked"])
    return variables, unused


def _layers(model):
    """Return (PyTorch name, layer) pairs; makes the model's variables, if need be."""
    if isinstance(model, Generator):
        named, size = _generator_layers, (SIZE_MULTIPLE, SIZE_MULTIPLE)
    elif isinstance(model, Discriminator):
        named, size = _discriminator_layers, model.image_size
    elif isinstance(model, ResNet):
        if model.stride_first and model.depth in BOTTLENECK_DEPTHS:
            # Names and shapes would fit, and the outputs be wrong.
            raise InputError(
                "model has stride_first, which is Keras's ResNet; the public networks "
                "have their stride on the 3x3 convolution: build it without"
            )
        named, size = _resnet_layers, (32, 32)
    else:
        advice = "give its .backbone" if isinstance(model, ReidNetwork) else "give one"
        raise InputError(
            f"model is a {type(model).__name__}, expected a Generator, Discriminator "
            f"or ResNet of tfipgan.models: {advice}"
        )
    if not model.built:
        inputs = tf.zeros((1, *size, 3))
        if isinstance(model, Generator):
            inputs = inputs, tf.zeros((1, model.num_domains))
        with model.distribute_strategy.scope():
            model(inputs)
    return named(model)


def _prefixes(ignore):
    prefixes = (ignore,) if isinstance(ignore, str) else ignore
    if not isinstance(prefixes, tuple | list) or not all(
        isinstance(prefix, str) for prefix in prefixes
    ):
        raise InputError(
            f'ignore is {ignore!r}, expected a tuple of name beginnings like ("fc.",)'
        )
    return tuple(prefixes)


def _as_array(value):
    try:
        return np.asarray(value)
    except (RuntimeError, TypeError, ValueError):  # ragged lists, tensors of a graph
        return np.asarray(None)


def _pytorch_shape(variable):
    shape = tuple(variable.shape)
    return tuple(shape[i] for i in TO_PYTORCH) if len(shape) == 4 else shape
