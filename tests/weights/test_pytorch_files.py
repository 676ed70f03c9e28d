"""Checkpoint files of PyTorch networks; PyTorch itself is played by a stand-in here.

Where PyTorch is installed the last test writes and reads a file with it.
"""

import logging
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.files.tensor_file import save_arrays
from tfipgan.weights.pytorch_files import PYTORCH_ENDINGS, read_state_dict

ARRAYS = {
    "conv1.weight": np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1),
    "fc.bias": np.ones(2, np.float16),
    "bn1.num_batches_tracked": np.array(7),
}


class Tensor:
    """As much of torch.Tensor as is asked for; NumPy can't take it before detach()."""

    def __init__(self, array, detached=False):
        self.array, self.detached = array, detached

    def __array__(self, *args, **kwargs):
        raise RuntimeError("a tensor that needs its gradient")

    def detach(self):
        return Tensor(self.array, detached=True)

    def is_floating_point(self):
        return self.array.dtype.kind == "f"

    def float(self):
        return Tensor(self.array.astype(np.float32), self.detached)

    def numpy(self):
        assert self.detached
        return self.array


TENSORS = {name: Tensor(array) for name, array in ARRAYS.items()}


@pytest.fixture
def torch(monkeypatch):
    """A PyTorch whose load gives `content`, or raises it."""

    def load(path, map_location, weights_only):
        assert (map_location, weights_only) == ("cpu", True)
        if isinstance(stand_in.content, Exception):
            raise stand_in.content
        return stand_in.content

    stand_in = SimpleNamespace(load=load, content=None)
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    return stand_in


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"whatever")
    return path


def assert_read(state, dtype=None):
    assert state.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(state[name], array)


def refused(path, expected):
    with pytest.raises(InputError, match=expected) as error:
        read_state_dict(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_safetensors_need_no_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    assert_read(read_state_dict(str(tmp_path / "a.safetensors")))


@pytest.mark.parametrize("ending", PYTORCH_ENDINGS)
def test_files_of_pytorch(torch, tmp_path, ending):
    torch.content = TENSORS
    path = tmp_path / f"net{ending}"
    path.touch()
    state = read_state_dict(path)
    assert_read(state)
    # NumPy has no bfloat16, so all floats are widened.
    assert state["fc.bias"].dtype == np.float32
    assert state["bn1.num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_what_a_training_script_saves(torch, path, key, caplog):
    parallel = {f"module.{name}": tensor for name, tensor in TENSORS.items()}
    torch.content = {"epoch": 3, key: parallel}
    with caplog.at_level(logging.INFO, "tfipgan"):
        assert_read(read_state_dict(path))
    assert f"{key} is read, epoch is not" in caplog.text
    assert "'module.' is taken off every name" in caplog.text
    # Not off some.
    torch.content = {"module.a": TENSORS["fc.bias"], "b": TENSORS["fc.bias"]}
    assert read_state_dict(path).keys() == {"module.a", "b"}


def test_what_is_no_tensor_is_kept_for_the_list_of_names(torch, path):
    torch.content = {**TENSORS, "epoch": 3}
    assert read_state_dict(path)["epoch"] == 3


def test_what_can_be_no_array(torch, path):
    class Sparse(Tensor):
        def detach(self):
            return self

        def numpy(self):
            raise TypeError("can't convert a sparse tensor\nmore")

    for value in (Sparse(np.ones(2)), [[1], [2, 3]]):
        torch.content = {"a": TENSORS["fc.bias"], "b\n": value}
        refused(path, r"'b\\n' is no plain array \(.*; expected a state dict of dense")


def test_pytorch_is_not_there(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(path, r"not installed here: pip install torch, or save it .*\.safetensors")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pickle.UnpicklingError("Weights only load failed.\nmore"), r"failed\.\); exp"),
        (RuntimeError("PytorchStreamReader failed"), r"only \(PytorchStreamReader"),
        (EOFError(), r"\(EOFError\)"),
        ([1, 2], "holds a list, expected a state dict"),
        ({}, "holds no arrays"),
        ({"state_dict": {}}, "holds no arrays"),
    ],
)
def test_what_is_not_a_state_dict(torch, path, content, expected):
    torch.content = content
    refused(path, expected)


@pytest.mark.parametrize(("name", "ending"), [("net.h5", r"\.h5"), ("net", "nothing")])
def test_another_ending(tmp_path, name, ending):
    (tmp_path / name).touch()
    refused(tmp_path / name, rf"ends in {ending}, expected \.safetensors or one of \.p")


def test_no_such_file(tmp_path, torch):
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(FileNotFoundError, match=name):
            read_state_dict(tmp_path / name)


def test_with_pytorch_itself(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    parameter = torch.nn.Parameter(torch.arange(3.0))
    tensors = {"a": parameter, "b": torch.tensor([1.5], dtype=torch.bfloat16)}
    torch.save({"state_dict": tensors, "epoch": 2}, tmp_path / "net.pth")
    state = read_state_dict(tmp_path / "net.pth")
    np.testing.assert_array_equal(state["a"], [0, 1, 2])
    np.testing.assert_array_equal(state["b"], [1.5])
    (tmp_path / "net.pth").write_bytes(b"torn")
    refused(tmp_path / "net.pth", "can't be read as weights only")
    torch.save({"a": tmp_path}, tmp_path / "net.pth")
    refused(tmp_path / "net.pth", "can't be read as weights only")
