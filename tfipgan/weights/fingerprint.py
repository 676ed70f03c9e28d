"""Fingerprints of all that the outputs of a network for image files depend on."""

import hashlib
import json
from collections.abc import Sequence

import PIL
import tensorflow as tf

from tfipgan import __version__
from tfipgan.data.filenames import Sample
from tfipgan.data.samples_digest import samples_digest
from tfipgan.weights.variables import named_weights


def fingerprint(samples: Sequence[Sample], *networks) -> dict[str, str]:
    """Return texts or hashes of all that the outputs depend on, by name.

    The names are "network", "images" and "versions". Files are identified as by
    `samples_digest`. With the same fingerprint and the same batches the outputs are the
    same, to the last bit on a CPU.

    Raises:
        OSError: a file is gone.
    """
    # Keras numbers the networks of a process in their names.
    configs = [json.dumps({**n.get_config(), "name": None}) for n in networks]
    decisive = "\n".join([*configs, weights_digest(*networks)])
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return {
        "network": hashlib.sha256(decisive.encode()).hexdigest(),
        "images": samples_digest(samples),
        "versions": f"tfipgan {__version__}, TensorFlow {tf.__version__} on {device}, "
        f"Pillow {PIL.__version__}",
    }


def weights_digest(*networks) -> str:
    """Return the SHA-256 of the networks' weights, the same under every Keras."""
    digest = hashlib.sha256()
    for network in networks:
        for name, variable in named_weights(network).items():
            values = variable.numpy()
            digest.update(f"{name}\0{values.dtype}\0{values.shape}\n".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()
