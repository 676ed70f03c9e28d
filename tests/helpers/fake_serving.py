"""A gRPC server that speaks as TensorFlow Serving does, with models made of digests.

On tensorflow-serving-api's own stubs, so that the client is held to the protocol and
not to itself. What it gets is kept; what it answers can be changed.
"""

import hashlib
import threading
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

CAMERAS = (1, 2, 4)
# An image with these bytes in it can be decoded by Pillow, but not by this server.
UNDECODABLE = b"only Pillow reads this"


def embedding(contents):
    """The embedding of a file's bytes: four numbers that no other file has."""
    digest = hashlib.sha256(contents).digest()
    return np.frombuffer(digest[:16], np.uint32).astype(np.float32) / 2**32


def translation(contents, camera):
    """The translation of a file's bytes: a file that begins as a JPEG does."""
    return b"\xff\xd8\xff" + hashlib.sha256(contents + bytes([camera])).digest()


class FakeServing(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The servicer of both services.

    Attributes:
      requests: the PredictRequests so far.
      failures: (code, message) of the next answers, taken from the front; None passes.
      always: the same for all answers.
      change: function of a PredictResponse, which it may alter before it is sent.
      version: that the latest is.
      states: {version: state} of each model that is there.
      status: function that answers GetModelStatus in place of this one.
      hold: answers wait for it if it is set up.
    """

    def __init__(self):
        self.requests, self.failures, self.always = [], [], None
        self.change, self.version, self.states = None, 3, {3: 30}
        self.status, self.hold, self.most, self._now = None, None, 0, 0
        self._lock = threading.Lock()

    def sizes(self):
        """Images of each request so far."""
        return [len(r.inputs["image_bytes"].string_val) for r in self.requests]

    def Predict(self, request, context):
        with self._lock:
            self.requests.append(request)
            failure = self.failures.pop(0) if self.failures else self.always
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if self.hold is not None:
                self.hold.wait(20)
            if failure is not None:
                context.abort(*failure)
            return self._answer(request, context)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, request, context):
        images = tf.make_ndarray(request.inputs["image_bytes"]).tolist()
        if any(UNDECODABLE in contents for contents in images):
            told = "{{function_node x}} Unknown image file format.\n\t [[{{node y}}]]"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, told)
        spec = request.model_spec
        key = (spec.name, spec.signature_name or "serving_default")
        outputs = {}
        if key == ("extractor", "serving_default"):
            rows = [embedding(contents) for contents in images]
            outputs["embedding"] = np.array(rows, np.float32).reshape(-1, 4)
        elif key == ("translator", "all_cameras"):
            rows = [[translation(i, camera) for camera in CAMERAS] for i in images]
            outputs["image_bytes"] = np.array(rows, object).reshape(-1, len(CAMERAS))
            outputs["cameras"] = np.tile(np.int32(CAMERAS), (len(images), 1))
        elif key == ("translator", "serving_default"):
            cameras = tf.make_ndarray(request.inputs["camera"]).tolist()
            if not set(cameras) <= set(CAMERAS):
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"camera {cameras[0]} is not one of {CAMERAS}",
                )
            pairs = zip(images, cameras, strict=True)
            outputs["image_bytes"] = np.array([translation(*p) for p in pairs], object)
        elif spec.name in ("extractor", "translator"):
            told = f'Serving signature key "{key[1]}" not found.'
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, told)
        version = spec.version.value if spec.HasField("version") else self.version
        if not outputs or version not in self.states:
            told = f"Servable not found for request: {spec.name}"
            context.abort(grpc.StatusCode.NOT_FOUND, told)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version
        for name, values in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        if self.change is not None:
            self.change(response)
        return response

    def GetModelStatus(self, request, context):
        if self.status is not None:
            return self.status(request, context)
        if request.model_spec.name not in ("extractor", "translator"):
            told = "Could not find any versions of model"
            context.abort(grpc.StatusCode.NOT_FOUND, told)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in self.states.items():
            response.model_version_status.add(version=version, state=state)
        return response


class Running:
    """A FakeServing on a port of its own; `address` says where."""

    def __init__(self, credentials=None, address="127.0.0.1:0"):
        self.serving = FakeServing()
        # One more than any test has under way, so that none waits for a thread.
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            self.serving, self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            self.serving, self._server
        )
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self.address = f"localhost:{port}"
        self._server.start()

    def kill(self):
        """End at once, whatever is under way."""
        self._server.stop(None).wait()


def contents(samples):
    return [Path(sample.path).read_bytes() for sample in samples]


def spoil(sample):
    """Make it an image that Pillow reads and the server doesn't."""
    with Image.open(sample.path) as image:
        image.save(sample.path, "JPEG", comment=UNDECODABLE)


def changed(name, values):
    """A change of a response: an output is replaced, or left out for None."""

    def change(response):
        del response.outputs[name]
        if values is not None:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))

    return change
