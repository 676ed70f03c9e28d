"""Weights that both sides make from a name and a shape: golden files hold none.

The golden files beside this one are what the public PyTorch networks answer with these
weights; their array `shapes` (JSON) is the state dict, name -> shape.
"""

import zlib

import numpy as np


def reference_weight(name, shape):
    """Return the float32 value of the parameter or buffer `name` in PyTorch's shape."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    values = rng.standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return 1.0 + 0.1 * np.abs(values)
    if name.endswith(("running_mean", "bias")):
        return 0.1 * values
    if len(shape) == 1:  # a normalisation's scale
        return 1.0 + 0.1 * values
    fan_in = int(np.prod(shape[1:]))
    return (values * np.sqrt(1.0 / fan_in)).astype(np.float32)


def state_dict(shapes):
    """Return {name: value} for {name: shape}."""
    return {name: reference_weight(name, shape) for name, shape in shapes.items()}
