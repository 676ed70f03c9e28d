"""Weights that one Keras saved load in the other, and the networks answer the same."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tfipgan.files.tensor_file import load_arrays
from tfipgan.weights.variables import assign_all, named_weights

FOLDER = Path(__file__).parent / "golden" / "stacks"

spec = importlib.util.spec_from_file_location("make_stacks", FOLDER / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


@pytest.mark.parametrize("stack", ["keras2", "keras3"])
def test_weights_load_across_stacks(stack):
    for name, (network, inputs) in make.networks().items():
        network(inputs)
        arrays, _ = load_arrays(FOLDER / f"{stack}_{name}.safetensors")
        assign_all(named_weights(network), arrays, name)
        expected, _ = load_arrays(FOLDER / f"{stack}_{name}_answers.safetensors")
        got = make.answers(network, inputs)
        assert len(got) == len(expected)
        for i, array in enumerate(got):
            largest = abs(expected[str(i)]).max()
            assert largest > 1e-3
            np.testing.assert_allclose(array, expected[str(i)], atol=1e-4 * largest)
