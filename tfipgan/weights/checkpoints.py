"""Checkpoint folders: a network's weights as a flat file, and the optimisers' state.

RUN/checkpoints/step-00000140/generator.safetensors    a file for each network
RUN/checkpoints/step-00000140/optimizers.safetensors   what only training needs
RUN/checkpoints/step-00000140/arrays.safetensors       state of the training's method

Each file holds a digest of its contents and the names of all files of its checkpoint,
so that damage is found before anything is loaded. Networks load in every Keras that the
project runs with. Optimisers don't: Keras 2 and 3 keep other variables.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_folder, remove_folder
from tfipgan.files.tensor_file import load_arrays, save_arrays
from tfipgan.weights.local_copies import local_copies
from tfipgan.weights.variables import assign_all, named_weights, numbered_variables

KEPT = 3

_NAME = re.compile(r"step-(\d{8,})")
_OPTIMIZERS, _ARRAYS = "optimizers", "arrays"
_DIGEST, _FILES, _NOTES = "sha256", "files", "notes"

logger = logging.getLogger(__name__)


class DamagedCheckpoint(InputError):
    """Files that are not what was saved: cut short, changed or missing."""


def save_checkpoint(
    folder: Path,
    step: int,
    networks: dict,
    optimizers: dict | None = None,
    *,
    arrays: Mapping[str, np.ndarray] | None = None,
    notes: str = "",
    kept: int | None = KEPT,
) -> Path:
    """Write a checkpoint, whole or not at all, and remove all but the last few.

    Args:
        folder: of the run's checkpoints.
        step: int, steps done.
        networks, optimizers: what to save, by name.
        arrays: more of the training's state, of any shapes.
        notes: more of the training's state, kept with the optimisers'.
        kept: how many to keep; None keeps all.

    Returns:
        The checkpoint's own folder.
    """
    kinds = {_OPTIMIZERS: optimizers, _ARRAYS: arrays}
    names = sorted([*networks, *(name for name, existing in kinds.items() if existing)])
    about = {
        "step": str(step),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        _FILES: " ".join(names),
    }
    path = folder / f"step-{step:08d}"
    with atomic_folder(path) as temporary:
        for name, network in networks.items():
            _write(_file(temporary, name), _values(named_weights(network)), about)
        if optimizers:
            more = {_NOTES: notes} if notes else {}
            state = _values(_state(optimizers))
            _write(_file(temporary, _OPTIMIZERS), state, about | more)
        if arrays:
            _write(_file(temporary, _ARRAYS), arrays, about)
    if kept is not None:
        for old in list_checkpoints(folder)[:-kept]:
            remove_folder(old)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints' folders in the order of their steps, damaged ones too."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=checkpoint_step)


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the last checkpoint's folder, or None; it may be damaged."""
    existing = list_checkpoints(folder)
    return existing[-1] if existing else None


def intact_checkpoint(folder: Path, *, set_aside: bool = False) -> Path | None:
    """Return the last checkpoint that is whole, None if there is none at all.

    Each damaged one that it goes back behind is a warning in the log.

    Args:
        folder: of the run's checkpoints.
        set_aside: whether damaged ones get another name, such as
            damaged-step-00000140; for who is alone in the folder.

    Raises:
        InputError: all there are are damaged.
    """
    damaged: list[tuple[Path, DamagedCheckpoint]] = []
    for path in reversed(list_checkpoints(folder)):
        try:
            _check(path)
        except DamagedCheckpoint as error:
            damaged.append((path, error))
            continue
        for bad, error in damaged:
            kept = f", kept as {_set_aside(bad).name}" if set_aside else ""
            logger.warning("%s%s; going back to %s", error, kept, path.name)
        return path
    if damaged:
        raise InputError(
            f"{folder} has no checkpoint that is whole; of its {len(damaged)} the last "
            f"is damaged so: {damaged[0][1]}; restore one from a copy, or train anew"
        )
    return None


def checkpoint_step(checkpoint: Path) -> int:
    """Return after how many steps it was saved."""
    return int(_NAME.fullmatch(checkpoint.name)[1])


