"""Warm-up requests: TensorFlow Serving runs them before it serves a new version."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tfipgan.errors import InputError

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
BATCH_SIZES = (1, 4)
# What TensorFlow Serving plays at most.
MOST_RECORDS = 1000


def write_warmup(
    folder: str | os.PathLike,
    name: str,
    signatures: Mapping,
    image_bytes: bytes,
    camera: int | None = None,
) -> None:
    """Write a request of each batch size for each signature into a SavedModel.

    Args:
        folder: of the SavedModel.
        name: of the model that is served.
        signatures: functions by name; their inputs are image_bytes, images and camera.
        image_bytes: an image file that the network takes.
        camera: a camera that the network takes.
    """
    path = Path(folder) / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(os.fsencode(path)) as records:
        for signature, function in signatures.items():
            for batch_size in BATCH_SIZES:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                for spec in function.input_signature:
                    request.inputs[spec.name].CopyFrom(
                        _tensor(spec, batch_size, image_bytes, camera)
                    )
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                records.write(log.SerializeToString())


def read_warmup(folder: str | os.PathLike) -> Iterator[tuple[str, dict]]:
    """Give (signature, {input: array}) of each warm-up request of a SavedModel."""
    for log in read_warmup_log(folder):
        request = log.predict_log.request
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def read_warmup_log(
    folder: str | os.PathLike,
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Give the warm-up records of a SavedModel, which need not have any.

    Raises:
        InputError: a damaged record, or more than 1000.
    """
    file = Path(folder) / WARMUP_FILE
    if not file.is_file():
        return
    whole = 0
    try:
        for record in tf.data.TFRecordDataset(os.fsencode(file)):
            if whole == MOST_RECORDS:
                raise InputError(
                    f"{file}: the number of warm-up records is above {MOST_RECORDS}; "
                    "keep one for each signature and size"
                )
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            whole += 1
            yield log
    except (tf.errors.DataLossError, DecodeError) as error:
        raise InputError(
            f"{file}: damaged after {whole} warm-up records; export the model again"
        ) from error


def _tensor(spec, batch_size, image_bytes, camera):
    if spec.dtype == tf.string:
        return tf.make_tensor_proto([image_bytes] * batch_size, tf.string)
    # One value stands for all: a batch of pixels would be megabytes.
    value = camera if spec.dtype == tf.int32 else 0.5
    return tf.make_tensor_proto(value, spec.dtype, [batch_size, *spec.shape[1:]])
