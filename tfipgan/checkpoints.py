"""Checkpoint folders: a network's weights as a flat file, and the optimisers' state.

RUN/checkpoints/step-00000140/generator.safetensors    a file for each network
RUN/checkpoints/step-00000140/optimizers.safetensors   what only training needs

Networks load in every Keras that the project runs with. Optimisers don't: Keras 2 and 3
keep other variables.
"""

import re
import shutil
from pathlib import Path

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.output_file import folder_written_aside
from tfipgan.tensor_file import load_arrays, save_arrays
from tfipgan.variables import assign_all, named_weights, numbered_variables

KEPT = 3

_NAME = re.compile(r"step-(\d{8,})")
_OPTIMIZERS = "optimizers"


def save_checkpoint(
    folder: Path, step: int, networks: dict, optimizers: dict | None = None
) -> Path:
    """Write a checkpoint, whole or not at all, and remove all but the last three.

    Args:
        folder: of the run's checkpoints.
        step: int, steps done.
        networks, optimizers: what to save, by name.

    Returns:
        The checkpoint's own folder.
    """
    about = {
        "step": str(step),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }
    path = folder / f"step-{step:08d}"
    with folder_written_aside(path) as aside:
        for name, network in networks.items():
            arrays = _values(named_weights(network))
            save_arrays(_file(aside, name), arrays, about)
        if optimizers:
            state = _values(_state(optimizers))
            save_arrays(_file(aside, _OPTIMIZERS), state, about)
    for old in _checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)
    return path


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the last checkpoint's folder, or None if there is none."""
    there = _checkpoints(folder)
    return there[-1] if there else None


def checkpoint_step(checkpoint: Path) -> int:
    """Return after how many steps it was saved."""
    return int(_NAME.fullmatch(checkpoint.name)[1])


def load_network(checkpoint: Path, name: str, network) -> None:
    """Give a network the weights that were saved under the name.

    Raises:
        InputError: none were, or a damaged file, or those of another network.
    """
    path = _file(checkpoint, name)
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in checkpoint.glob("*.safetensors")))
        raise InputError(f"{checkpoint} has no {name}, only {there or 'nothing'}")
    assign_all(named_weights(network), load_arrays(path)[0], str(path))


def load_optimizers(checkpoint: Path, optimizers: dict) -> None:
    """Give the optimisers the state that was saved, by the same Keras.

    Raises:
        InputError: it was saved by another Keras, or is damaged or of others.
    """
    path = _file(checkpoint, _OPTIMIZERS)
    arrays, about = load_arrays(path)
    theirs, ours = about.get("keras", "unknown"), keras.__version__
    if theirs.partition(".")[0] != ours.partition(".")[0]:
        raise InputError(
            f"{path} was saved by Keras {theirs}, this is Keras {ours}: network "
            "weights load across the two, but optimiser state and exact resume are "
            "promised within a stack; go on in the environment that it was trained in, "
            "or start a new run from its weights"
        )
    assign_all(_state(optimizers), arrays, str(path))


def _checkpoints(folder):
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=checkpoint_step)


def _file(checkpoint, name):
    return checkpoint / f"{name}.safetensors"


def _state(optimizers):
    return {
        f"{owner}/{name}": variable
        for owner, optimizer in optimizers.items()
        for name, variable in numbered_variables(optimizer).items()
    }


def _values(variables):
    return {name: variable.numpy() for name, variable in variables.items()}