def load_network(checkpoint: Path, name: str, network) -> None:
    """Give a network the weights that were saved under the name.

    Raises:
        DamagedCheckpoint: the file is damaged.
        InputError: there is none, or it is of another network.
    """
    path = _file(checkpoint, name)
    if not path.is_file():
        existing = ", ".join(sorted(p.stem for p in checkpoint.glob("*.safetensors")))
        raise InputError(f"{checkpoint} has no {name}, only {existing or 'nothing'}")
    assign_all(local_copies(named_weights(network)), _read(path)[0], str(path))


def load_optimizers(checkpoint: Path, optimizers: dict) -> str:
    """Give the optimisers the state that the same Keras saved; return the notes.

    Raises:
        DamagedCheckpoint: the file is damaged.
        InputError: there is none, or another Keras saved it, or it is of others.
    """
    path = _file(checkpoint, _OPTIMIZERS)
    if not path.is_file():
        raise InputError(
            f"{checkpoint} has no optimisers' state, so no training can go on from it"
        )
    arrays, about = _read(path)
    theirs, ours = about.get("keras", "unknown"), keras.__version__
    if theirs.partition(".")[0] != ours.partition(".")[0]:
        raise InputError(
            f"{path} was saved by Keras {theirs}, this is Keras {ours}: network "
            "weights load across the two, but optimiser state and exact resume are "
            "promised within a stack; go on in the environment that it was trained in, "
            "or start a new run from its weights"
        )
    assign_all(local_copies(_state(optimizers)), arrays, str(path))
    return about.get(_NOTES, "")


def load_checkpoint_arrays(checkpoint: Path) -> dict[str, np.ndarray]:
    """Return the arrays that were saved beside networks and optimisers; {} if none.

    Raises:
        DamagedCheckpoint: the file is damaged.
    """
    path = _file(checkpoint, _ARRAYS)
    return _read(path)[0] if path.is_file() else {}


def _check(checkpoint):
    """Raise DamagedCheckpoint unless every file is there and as it was saved."""
    files = sorted(checkpoint.glob("*.safetensors"))
    if not files:
        raise DamagedCheckpoint(f"{checkpoint} is damaged (it is empty)")
    for path in files:
        _, about = _read(path)
        # Checkpoints of earlier versions have no list.
        for name in about.get(_FILES, "").split():
            if not _file(checkpoint, name).is_file():
                raise DamagedCheckpoint(
                    f"{checkpoint} is damaged ({name}.safetensors is missing)"
                )


def _set_aside(checkpoint):
    """Rename a damaged checkpoint to something that can't be taken for one."""
    number = 1
    while True:
        more = f"-{number}" if number > 1 else ""
        path = checkpoint.with_name(f"damaged-{checkpoint.name}{more}")
        if not path.exists():
            return checkpoint.rename(path)
        number += 1


def _values(variables):
    return {name: copy.numpy() for name, copy in local_copies(variables).items()}


def _write(path, arrays, about):
    save_arrays(path, arrays, {**about, _DIGEST: _digest(arrays, about)})


def _read(path):
    """Return arrays and words of a file that is as it was saved, as far as it tells."""
    try:
        arrays, about = load_arrays(path)
    except PermissionError:
        raise
    except (InputError, OSError) as error:
        raise DamagedCheckpoint(str(error)) from error
    # Files of earlier versions, and of others, have no digest.
    expected = about.get(_DIGEST)
    if expected is not None and expected != _digest(arrays, about):
        raise DamagedCheckpoint(
            f"{path} is damaged (its values are not those of its checksum)"
        )
    return arrays, about


def _digest(arrays: dict[str, np.ndarray], about: dict[str, str]) -> str:
    """Return the SHA-256 of named arrays and of the words about them."""
    digest = hashlib.sha256()

    def add(parts: Iterable[object]) -> None:
        digest.update("\0".join(map(str, parts)).encode() + b"\n")

    for key in sorted(about.keys() - {_DIGEST}):
        add((key, about[key]))
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        add((name, values.dtype, arrays[name].shape))
        digest.update(values.reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _file(checkpoint, name):
    return checkpoint / f"{name}.safetensors"


def _state(optimizers):
    return {
        f"{owner}/{name}": variable
        for owner, optimizer in optimizers.items()
        for name, variable in numbered_variables(optimizer).items()
    }
