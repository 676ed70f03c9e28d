"""TensorProto messages to NumPy arrays and back, as the stock server does it."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

# A few bytes can name a shape of any size, all of it filled with one value. A tensor
# may have so many bytes, or so many times its message's; as int_val a number of one
# byte stands for one of up to eight.
LARGEST_FILLED = 2**26
LARGEST_RATIO = 8
# What an empty string takes, in TensorFlow and as a Python object.
_STRING_BYTES = 64

_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int8: "int_val",
    tf.int16: "int_val",
    tf.int32: "int_val",
    tf.uint8: "int_val",
    tf.uint16: "int_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
}


def read_tensor(proto):
    """Return the array of a message.

    Args:
        proto: a `TensorProto`, its values as tensor_content or in the typed field.

    Returns:
        NumPy array of the message's dtype; strings are bytes in an object array. It
        may be read-only.

    Raises:
        ValueError: the message is no tensor, or one that is much larger than it.
        TypeError: a number for the dtype that TensorFlow doesn't know.
    """
    dtype = tf.dtypes.as_dtype(proto.dtype)
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the shape isn't whole")
    count = math.prod(shape)
    size = count * (dtype.size or _STRING_BYTES)
    if dtype == tf.string and count == len(proto.string_val):
        array = np.empty(count, object)
        array[:] = proto.string_val
        return array.reshape(shape)
    if size > max(LARGEST_FILLED, LARGEST_RATIO * proto.ByteSize()):
        raise ValueError("the tensor is too large")
    content = proto.tensor_content
    if content and dtype in _FIELDS and len(content) == count * dtype.size:
        return np.frombuffer(content, dtype.as_numpy_dtype).reshape(shape)
    # All else, such as one value for all elements, by TensorFlow's own reader.
    try:
        with tf.device("CPU:0"):
            value = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    except tf.errors.OpError as error:
        raise ValueError("not a tensor") from error
    # A scalar comes as bytes or as a number.
    return np.asarray(value, object if dtype == tf.string else None)


def write_tensor(array, dtype, as_content=False):
    """Return the message of an array.

    Args:
        array: NumPy array or scalar, or bytes.
        dtype: its `tf.DType`.
        as_content: numbers as raw bytes, which are faster to read; without, they are
            in the typed field such as float_val, where the stock server has them too.

    Returns:
        `TensorProto`.
    """
    array = np.asarray(array, object if dtype == tf.string else dtype.as_numpy_dtype)
    if dtype != tf.string and (as_content or dtype not in _FIELDS):
        proto = tensor_pb2.TensorProto(tensor_content=array.tobytes())
    else:
        field = "string_val" if dtype == tf.string else _FIELDS[dtype]
        proto = tensor_pb2.TensorProto(**{field: array.ravel().tolist()})
    proto.dtype = dtype.as_datatype_enum
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    return proto
