"""The few messages of TensorFlow Serving's protocol that the client needs.

The classes that tensorflow-serving-api brings import all of TensorFlow, which takes
seconds. Here the same messages are described by their names and numbers, in a pool of
their own so that both can be in one process; unknown fields are skipped, as protocol
buffers do. tests/serving/client/test_client_messages.py compares every field with the
originals (tensorflow_serving/apis/{model,predict,get_model_status}.proto, and
tensorflow/core/framework/{tensor,tensor_shape}.proto).
"""

import math
from collections.abc import Sequence

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tfipgan.errors import InputError

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

# DataType's and ModelVersionStatus.State's numbers.
_FLOAT, _INT32, _STRING = 1, 3, 7
# More than a message's bytes could hold, but for a repeated value.
MAX_VALUES = 2**26
STATES = {
    0: "UNKNOWN",
    10: "START",
    20: "LOADING",
    30: "AVAILABLE",
    40: "UNLOADING",
    50: "END",
}

# Message: {field: (number, type)}. A type with * is repeated, one with {} a map from
# text; enums are int32, which has the same form on the wire.
FIELDS = {
    "Int64Value": {"value": (1, "int64")},
    "Dim": {"size": (1, "int64")},
    "TensorShapeProto": {"dim": (2, "Dim*"), "unknown_rank": (3, "bool")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "float*"),
        "int_val": (7, "int32*"),
        "string_val": (8, "bytes*"),
    },
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {
        "model_spec": (1, "ModelSpec"),
        "inputs": (2, "TensorProto{}"),
        "output_filter": (3, "string*"),
    },
    "PredictResponse": {
        "outputs": (1, "TensorProto{}"),
        "model_spec": (2, "ModelSpec"),
    },
    "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
    "StatusProto": {"error_code": (1, "int32"), "error_message": (2, "string")},
    "ModelVersionStatus": {
        "version": (1, "int64"),
        "state": (2, "int32"),
        "status": (3, "StatusProto"),
    },
    "GetModelStatusResponse": {"model_version_status": (1, "ModelVersionStatus*")},
}
_PACKAGE = "tfipgan.serving"


def _classes():
    """Return {name: message class} of FIELDS."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tfipgan/serving.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in FIELDS
    }


def _add_field(message, name, number, kind):
    field = message.field.add(name=name, number=number)
    repeated = kind.endswith(("*", "{}"))
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind.endswith("{}"):
        # Protocol buffers know a map as pairs of a nested message of this name.
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, kind.removesuffix("{}"))
        kind = f"{message.name}.{entry.name}"
    kind = kind.removesuffix("*")
    if kind[0].isupper():
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")


_CLASSES = _classes()
TensorProto = _CLASSES["TensorProto"]
ModelSpec = _CLASSES["ModelSpec"]
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
GetModelStatusRequest = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse = _CLASSES["GetModelStatusResponse"]


def bytes_tensor(values: Sequence[bytes]):
    """Return a TensorProto of strings, shape (N,)."""
    tensor = TensorProto(dtype=_STRING, string_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    return tensor


def int32_tensor(values: Sequence[int]):
    """Return a TensorProto of int32, shape (N,)."""
    array = np.asarray(values, "<i4")
    tensor = TensorProto(dtype=_INT32, tensor_content=array.tobytes())
    tensor.tensor_shape.dim.add(size=len(array))
    return tensor


def array_of(tensor) -> np.ndarray:
    """Return a TensorProto's array: float32, int32, or bytes (of type object).

    The values lie in `tensor_content`, or in the typed field of which the last one
    stands for all that are missing.

    Raises:
        InputError: another type, too large, or values that don't fill the shape.
    """
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    kinds = {
        _FLOAT: ("<f4", tensor.float_val),
        _INT32: ("<i4", tensor.int_val),
        _STRING: (object, tensor.string_val),
    }
    if tensor.dtype not in kinds:
        raise InputError(
            f"a tensor of DataType {tensor.dtype}, expected 1 (float), 3 (int32) or 7 "
            "(string)"
        )
    dtype, typed = kinds[tensor.dtype]
    size = math.prod(shape)
    if size > MAX_VALUES or any(side < 0 for side in shape):
        raise InputError(
            f"a tensor of shape {shape}; expected sizes that an answer can have"
        )
    if tensor.tensor_content and dtype is not object:
        if len(tensor.tensor_content) != 4 * size:
            raise InputError(f"{len(tensor.tensor_content)} bytes for shape {shape}")
        values = np.frombuffer(tensor.tensor_content, dtype)
    else:
        values = np.empty(len(typed), dtype)
        values[:] = typed
        if len(typed) > size or (size and not len(typed)):
            raise InputError(f"{len(typed)} values for shape {shape}")
        if len(typed) < size:
            values = np.concatenate([values, values[-1:].repeat(size - len(typed))])
    return values.reshape(shape)
