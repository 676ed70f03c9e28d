"""One Predict call: its checks, in the stock server's order and words."""

import dataclasses

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tfipgan.serving.status import RequestError
from tfipgan.serving.tensors import read_tensor, write_tensor

DEFAULT_SIGNATURE = "serving_default"
SUPPORTED_METHODS = tuple(
    f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress")
)


@dataclasses.dataclass(frozen=True)
class Call:
    """A checked request: what to run.

    Attributes:
        servable: the `Servable`.
        signature_name: str.
        inputs: {alias: array}.
        outputs: tuple of aliases, sorted.
        rows: size of dimension 0 of all inputs, or None where it is not one size.
    """

    servable: object
    signature_name: str
    inputs: dict
    outputs: tuple
    rows: int | None


def prepare(servable, request):
    """Check a request and decode its tensors.

    Args:
        servable: the `Servable` that the request asks for.
        request: `PredictRequest`.

    Returns:
        `Call`.

    Raises:
        RequestError: what the stock server refuses, with its code and words. Unlike it,
            also a shape that the signature excludes.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise RequestError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f'Serving signature key "{name}" not found.',
        )
    if signature.method_name not in SUPPORTED_METHODS:
        raise RequestError(
            grpc.StatusCode.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{', '.join(SUPPORTED_METHODS)}}}. Was: {signature.method_name}",
        )
    _check_names(signature.inputs, request.inputs)
    inputs = {
        alias: _read_input(alias, info, request.inputs[alias])
        for alias, info in signature.inputs.items()
    }
    outputs = _choose_outputs(signature.outputs, request.output_filter)
    sizes = {array.shape[0] if array.ndim else None for array in inputs.values()}
    rows = sizes.pop() if len(sizes) == 1 else None
    return Call(servable, name, inputs, outputs, rows)


def respond(call, arrays, as_content=False):
    """Return the answer to a call.

    Args:
        call: `Call`.
        arrays: {alias: array} of its outputs.
        as_content: see `write_tensor`.

    Returns:
        `PredictResponse` with the version that answered.
    """
    response = predict_pb2.PredictResponse()
    response.model_spec.name = call.servable.name
    response.model_spec.version.value = call.servable.version
    response.model_spec.signature_name = call.signature_name
    infos = call.servable.signatures[call.signature_name].outputs
    for alias, array in arrays.items():
        dtype = tf.dtypes.as_dtype(infos[alias].dtype)
        response.outputs[alias].CopyFrom(write_tensor(array, dtype, as_content))
    return response


def _check_names(wanted, sent):
    if len(sent) != len(wanted):
        raise _invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({_set(sent)}) != len({_set(wanted)}). "
            f"Sent extra: {_set(set(sent) - set(wanted))}. "
            f"Missing but required: {_set(set(wanted) - set(sent))}."
        )
    for alias in sorted(wanted):
        if alias not in sent:
            raise _invalid(
                f"Signature input alias: {alias}(feed name: {wanted[alias].name}) "
                "not found in request and no default value provided. Inputs expected "
                f"to be in the request {_set(sent)}, or default input alias set: "
            )


def _read_input(alias, info, proto):
    if proto.dtype != info.dtype:
        names = [_dtype_name(number) for number in (info.dtype, proto.dtype)]
        if names[1] is None:
            raise _invalid(f"tensor parsing error: {alias}")
        raise _invalid(f"Expected input {alias} to be {names[0]} but get {names[1]}.")
    try:
        array = read_tensor(proto)
    except (ValueError, TypeError, MemoryError) as error:
        raise _invalid(f"tensor parsing error: {alias}") from error
    expected = tf.TensorShape(info.tensor_shape)
    if not expected.is_compatible_with(array.shape):
        raise _invalid(
            f"Shape of input {alias} {_shape(array.shape)} is not compatible with "
            f"expected shape {_shape(expected.as_list())}."
        )
    return array


def _choose_outputs(known, wanted):
    for place, alias in enumerate(wanted):
        if alias not in known:
            raise _invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_set(known)}."
            )
        if alias in wanted[:place]:
            raise _invalid(f"duplicate output tensor alias: {alias}")
    return tuple(sorted(wanted or known))


def _invalid(text):
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, text)


def _dtype_name(number):
    try:
        return tf.dtypes.as_dtype(number).name
    except TypeError:
        return None


def _shape(sizes):
    return "[" + ",".join("?" if size is None else str(size) for size in sizes) + "]"


def _set(names):
    return "{" + ",".join(sorted(names)) + "}"
