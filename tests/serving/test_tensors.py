"""TensorProto messages, and the failures' texts."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tfipgan.serving.status import RequestError, first_line, from_tensorflow
from tfipgan.serving.tensors import read_tensor, write_tensor

STRINGS = np.array([[b"", b"\x00\xff"], [b"c", b"d"]], object)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=np.float64),
        np.array([[-1], [2]], np.int32),
        np.array([2**62], np.int64),
        np.array([0, 255], np.uint8),
        np.array([True, False]),
        np.array([1.5, -2], np.float16),
        np.array([2**63], np.uint64),
        np.zeros((0, 3), np.float32),
        np.float32(2.5),
        np.int64(-7),
        STRINGS,
    ],
)
@pytest.mark.parametrize("as_content", [False, True])
def test_there_and_back(array, as_content):
    dtype = tf.dtypes.as_dtype(array.dtype)
    written = write_tensor(array, dtype, as_content)
    for proto in (written, tf.make_tensor_proto(array)):
        read = read_tensor(proto)
        assert read.dtype == array.dtype and read.shape == array.shape
        np.testing.assert_array_equal(read, array)
    # As a client reads it, which knows nothing of this project.
    if array.size:
        np.testing.assert_array_equal(tf.make_ndarray(written), array)


def test_where_numbers_are_written():
    array = np.array([1, 2], np.float32)
    assert list(write_tensor(array, tf.float32).float_val) == [1, 2]
    written = write_tensor(array, tf.float32, as_content=True)
    assert written.tensor_content == array.tobytes() and not written.float_val
    assert write_tensor(b"x", tf.string, as_content=True).string_val == [b"x"]


def test_typed_fields_may_be_short():
    """The last value stands for the rest, as TensorFlow's own reader has it."""
    proto = tensor_pb2.TensorProto(dtype=1, float_val=[1, 2])
    proto.tensor_shape.dim.add().size = 4
    assert read_tensor(proto).tolist() == [1, 2, 2, 2]
    proto = tensor_pb2.TensorProto(dtype=7, string_val=[b"a"])
    proto.tensor_shape.dim.add().size = 2
    assert read_tensor(proto).tolist() == [b"a", b"a"]


def spoilt(**changes):
    proto = tf.make_tensor_proto(np.ones((2, 3), np.float32))
    for name, value in changes.items():
        if name == "size":
            proto.tensor_shape.dim[0].size = value
        elif name == "unknown_rank":
            proto.tensor_shape.unknown_rank = value
        else:
            setattr(proto, name, value)
    return proto


@pytest.mark.parametrize(
    "changes",
    [
        {"size": -1},
        {"size": 3},
        {"size": 1},
        {"size": 2**40},
        {"size": 2**62},
        {"tensor_content": b"x"},
        {"unknown_rank": True},
        {"dtype": 7},
        {"dtype": 20},
        {"dtype": 21},
    ],
)
def test_no_tensor(changes):
    with pytest.raises(ValueError):
        read_tensor(spoilt(**changes))


def test_size_is_bounded(monkeypatch):
    proto = tensor_pb2.TensorProto(dtype=1, float_val=[1])
    proto.tensor_shape.dim.add().size = 6
    monkeypatch.setattr("tfipgan.serving.tensors.LARGEST_RATIO", 0)
    monkeypatch.setattr("tfipgan.serving.tensors.LARGEST_FILLED", 24)
    assert read_tensor(proto).tolist() == [1] * 6
    monkeypatch.setattr("tfipgan.serving.tensors.LARGEST_FILLED", 23)
    with pytest.raises(ValueError, match="too large"):
        read_tensor(proto)


def test_a_scalar_without_a_value():
    for dtype, value in ((7, b""), (1, 0.0)):
        array = read_tensor(tensor_pb2.TensorProto(dtype=dtype))
        assert isinstance(array, np.ndarray) and array.shape == ()
        assert array.tolist() == value


def test_large_ones_by_their_message():
    """Eight bytes a number from one byte each is the most that typed fields grow by."""
    count = 2**24
    proto = tensor_pb2.TensorProto(dtype=9, tensor_content=bytes(8 * count))
    proto.tensor_shape.dim.add().size = count
    assert read_tensor(proto).nbytes == 8 * count
    proto.tensor_shape.dim[0].size = 9 * count
    proto.tensor_content = bytes(count)
    with pytest.raises(ValueError, match="too large"):
        read_tensor(proto)


def test_strings_count_more_than_their_bytes():
    proto = tensor_pb2.TensorProto(dtype=7, string_val=[b"a"])
    proto.tensor_shape.dim.add().size = 2**20
    assert read_tensor(proto).shape == (2**20,)
    proto.tensor_shape.dim[0].size += 1
    with pytest.raises(ValueError, match="too large"):
        read_tensor(proto)


@pytest.mark.parametrize("dtype", [0, 99])
def test_no_dtype(dtype):
    with pytest.raises(TypeError):
        read_tensor(spoilt(dtype=dtype))


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain", "plain"),
        ("Graph execution error:\n\nwhy\n\t [[{{node a}}]]", "why"),
        ("{{function_node __inference_1}} {{function_node b}} why", "why"),
        ("2 root error(s) found.\n  (0) INVALID_ARGUMENT: why\n  (1) X: other", "why"),
        ("Detected at node 'a' defined at:\nwhy", "why"),
        ("", "no message"),
    ],
)
def test_line_that_says_why(message, line):
    error = tf.errors.InvalidArgumentError(None, None, message)
    assert first_line(error) == line
    assert from_tensorflow(error).code is grpc.StatusCode.INVALID_ARGUMENT


def test_text_is_cut_by_bytes():
    code = grpc.StatusCode.NOT_FOUND
    assert RequestError(code, "a" * 1024).text == "a" * 1024
    assert RequestError(code, "a" * 1025).text == "a" * 1024 + "...TRUNCATED"
    assert RequestError(code, "é" * 1000).text == "é" * 512 + "...TRUNCATED"
