"""Flat files of named arrays, in the safetensors format: nothing in them is run."""

import os
from pathlib import Path

import ml_dtypes  # noqa: F401  (gives NumPy the name "bfloat16", which files may use)
import numpy as np
import safetensors
from safetensors.numpy import save

from tfipgan.errors import InputError


def save_arrays(
    path: str | os.PathLike,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write named arrays and a few words about them; over what is at the path."""
    # The format holds rows in C's order, and takes other ones for it.
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # Not by save_file: its files are for their owner alone, whatever the umask.
    Path(path).write_bytes(save(ordered, metadata))


def load_arrays(
    path: str | os.PathLike,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `save_arrays` or any other writer of the format wrote.

    Returns:
        The arrays and the metadata.

    Raises:
        InputError: not such a file, or a damaged one, or one with a number format that
            NumPy lacks.
        OSError: the file can't be read.
    """
    # The library takes an unreadable file for a missing one.
    with open(path, "rb"):
        pass
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, file.metadata() or {}
    # AttributeError: numbers of 8 bits, which NumPy has no name for.
    except (
        safetensors.SafetensorError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{path} is damaged or not a .safetensors file ({reason}); expected named "
            "arrays, such as float32"
        ) from error
