"""The server's answers and refusals, by real channels on loopback."""

import fcntl
import os
import pty
import random
import shutil
import subprocess
import sys
import termios
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tfipgan.errors import InputError
from tfipgan.serving.server import Server, ServerOptions

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND


@pytest.fixture(scope="module")
def toy(write_version, running, tmp_path_factory):
    """A server of versions 1 and 2 of a model, with labels."""
    models = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        write_version(models, "toy", version)
    labels = (("toy", "stable", 1), ("toy", "canary", 2))
    with running(models, labels=labels, metrics_port=0, largest_rows=64) as served:
        yield served


def metadata_request(name="toy", fields=("signature_def",)):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


def status_request(name, version=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


def test_client_as_in_the_public_examples(toy, png):
    """Stub, request, make_tensor_proto, typed field: nothing of this project."""
    with grpc.insecure_channel(toy.server.address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "toy"
        request.model_spec.signature_name = "serving_default"
        data = [png(10, 20, 30), png(7, 8, 9)]
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(data, shape=[2]))
        result = stub.Predict(request, 10.0)
    assert list(result.outputs) == ["embedding"]
    output = result.outputs["embedding"]
    # Version 2 answers, and its scale is 2.
    assert list(output.float_val) == pytest.approx([20, 40, 60, 14, 16, 18])
    assert [dim.size for dim in output.tensor_shape.dim] == [2, 3]
    np.testing.assert_allclose(tf.make_ndarray(output)[1], [14, 16, 18])
    assert result.model_spec.name == "toy"
    assert result.model_spec.signature_name == "serving_default"
    assert result.model_spec.version.value == 2


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ({}, 2),
        ({"version": {"value": 1}}, 1),
        ({"version": {"value": 2}}, 2),
        ({"version_label": "stable"}, 1),
        ({"version_label": "canary"}, 2),
    ],
)
def test_versions_and_labels(toy, request_of, spec, version):
    request = request_of("toy", "sleep", seconds=np.zeros(1, np.float32) + 0.001)
    if "version" in spec:
        request.model_spec.version.value = spec["version"]["value"]
    elif "version_label" in spec:
        request.model_spec.version_label = spec["version_label"]
    result = toy.prediction.Predict(request)
    assert result.model_spec.version.value == version
    assert result.outputs["seconds"].float_val[0] == pytest.approx(0.001 * version)


def tensor_inputs(rows=2):
    images = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    return {"images": images, "camera": np.arange(1, rows + 1, dtype=np.int32)}


def test_output_filter(toy, request_of):
    inputs = tensor_inputs()
    request = request_of("toy", "tensor", **inputs)
    result = toy.prediction.Predict(request)
    assert set(result.outputs) == {"images", "camera"}
    expected = inputs["images"] * 2 + inputs["camera"][:, None]
    np.testing.assert_allclose(tf.make_ndarray(result.outputs["images"]), expected)
    assert list(result.outputs["camera"].int_val) == [1, 2]
    request.output_filter.append("camera")
    assert set(toy.prediction.Predict(request).outputs) == {"camera"}


def test_no_rows_and_a_scalar(toy, request_of):
    request = request_of("toy", image_bytes=np.array([], object))
    request.inputs["image_bytes"].dtype = 7
    result = toy.prediction.Predict(request)
    assert tf.make_ndarray(result.outputs["embedding"]).shape == (0, 3)
    result = toy.prediction.Predict(request_of("toy", "double", number=np.int64(21)))
    assert result.outputs["number"].int64_val == [42]
    assert not result.outputs["number"].tensor_shape.dim


def change(**changes):
    """A row of the error table: how a good request is spoilt."""

    def spoil(request):
        for what, value in changes.items():
            if what == "name":
                request.model_spec.name = value
            elif what == "version":
                request.model_spec.version.value = value
            elif what == "label":
                request.model_spec.version_label = value
            elif what == "signature":
                request.model_spec.signature_name = value
            elif what == "drop":
                del request.inputs[value]
            elif what == "filter":
                request.output_filter.extend(value)
            else:
                request.inputs[what].CopyFrom(value)

    return spoil


