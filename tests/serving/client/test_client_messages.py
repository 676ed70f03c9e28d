"""The client's own messages and tensors are those of the protocol."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2 as status_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2

from tfipgan.errors import InputError
from tfipgan.serving import (
    client_messages,
)


def test_the_messages_are_those_of_the_protocol():
    originals = {
        "Int64Value": model_pb2.ModelSpec.DESCRIPTOR.fields_by_name["version"],
        "TensorProto": predict_pb2.PredictRequest().inputs["x"].DESCRIPTOR,
        "ModelSpec": model_pb2.ModelSpec.DESCRIPTOR,
        "PredictRequest": predict_pb2.PredictRequest.DESCRIPTOR,
        "PredictResponse": predict_pb2.PredictResponse.DESCRIPTOR,
        "GetModelStatusRequest": status_pb2.GetModelStatusRequest.DESCRIPTOR,
        "GetModelStatusResponse": status_pb2.GetModelStatusResponse.DESCRIPTOR,
        "ModelVersionStatus": status_pb2.ModelVersionStatus.DESCRIPTOR,
    }
    originals["Int64Value"] = originals["Int64Value"].message_type
    shape = originals["TensorProto"].fields_by_name["tensor_shape"].message_type
    originals["TensorShapeProto"] = shape
    originals["Dim"] = shape.fields_by_name["dim"].message_type
    status = originals["ModelVersionStatus"].fields_by_name["status"]
    originals["StatusProto"] = status.message_type
    assert originals.keys() == client_messages.FIELDS.keys()
    for name, original in originals.items():
        ours = client_messages._CLASSES[name].DESCRIPTOR
        for field in ours.fields:
            theirs = original.fields_by_name[field.name]
            assert field.number == theirs.number
            assert is_repeated(field) == is_repeated(theirs)
            # An enum has the same form as int32.
            assert field.type == (5 if theirs.type == 14 else theirs.type), field.name
            if field.message_type is not None:
                entry = field.message_type.GetOptions().map_entry
                assert entry == theirs.message_type.GetOptions().map_entry
                assert entry or field.message_type.name == theirs.message_type.name


def is_repeated(field):
    # protobuf 4, of the older TensorFlow, has the label only.
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == 3


def test_a_query_imports_no_tensorflow():
    code = (
        "import sys, tfipgan.serving.client_translation, tfipgan.cli.main\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.full((2, 3), 7, np.float32),
        np.array([[1, -2, 3]], np.int32),
        np.array([b"a", b"", b"\xff\0"], object),
        np.array([[b"ab"] * 3] * 2, object),
        np.zeros((0, 4), np.float32),
        np.zeros((0,), object),
    ],
)
def test_tensors_as_tensorflow_reads_and_writes_them(array):
    theirs = tf.make_tensor_proto(array)
    typed = tf.make_tensor_proto(array.tolist(), theirs.dtype, array.shape)
    for proto in (theirs, typed):
        ours = client_messages.TensorProto.FromString(proto.SerializeToString())
        found = client_messages.array_of(ours)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_what_the_client_packs():
    theirs = type(tf.make_tensor_proto(1))
    for tensor, dtype, values in (
        (client_messages.bytes_tensor([b"x", b"\xff"]), tf.string, [b"x", b"\xff"]),
        (client_messages.int32_tensor([3, -1]), tf.int32, [3, -1]),
        (client_messages.bytes_tensor([]), tf.string, []),
        (client_messages.int32_tensor([]), tf.int32, []),
    ):
        proto = theirs.FromString(tensor.SerializeToString())
        assert proto.dtype == dtype.as_datatype_enum
        assert tf.make_ndarray(proto).tolist() == values


def test_the_last_value_stands_for_those_that_are_missing():
    tensor = client_messages.TensorProto(dtype=1, float_val=[1, 2])
    tensor.tensor_shape.dim.add(size=4)
    assert client_messages.array_of(tensor).tolist() == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dtype": 2}, "DataType 2"),
        ({"dtype": 1, "tensor_content": b"1234"}, "4 bytes for shape"),
        ({"dtype": 1, "float_val": [1, 2, 3]}, "3 values for shape"),
        ({"dtype": 7}, "0 values for shape"),
    ],
)
def test_tensors_that_make_no_sense(fields, words):
    tensor = client_messages.TensorProto(**fields)
    tensor.tensor_shape.dim.add(size=2)
    with pytest.raises(InputError, match=words):
        client_messages.array_of(tensor)


@pytest.mark.parametrize("shape", [(-1, -1), (2**40,), (2**20, 2**20)])
def test_sizes_that_no_answer_has(shape):
    tensor = client_messages.TensorProto(dtype=1, float_val=[1])
    for side in shape:
        tensor.tensor_shape.dim.add(size=side)
    with pytest.raises(InputError, match="a tensor of shape"):
        client_messages.array_of(tensor)
