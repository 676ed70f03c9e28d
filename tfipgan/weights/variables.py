"""Variables by name: a network's by stable names, an optimiser's by its own order."""

import keras
import numpy as np
import tensorflow as tf

from tfipgan.errors import InputError, first_few, shorten_name
from tfipgan.weights.differences import describe_differences

# What the layers of this project call their variables. Dense layers keep theirs under
# other attributes in Keras 3, so they are asked for by name and not looked up.
_LEAVES = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "p")
_SHOWN = 3


def named_weights(network) -> dict:
    """Return all variables of a built network by the attributes that lead to them.

    Such as "backbone.blocks.0.norms.1.gamma". Keras's own names depend on its version
    and on how often a layer was made in the process; these are the same everywhere, so
    that weights saved under them load in every Keras that the project runs with.
    """
    named: dict = {}
    _collect(network, "", named)
    if {id(v) for v in named.values()} != {id(v) for v in network.variables}:
        raise RuntimeError(
            f"{type(network).__name__} has {len(network.variables)} variables, but "
            f"{len(named)} are found by their layers: a layer hides one"
        )
    return named


def numbered_variables(optimizer) -> dict:
    """Return an optimiser's variables by place and Keras's name for them.

    They differ between Keras 2 and 3, in number too: state saved by these names is for
    the same Keras.
    """
    return {
        f"{place:04d}_{getattr(variable, 'path', variable.name)}": variable
        for place, variable in enumerate(optimizer.variables)
    }


def assign_all(variables: dict, arrays: dict[str, np.ndarray], source: str) -> None:
    """Assign every variable the array of its name, all of them or none.

    Args:
        variables: by name.
        arrays: by name, of the same names, shapes and types, all of them finite.
        source: what the arrays are, for the message.

    Raises:
        InputError: a name too few or too many, another shape or type, a value that is
            NaN or infinite; nothing is assigned.
    """
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    common = [name for name in variables if name in arrays]
    names_by_problem = {
        "of another shape": [
            f"{name} is {arrays[name].shape}, expected {shapes[name]}"
            for name in common
            if arrays[name].shape != shapes[name]
        ],
        "of another type": [
            f"{name} is {arrays[name].dtype}, expected {_type(variables[name])}"
            for name in common
            if arrays[name].dtype != _type(variables[name])
        ],
        "missing": [name for name in variables if name not in arrays],
        "unused": [name for name in arrays if name not in variables],
    }
    if any(names_by_problem.values()):
        found = {name: array.shape for name, array in arrays.items()}
        problems = describe_differences(found, shapes)
        problems += [
            f"{what}: {first_few(map(shorten_name, names), _SHOWN, counted=True)}"
            for what, names in names_by_problem.items()
            if names
        ]
        raise InputError(
            f"{source} does not fit and was not taken: {'; '.join(problems)}"
        )
    broken = [name for name in common if not _is_finite(arrays[name])]
    if broken:
        raise InputError(
            f"{source} has values that are NaN or infinite and was not taken: "
            f"{first_few(map(shorten_name, broken), _SHOWN, counted=True)}; look for a "
            "run that diverged, and take an earlier checkpoint"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _type(variable) -> np.dtype:
    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)


def _is_finite(array: np.ndarray) -> bool:
    return array.dtype.kind in "biu" or bool(np.isfinite(array).all())


def _collect(layer, prefix, named):
    for leaf in _LEAVES:
        variable = getattr(layer, leaf, None)
        if hasattr(variable, "assign"):
            named[prefix + leaf] = variable
    for attribute, value in vars(layer).items():
        if attribute.startswith("_"):
            continue
        if isinstance(value, keras.layers.Layer):
            _collect(value, f"{prefix}{attribute}.", named)
        elif isinstance(value, list | tuple):
            for place, item in enumerate(value):
                if isinstance(item, keras.layers.Layer):
                    _collect(item, f"{prefix}{attribute}.{place}.", named)