def proto(array):
    return tf.make_tensor_proto(array)


def torn(array):
    tensor = tf.make_tensor_proto(array)
    tensor.tensor_content = tensor.tensor_content[:-1]
    return tensor


ROWS = np.ones((2, 3), np.float32)
CAMERAS = np.array([1, 2], np.int32)
BAD_CALLS = {
    "no spec": (lambda r: r.ClearField("model_spec"), INVALID, "Missing ModelSpec"),
    "no name": (change(name=""), INVALID, "ModelSpec has no name specified."),
    "model": (
        change(name="no"),
        NOT_FOUND,
        "Servable not found for request: Latest(no)",
    ),
    "version": (
        change(version=7),
        NOT_FOUND,
        "Servable not found for request: Specific(toy, 7)",
    ),
    "label": (
        change(label="old"),
        INVALID,
        "Unrecognized servable version label: old",
    ),
    "label of no model": (
        change(name="no", label="stable"),
        INVALID,
        "Unrecognized servable version label: stable",
    ),
    "signature": (
        change(signature="no"),
        grpc.StatusCode.FAILED_PRECONDITION,
        'Serving signature key "no" not found.',
    ),
    "no signature for requests": (
        change(signature="__saved_model_init_op"),
        grpc.StatusCode.INTERNAL,
        "Expected prediction signature method_name to be one of "
        "{tensorflow/serving/predict, tensorflow/serving/classify, "
        "tensorflow/serving/regress}. Was: ",
    ),
    "missing": (
        change(drop="camera"),
        INVALID,
        "input size does not match signature: 1!=2 len({images}) != "
        "len({camera,images}). Sent extra: {}. Missing but required: {camera}.",
    ),
    "extra": (
        change(more=proto(ROWS)),
        INVALID,
        "input size does not match signature: 3!=2 len({camera,images,more}) != "
        "len({camera,images}). Sent extra: {more}. Missing but required: {}.",
    ),
    "wrong name": (
        change(drop="camera", kamera=proto(CAMERAS)),
        INVALID,
        "Signature input alias: camera(feed name: tensor_camera:0) not found in "
        "request and no default value provided. Inputs expected to be in the request "
        "{images,kamera}, or default input alias set: ",
    ),
    "malformed": (change(images=torn(ROWS)), INVALID, "tensor parsing error: images"),
    "no type": (
        change(images=type(proto(ROWS))()),
        INVALID,
        "tensor parsing error: images",
    ),
    "filter": (
        change(filter=["no"]),
        INVALID,
        "output tensor alias not found in signature: no Outputs expected to be in the "
        "set {camera,images}.",
    ),
    "filter twice": (
        change(filter=["images", "images"]),
        INVALID,
        "duplicate output tensor alias: images",
    ),
    "dtype": (
        change(images=proto(np.array(["a", "b"], object))),
        INVALID,
        "Expected input images to be float32 but get string.",
    ),
    "shape": (
        change(images=proto(np.ones((2, 4), np.float32))),
        INVALID,
        "Shape of input images [2,4] is not compatible with expected shape [?,3].",
    ),
    "rank": (
        change(camera=proto(np.int32(1))),
        INVALID,
        "Shape of input camera [] is not compatible with expected shape [?].",
    ),
    "unequal": (
        change(camera=proto(np.array([1, 2, 3], np.int32))),
        INVALID,
        "Incompatible shapes: [2,3] vs. [3,1]",
    ),
    "assertion": (
        change(camera=proto(np.array([1, 9], np.int32))),
        INVALID,
        "assertion failed: [a camera is none of 1 to 6:] [1 9]",
    ),
    "too many rows": (
        change(images=proto(np.ones((65, 3), np.float32)), camera=proto([1] * 65)),
        INVALID,
        "Task size 65 is larger than maximum input batch size 64",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_predict_refuses(toy, request_of, fails, case):
    spoil, code, text = BAD_CALLS[case]
    request = request_of("toy", "tensor", images=ROWS, camera=CAMERAS)
    toy.prediction.Predict(request)
    spoil(request)
    assert fails(toy.prediction.Predict, request, code) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"not an image", "Unknown image file format. One of JPEG, "),
        (b"", "Input is empty."),
        (b"\x89PNG\r\n\x1a\n", "Invalid PNG"),
        (b"\xff\xd8\xff\xe0", ""),
    ],
)
def test_images_that_are_none(toy, request_of, fails, png, data, text):
    request = request_of("toy", image_bytes=np.array([png(1, 2, 3), data], object))
    assert fails(toy.prediction.Predict, request, INVALID).startswith(text)


