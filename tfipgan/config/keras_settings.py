"""What a user's own Keras settings would change: KERAS_BACKEND and keras.json."""

import json
import os
from importlib.metadata import version
from pathlib import Path

from tfipgan.errors import ConfigError, shorten

_BACKEND = "tensorflow"


def keras_file() -> Path:
    """Return where Keras reads its settings, a file that need not be there."""
    home = os.environ.get("KERAS_HOME")
    if home is not None:
        return Path(home, "keras.json")
    # As Keras has it: in a container the home folder may be no one's.
    user = os.path.expanduser("~")
    return Path(user if os.access(user, os.W_OK) else "/tmp", ".keras", "keras.json")


def keras_floatx() -> str:
    """Return the number format that layers have by default, by a user's settings.

    Does not import Keras, which fails at its import where the backend is missing.

    Raises:
        ConfigError: the settings ask for another backend than TensorFlow.
    """
    path = keras_file()
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # which Keras passes over too
        content = None
    settings = content if isinstance(content, dict) else {}
    if int(version("keras").split(".")[0]) >= 3:  # Keras 2 has the one backend
        in_environment = os.environ.get("KERAS_BACKEND")
        backend = in_environment or settings.get("backend", _BACKEND)
        if backend != _BACKEND:
            name = "KERAS_BACKEND" if in_environment else f"{path}: backend"
            remedy = "unset it" if in_environment else "change it"
            raise ConfigError(
                f"{name} is {shorten(backend)}, expected {_BACKEND}, which the "
                f"networks are made for: {remedy}, or set KERAS_BACKEND={_BACKEND}"
            )
    return settings.get("floatx", "float32")
