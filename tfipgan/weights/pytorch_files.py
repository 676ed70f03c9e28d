"""Checkpoint files of PyTorch networks, read as named arrays and never run."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfipgan.errors import InputError, shorten_name
from tfipgan.files.tensor_file import load_arrays

# .ckpt is StarGAN's, .tar the one of older IBN-Net and torchreid files.
PYTORCH_ENDINGS = (".pth", ".pt", ".tar", ".bin", ".ckpt")

# Training scripts save the weights under one of these, beside the epoch and so on.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
# What torch.nn.DataParallel puts before every name.
_PARALLEL = "module."

logger = logging.getLogger(__name__)


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the names and arrays of a checkpoint, in PyTorch's layout.

    Args:
        path: a .safetensors file, or one that torch.save wrote (.pth, .pt, .tar, .bin,
            .ckpt); those need PyTorch, which is asked for weights only.

    Returns:
        {name: array}. Weights inside a training script's dict are taken out of it, and
        "module." is taken off if every name begins with it; both are logged.

    Raises:
        InputError: another ending; damaged; more than weights; PyTorch is not there.
        OSError: the file can't be read.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        state = load_arrays(path)[0]
    elif path.suffix in PYTORCH_ENDINGS:
        state = _read_pickled(path)
    else:
        raise InputError(
            f"{path} ends in {path.suffix or 'nothing'}, expected .safetensors or one "
            f"of {', '.join(PYTORCH_ENDINGS)}"
        )
    if not state:
        raise InputError(f"{path} holds no arrays, expected a network's weights")
    if all(name.startswith(_PARALLEL) for name in state):
        logger.info("%r is taken off every name of %s", _PARALLEL, path)
        state = {name.removeprefix(_PARALLEL): state[name] for name in state}
    return state


def _read_pickled(path):
    with open(path, "rb"):  # a file that isn't there needs no PyTorch
        pass
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path} was written by PyTorch, which is not installed here: pip install "
            "torch, or save it where PyTorch is as .safetensors "
            "(safetensors.torch.save_file)"
        ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # Not narrower: torn files end in whatever the unpickler stumbles over.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"{path} can't be read as weights only ({reason}); expected a state dict "
            "that torch.save wrote"
        ) from error
    state = _unwrapped(path, content)
    return {str(name): _as_array(path, name, state[name]) for name in state}


def _unwrapped(path, content):
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path} holds a {type(content).__name__}, expected a state dict"
        )
    for key in _WRAPPERS:
        if isinstance(content.get(key), Mapping):
            others = ", ".join(shorten_name(other) for other in content if other != key)
            logger.info("%s: %s is read, %s is not", path, key, others or "nothing")
            return content[key]
    return content


def _as_array(path, name, value):
    try:
        if not hasattr(value, "detach"):
            return np.asarray(value)
        value = value.detach()
        # NumPy has no bfloat16 of its own.
        return (value.float() if value.is_floating_point() else value).numpy()
    # Not narrower: sparse tensors, quantised ones, ragged lists.
    except Exception as error:
        raise InputError(
            f"{path}: {shorten_name(name)} is no plain array "
            f"({shorten_name(str(error))}); expected a state dict of dense tensors"
        ) from error
