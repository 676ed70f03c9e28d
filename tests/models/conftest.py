"""Golden files: the public networks' answers, and the weights they were given."""

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


@pytest.fixture
def golden():
    """Function of a file's name: (arrays with channels last, PyTorch state dict)."""

    def read(name):
        with np.load(GOLDEN / f"{name}.npz") as file:
            arrays = {
                key.removesuffix("_nchw"): file[key].transpose(0, 2, 3, 1)
                if key.endswith("_nchw")
                else file[key]
                for key in file.files
            }
        return arrays, _state_dict(json.loads(str(arrays.pop("shapes"))))

    return read