def test_long_text_is_cut(toy, request_of, fails):
    for letter in "aé\n":
        request = request_of("toy", letter * 100_000)
        code = grpc.StatusCode.FAILED_PRECONDITION
        text = fails(toy.prediction.Predict, request, code)
        assert text.startswith('Serving signature key "' + letter * 400)
        assert text.endswith(letter + "...TRUNCATED")
        assert len(text.encode()) in (1024 + 12, 1024 + 11)


def test_methods_that_are_not_there(toy, fails):
    code = grpc.StatusCode.UNIMPLEMENTED
    fails(toy.prediction.Classify, classification_pb2.ClassificationRequest(), code)
    fails(toy.prediction.Regress, regression_pb2.RegressionRequest(), code)
    reload = toy.model.HandleReloadConfigRequest
    fails(reload, model_management_pb2.ReloadConfigRequest(), code)
    unknown = toy.channel.unary_unary("/tensorflow.serving.SessionService/SessionRun")
    fails(unknown, b"", code)


def test_metadata(toy, fails):
    response = toy.prediction.GetModelMetadata(metadata_request())
    assert response.model_spec.name == "toy"
    assert response.model_spec.version.value == 2
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    signature = found.signature_def["tensor"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["camera"].dtype == tf.int32.as_datatype_enum
    sizes = [dim.size for dim in signature.outputs["images"].tensor_shape.dim]
    assert sizes == [-1, 3]

    call = toy.prediction.GetModelMetadata
    no_spec = get_model_metadata_pb2.GetModelMetadataRequest()
    assert fails(call, no_spec, INVALID) == "Missing ModelSpec"
    assert (
        fails(call, metadata_request(fields=()), INVALID)
        == "GetModelMetadataRequest must specify at least one metadata_field"
    )
    wrong = metadata_request(fields=["signature_def", "x"])
    assert fails(call, wrong, INVALID) == "Metadata field x is not supported"
    assert (
        fails(call, metadata_request("no"), NOT_FOUND)
        == "Servable not found for request: Latest(no)"
    )
    text = fails(call, metadata_request(""), INVALID)
    assert text == "ModelSpec has no name specified."


def test_status(toy, fails):
    call = toy.model.GetModelStatus
    entries = call(status_request("toy")).model_version_status
    assert [(entry.version, entry.state) for entry in entries] == [(2, 30), (1, 30)]
    assert [entry.status.error_code for entry in entries] == [0, 0]
    (entry,) = call(status_request("toy", 1)).model_version_status
    assert (entry.version, entry.state) == (1, 30)
    labelled = status_request("toy")
    labelled.model_spec.version_label = "no such label"
    assert len(call(labelled).model_version_status) == 2

    no_spec = get_model_status_pb2.GetModelStatusRequest()
    assert fails(call, no_spec, INVALID) == "Missing ModelSpec"
    text = fails(call, status_request("no"), NOT_FOUND)
    assert text == "Could not find any versions of model no"
    text = fails(call, status_request("toy", 7), NOT_FOUND)
    assert text == "Could not find version 7 of model toy"


def test_health(toy, fails):
    check = health_pb2_grpc.HealthStub(toy.channel).Check
    for service in ("", "PredictionService", "tensorflow.serving.ModelService"):
        answer = check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    fails(check, health_pb2.HealthCheckRequest(service="no"), NOT_FOUND)


def test_deadlines(toy, request_of, fails):
    """A late request isn't run any longer, or at all if it is late in the queue."""
    long = request_of("toy", "sleep", seconds=np.array([30], np.float32))
    short = request_of("toy", "tensor", images=ROWS, camera=CAMERAS)
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    start = time.monotonic()
    pending = toy.prediction.Predict.future(long, timeout=1)
    time.sleep(0.2)
    fails(toy.prediction.Predict, short, code, timeout=0.2)
    assert pending.exception().code() is code
    toy.prediction.Predict(short, timeout=20)
    assert time.monotonic() - start < 10


def test_metrics(toy, request_of):
    import urllib.request

    toy.prediction.Predict(request_of("toy", "double", number=np.int64(1)))
    with pytest.raises(grpc.RpcError):
        toy.prediction.Predict(request_of("x" * 50))
    url = f"http://{toy.server.metrics_address}/metrics"
    text = urllib.request.urlopen(url).read().decode()
    counted = 'tfipgan_requests_total{method="Predict",model="%s",status="%s"}'
    assert counted % ("toy", "OK") in text
    assert counted % ("unknown", "NOT_FOUND") in text
    assert 'tfipgan_model_served{model="toy",version="2"} 1.0' in text
    assert "tfipgan_queue_requests 0.0" in text
    assert "x" * 50 not in text


def test_tensor_content(write_version, running, request_of, tmp_path):
    write_version(tmp_path, "toy", 1)
    with running(tmp_path, tensor_content=True) as served:
        inputs = tensor_inputs()
        result = served.prediction.Predict(request_of("toy", "tensor", **inputs))
        output = result.outputs["images"]
        assert len(output.tensor_content) == 24 and not output.float_val
        expected = inputs["images"] + inputs["camera"][:, None]
        np.testing.assert_allclose(tf.make_ndarray(output), expected)


def test_message_limit_and_full_queue(write_version, running, request_of, tmp_path):
    write_version(tmp_path, "toy", 1)
    slow = request_of("toy", "sleep", seconds=np.array([1.0], np.float32))
    limits = {"capacity": 2, "message_bytes": 100_000, "merge_rows": 1}
    with running(tmp_path, **limits) as served:
        predict = served.prediction.Predict
        with pytest.raises(grpc.RpcError) as caught:
            predict(request_of("toy", image_bytes=[b"x" * 200_000]))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        pending = [predict.future(slow)]
        time.sleep(0.1)
        pending += [predict.future(slow, timeout=20) for _ in range(6)]
        errors = [future.exception() for future in pending]
        refused = [error for error in errors if error is not None]
        assert len(refused) == 4 and errors[0] is None
        for error in refused:
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            text = "The batch scheduling queue to which this task was submitted is full"
            assert error.details() == text


def test_cancelled_requests_are_not_run(write_version, running, request_of, tmp_path):
    write_version(tmp_path, "toy", 1)
    with running(tmp_path, merge_rows=1) as served:
        predict = served.prediction.Predict
        slow = request_of("toy", "sleep", seconds=np.array([0.5], np.float32))
        first = predict.future(slow)
        time.sleep(0.1)
        waiting = [predict.future(slow) for _ in range(40)]
        time.sleep(0.1)
        for future in waiting:
            future.cancel()
        start = time.monotonic()
        first.result()
        predict(request_of("toy", "double", number=np.int64(1)))
        assert time.monotonic() - start < 5


def test_noise_in_each_field(toy, request_of):
    """A hundred thousand bytes of noise: an error of the request, and all goes on."""
    noise = random.Random(3).randbytes(100_000)
    words = noise.decode("latin-1")
    good = request_of("toy", "tensor", images=ROWS, camera=CAMERAS)

    def check(spoil):
        request = predict_pb2.PredictRequest()
        request.CopyFrom(good)
        spoil(request)
        with pytest.raises(grpc.RpcError) as caught:
            toy.prediction.Predict(request, timeout=20)
        expected = (INVALID, NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)
        assert caught.value.code() in expected, caught.value

    check(change(name=words))
    check(change(label=words))
    check(change(signature=words))
    check(change(filter=[words]))
    check(change(filter=list(words)))
    check(change(**{words: proto(ROWS)}))
    check(lambda request: request.inputs["images"].ClearField("tensor_shape"))
    for field in ("tensor_content", "version_number", "dtype", "half_val", "int_val"):

        def spoil(request, field=field):
            tensor = request.inputs["images"]
            tensor.ClearField("tensor_content")
            if field == "tensor_content":
                tensor.tensor_content = noise
            elif field in ("version_number", "dtype"):
                setattr(tensor, field, 99)
                tensor.tensor_content = noise[:25]
            else:
                tensor.dtype = 3
                getattr(tensor, field).extend(noise)

        check(spoil)

    def huge(request):
        tensor = request.inputs["images"]
        tensor.ClearField("tensor_content")
        tensor.float_val.append(1)
        tensor.tensor_shape.dim[0].size = 2**40

    def negative(request):
        request.inputs["images"].tensor_shape.dim[0].size = -5

    check(huge)
    check(negative)
    raw = toy.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError):
        raw(noise, timeout=20)
    image = request_of("toy", image_bytes=np.array([noise], object))
    with pytest.raises(grpc.RpcError) as caught:
        toy.prediction.Predict(image, timeout=20)
    assert caught.value.code() is INVALID
    toy.prediction.Predict(good, timeout=20)


