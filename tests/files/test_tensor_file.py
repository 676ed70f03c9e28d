"""Flat files of arrays: what is written is read, the rest is an error in a line."""

import json
import struct

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.files.tensor_file import load_arrays, save_arrays


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "every.second": np.arange(6, dtype=np.float16)[::2],
        "scalar": np.array(7, np.int64),
        "none": np.zeros((0, 4), np.float32),
    }
    save_arrays(tmp_path / "a", arrays, {"step": "3"})
    got, about = load_arrays(tmp_path / "a")
    assert about == {"step": "3"}
    assert got.keys() == arrays.keys()
    for name, array in arrays.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array, strict=True)
    save_arrays(tmp_path / "a", {"other": np.ones(1)})
    assert load_arrays(tmp_path / "a")[1] == {}


def test_files_are_for_whom_the_user_says(tmp_path):
    (tmp_path / "other").touch()
    save_arrays(tmp_path / "a", {"x": np.ones(1)})
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def file_of(dtype, data):
    entry = {"dtype": dtype, "shape": [2], "data_offsets": [0, len(data)]}
    header = json.dumps({"x": entry}).encode()
    return struct.pack("<Q", len(header)) + header + data


def test_bfloat16(tmp_path):
    # The upper halves of 1.0 and -2.5 in float32.
    (tmp_path / "a").write_bytes(file_of("BF16", bytes.fromhex("803f20c0")))
    array = load_arrays(tmp_path / "a")[0]["x"]
    np.testing.assert_array_equal(array.astype(np.float32), [1.0, -2.5])


def test_what_is_not_such_a_file(tmp_path):
    save_arrays(tmp_path / "whole", {"a": np.ones(100, np.float32)})
    whole = (tmp_path / "whole").read_bytes()
    for content in (
        b"",
        b"not at all",
        whole[:9],
        whole[:-1],
        bytes(8),
        file_of("F7", b""),
        file_of("F8_E4M3", b"12"),
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a .safetensors file") as error:
            load_arrays(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_can_not_be_opened(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(OSError, match=str(tmp_path)):
            load_arrays(path)
