"""Small models of our own to serve, and a server for each file of tests."""

import contextlib
import dataclasses
import types

import grpc
import numpy as np
import pytest

# Of the signatures of an export, with so little in them that all answers are known.
SIZE = (4, 2)


def _make_module(scale):
    import tensorflow as tf

    def on(*specs):
        return tf.function(input_signature=[tf.TensorSpec(*spec) for spec in specs])

    class Toy(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(float(scale))

        @on(([None], tf.string, "image_bytes"))
        def extract(self, image_bytes):
            def decode(data):
                image = tf.io.decode_image(data, channels=3, expand_animations=False)
                return tf.image.resize(image, SIZE)

            spec = tf.TensorSpec([*SIZE, 3], tf.float32)
            images = tf.map_fn(decode, image_bytes, fn_output_signature=spec)
            return {"embedding": tf.reduce_mean(images, [1, 2]) * self.scale}

        @on(([None, 3], tf.float32, "images"), ([None], tf.int32, "camera"))
        def translate(self, images, camera):
            known = tf.reduce_all((camera >= 1) & (camera <= 6))
            told = ["a camera is none of 1 to 6:", camera]
            with tf.control_dependencies([tf.debugging.Assert(known, told)]):
                moved = images * self.scale + tf.cast(camera, tf.float32)[:, None]
            return {"images": moved, "camera": tf.identity(camera)}

        @on(([None], tf.float32, "seconds"))
        def sleep(self, seconds):
            end = tf.timestamp() + tf.cast(tf.reduce_max(seconds), tf.float64)
            turns = tf.while_loop(
                lambda turn: tf.timestamp() < end, lambda turn: [turn + 1], [0]
            )
            with tf.control_dependencies(turns):
                return {"seconds": seconds * self.scale}

        @on(([None, 3], tf.float32, "images"))
        def pool(self, images):
            """One row for a batch, which the signature doesn't say."""
            mean = tf.reduce_mean(images, 0, keepdims=True)
            return {"mean": tf.boolean_mask(mean, [True]) * self.scale}

        @on(([], tf.int64, "number"))
        def double(self, number):
            return {"number": number * 2}

    return Toy()


@pytest.fixture(scope="session")
def write_version(tmp_path_factory):
    """Function of (models, name, version): writes a model whose scale is the version.

    The versions are made once and copied; as an export does, aside and then renamed.
    """
    import shutil

    import tensorflow as tf

    made = {}

    def write(models, name, version, warm_up=()):
        if version not in made:
            toy = _make_module(version)
            made[version] = tmp_path_factory.mktemp("toy") / str(version)
            signatures = {
                "serving_default": toy.extract,
                "tensor": toy.translate,
                "sleep": toy.sleep,
                "pool": toy.pool,
                "double": toy.double,
            }
            tf.saved_model.save(toy, str(made[version]), signatures=signatures)
        folder = models / name
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{version}.part"
        shutil.copytree(made[version], aside)
        if warm_up:
            (aside / "assets.extra").mkdir()
            file = str(aside / "assets.extra" / "tf_serving_warmup_requests")
            with tf.io.TFRecordWriter(file) as writer:
                for record in warm_up:
                    writer.write(record.SerializeToString())
        return aside.rename(folder / str(version))

    return write


@pytest.fixture(scope="session")
def png():
    """Function of (r, g, b): the bytes of an image of that colour."""
    import tensorflow as tf

    def encode(*colour):
        image = np.broadcast_to(np.array(colour, np.uint8), (*SIZE, 3))
        return tf.io.encode_png(image).numpy()

    return encode


@pytest.fixture(scope="session")
def running():
    """Function of (models, options): context of a server, its channel and stubs."""
    from tensorflow_serving.apis import (
        model_service_pb2_grpc,
        prediction_service_pb2_grpc,
    )

    from tfipgan.serving.server import Server, ServerOptions

    @contextlib.contextmanager
    def run(models, **options):
        chosen = {"port": 0, "poll_seconds": 0.05, **options}
        server = Server(models, dataclasses.replace(ServerOptions(), **chosen))
        server.start()
        try:
            with grpc.insecure_channel(server.address) as channel:
                prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                model = model_service_pb2_grpc.ModelServiceStub(channel)
                yield types.SimpleNamespace(
                    server=server, channel=channel, prediction=prediction, model=model
                )
        finally:
            server.stop(20)

    return run


@pytest.fixture(scope="session")
def request_of():
    """Function of (model, signature, **inputs): a `PredictRequest`."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    def make(model, signature="", **inputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        for alias, value in inputs.items():
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
        return request

    return make


@pytest.fixture(scope="session")
def fails():
    """Function of (RPC, request, code): makes the call and gives the text it failed by.

    The code is one of `grpc.StatusCode`.
    """

    def call(method, request, code, **options):
        with pytest.raises(grpc.RpcError) as caught:
            method(request, **{"timeout": 20, **options})
        assert caught.value.code() is code, caught.value
        return caught.value.details()

    return call