def test_many_clients_get_their_own_answers(toy, request_of):
    """Sixty-four at once, of three signatures and two versions, some of them bad."""
    end = time.monotonic() + 3
    wrong, answered = [], []

    def client(number):
        draw = np.random.default_rng(number)
        done = 0
        with grpc.insecure_channel(
            toy.server.address, [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while time.monotonic() < end or done < 3:
                rows = int(draw.integers(1, 5))
                images = draw.random((rows, 3), np.float32)
                camera = draw.integers(1, 8, rows).astype(np.int32)
                version = int(draw.integers(1, 3))
                request = request_of("toy", "tensor", images=images, camera=camera)
                request.model_spec.version.value = version
                try:
                    result = stub.Predict(request, timeout=30)
                    values = tf.make_ndarray(result.outputs["images"])
                    expected = images * version + camera[:, None]
                    good = values.shape == expected.shape
                    good = good and np.allclose(values, expected)
                    good = good and result.model_spec.version.value == version
                    good = good and camera.max() < 7
                except grpc.RpcError as error:
                    good = camera.max() == 7 and error.code() is INVALID
                    good = good and str(camera[0]) in error.details()
                if not good:
                    wrong.append((number, done))
                done += 1
        answered.append(done)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(answered) == 64 and min(answered) >= 3


def test_a_port_that_is_taken(toy, write_version, tmp_path):
    write_version(tmp_path, "toy", 1)
    port = int(toy.server.address.rpartition(":")[2])
    with pytest.raises(InputError, match=f"{toy.server.address} can't be listened on"):
        Server(tmp_path, ServerOptions(port=port))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_no_password_is_asked_for(write_version, tmp_path):
    """OpenSSL would, at the terminal, and the server would never start."""
    models, cert, key = tmp_path / "models", tmp_path / "cert", tmp_path / "key"
    write_version(models, "toy", 1)
    words = "openssl req -x509 -newkey rsa:2048 -subj /CN=a -passout pass:secret"
    words = [*words.split(), "-keyout", key, "-out", cert]
    subprocess.run([*map(str, words)], check=True, capture_output=True)
    code = (
        "import sys; from pathlib import Path\n"
        "from tfipgan.serving.server import Server, ServerOptions\n"
        "models, cert, key = map(Path, sys.argv[1:])\n"
        "Server(models, ServerOptions(port=0, tls_cert=cert, tls_key=key))"
    )
    terminal, end = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code, models, cert, key],
        stdin=end,
        stdout=end,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    os.close(end)
    assert "InputError" in done.stderr and "without a password" in done.stderr
