"""The client against a server on tensorflow-serving-api's own stubs."""

import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import get_model_status_pb2 as status_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2

from tfipgan.data.filenames import Sample
from tfipgan.errors import ConfigError, InputError
from tfipgan.serving import client as client_module
from tfipgan.serving import (
    client_batches,
    client_files,
    client_messages,
    client_translation,
)
from tfipgan.serving.client import Client
from tfipgan.serving.client_errors import RefusedError, ServerError

_SPEC = importlib.util.spec_from_file_location(
    "fake_serving", Path(__file__).with_name("fake_serving.py")
)
fake = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fake)

Code = grpc.StatusCode


@pytest.fixture
def running():
    server = fake.Running()
    yield server
    server.kill()


@pytest.fixture
def serving(running):
    return running.serving


@pytest.fixture
def client(running, monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    with Client(running.address, timeout=20) as client:
        yield client


@pytest.fixture
def samples(tmp_path):
    """Seven images, no two alike; their files' bytes differ in length."""
    folder = tmp_path / "images"
    folder.mkdir()
    found = []
    for number in range(7):
        path = folder / f"{number:04d}_c{number % 3 + 1}s1_000001_00.jpg"
        noise = np.random.default_rng(number).integers(0, 256, (16, 8 + number, 3))
        Image.fromarray(noise.astype(np.uint8)).save(path)
        found.append(Sample(str(path), number, number % 3 + 1))
    return found


def contents(samples):
    return [Path(sample.path).read_bytes() for sample in samples]


def spoil(sample):
    """Make it an image that Pillow reads and the server doesn't."""
    with Image.open(sample.path) as image:
        image.save(sample.path, "JPEG", comment=fake.UNDECODABLE)


# ---------------------------------------------------------------- messages, tensors


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


# ------------------------------------------------------------- answers, and versions


def test_answers(client, samples, caplog):
    images = contents(samples)
    with caplog.at_level("INFO"):
        rows = client.extract(images)
        client.extract(images)
    expected = [fake.embedding(image) for image in images]
    np.testing.assert_array_equal(rows, expected)
    assert client.translate(images, 4) == [fake.translation(i, 4) for i in images]
    files, cameras = client.translate_all(images)
    assert cameras == (1, 2, 4)
    assert files == [
        [fake.translation(i, camera) for camera in cameras] for i in images
    ]
    assert client.extract([]).shape == (0, 4)
    assert client.translate_all([]) == ([], ())
    assert client.versions == {"extractor": 3, "translator": 3}
    # Once for each model that is asked, not for each request.
    assert caplog.messages == [f"extractor version 3 at {client.server} answers"]


def test_one_version_makes_one_result(client, serving):
    serving.states = {3: 30, 4: 30}
    client.extract([b"a"])
    serving.version = 4
    client.extract([b"a"])
    client.translate([b"a"], 1)
    specs = [request.model_spec for request in serving.requests]
    assert [spec.HasField("version") for spec in specs] == [False, True, False]
    assert specs[1].version.value == 3
    assert client.versions == {"extractor": 3, "translator": 4}
    del serving.states[3]
    words = "version 3 answered until now; there are: 4 is AVAILABLE; one result"
    with pytest.raises(InputError, match=words):
        client.extract([b"a"])


def test_a_server_that_does_not_tell_its_version(client, serving):
    serving.change = lambda response: response.ClearField("model_spec")
    client.extract([b"a"])
    client.extract([b"a"])
    assert client.versions == {}


def test_a_version_or_a_label(running, serving):
    serving.states = {2: 30, 3: 30}
    with Client(running.address, version=2) as client:
        client.extract([b"a"])
    with Client(running.address, label="stable") as client:
        client.extract([b"a"])
        client.extract([b"a"])
    specs = [request.model_spec for request in serving.requests]
    assert [spec.version.value for spec in specs] == [2, 0, 3]
    assert [spec.version_label for spec in specs] == ["", "stable", ""]


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_what_may_pass_is_tried_again(client, serving, code):
    serving.failures = [(Code[code], "for a moment")] * 3
    assert client.extract([b"a"]).shape == (1, 4)
    assert len(serving.requests) == 4


def test_pauses_grow(client, serving, monkeypatch):
    pauses = []
    monkeypatch.setattr(client._closed, "wait", lambda pause: pauses.append(pause))
    serving.failures = [(Code.UNAVAILABLE, "for a moment")] * 3
    client.extract([b"a"])
    assert pauses == [0.01, 0.02, 0.04]


def test_a_full_queue_is_asked_again(client, serving):
    serving.failures = [(Code.RESOURCE_EXHAUSTED, "timeout in batching queue")]
    client.extract([b"a"])
    serving.always = (Code.RESOURCE_EXHAUSTED, "timeout in batching queue")
    with pytest.raises(ServerError, match=r"is too busy \(4 tries\): timeout in"):
        client.extract([b"a"])


@pytest.mark.parametrize(
    ("code", "told", "kind", "tries", "words"),
    [
        ("UNAVAILABLE", "x", ServerError, 4, 
         r"no gRPC server answers at .* \(4 tries\)"),
        ("DEADLINE_EXCEEDED", "x", ServerError, 4, "no answer within 20 s .*--timeout"),
        ("INVALID_ARGUMENT", "bad\nthing [[{{x}}]]", RefusedError, 1, "it: bad thing$"),
        ("INVALID_ARGUMENT", "Unrecognized servable version label: x", InputError, 1,
         "no version label None"),
        ("NOT_FOUND", "x", InputError, 1, "not there: asked for any version, of which "
         "there are: 3 is AVAILABLE; wait"),
        ("INVALID_ARGUMENT", "input size does not match signature", InputError, 1,
         "can't answer this: input size"),
        ("FAILED_PRECONDITION", 'key "x" not found', InputError, 1,
         "can't answer this: key .*; expected what `tfipgan export extractor` writes"),
        ("UNIMPLEMENTED", "x", ServerError, 1, "is not TensorFlow Serving"),
        ("INTERNAL", "y" * 999, ServerError, 1, r"failed: INTERNAL: y{300}\.\.\.$"),
        ("PERMISSION_DENIED", "", ServerError, 1, "failed: PERMISSION_DENIED"),
    ],
)  # fmt: skip
def test_each_failure_is_one_line(client, serving, code, told, kind, tries, words):
    serving.always = (Code[code], told)
    with pytest.raises(kind, match=words) as failure:
        client.extract([b"a"])
    assert type(failure.value) is kind
    assert "\n" not in str(failure.value) and client.server in str(failure.value)
    assert len(serving.requests) == tries


def test_a_model_that_loads(client, serving):
    serving.states, serving.version = {2: 50, 3: 20}, 9
    with pytest.raises(InputError, match="there are: 2 is END, 3 is LOADING; wait"):
        client.extract([b"a"])


def test_a_model_that_did_not_load(client, serving, monkeypatch):
    def answer(request, context):
        response = status_pb2.GetModelStatusResponse()
        version = response.model_version_status.add(version=1, state=50)
        version.status.error_code = 9
        version.status.error_message = "no such op\n\tX"
        return response

    serving.states, serving.status = {}, answer
    with pytest.raises(InputError, match=r"there are: 1 is END \(no such op X\); wait"):
        client.extract([b"a"])


def test_a_model_of_another_name(client):
    with pytest.raises(InputError, match="the server has no model of this name"):
        client.predict("other", {"image_bytes": client_messages.bytes_tensor([])}, ())


def test_a_status_that_is_not_told(client, serving):
    serving.always = (Code.NOT_FOUND, "x")
    serving.status = lambda request, context: context.abort(Code.UNIMPLEMENTED, "y")
    words = r"not there, and its status neither \(UNIMPLEMENTED\)"
    with pytest.raises(InputError, match=words):
        client.extract([b"a"])


def test_a_late_answer(running, serving, monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    serving.hold = threading.Event()
    with Client(running.address, timeout=0.2, retries=1) as client:
        with pytest.raises(ServerError, match=r"no answer within 0.2 s \(2 tries\)"):
            client.extract([b"a"])
    serving.hold.set()
    assert len(serving.requests) == 2


def test_nobody_there():
    with Client("localhost:1", retries=0) as client:
        with pytest.raises(ServerError, match="localhost:1 without TLS: .*--tls"):
            client.extract([b"a"])


def changed(name, values):
    """A change of a response: an output is replaced, or left out for None."""

    def change(response):
        del response.outputs[name]
        if values is not None:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))

    return change


@pytest.mark.parametrize(
    ("output", "values", "words"),
    [
        ("embedding", None, "answered without embedding"),
        ("embedding", np.zeros((1, 4)), "answered with a tensor of DataType 2"),
        ("embedding", np.zeros((2, 4), np.float32), r"float32 of shape \(2, 4\)"),
        ("embedding", np.zeros(1, np.float32), r"float32 of shape \(1,\)"),
        ("embedding", np.array([["x"]]), r"object of shape \(1, 1\)"),
        ("image_bytes", np.zeros(1, np.float32), "answered with float32"),
        ("image_bytes", np.array([b"x", b"y"]), r"object of shape \(2,\)"),
        ("cameras", np.array([[1, 2]], np.int32), r"int32 of shape \(1, 2\)"),
        ("cameras", np.array([[1, 2, 4], [1, 2, 3]], np.int32), r"of shape \(2, 3\)"),
    ],
)
def test_another_model_in_its_place(client, serving, output, values, words):
    serving.change = changed(output, values)
    with pytest.raises(InputError, match=words + ".*expected what `tfipgan export"):
        if output == "embedding":
            client.extract([b"a"])
        elif output == "image_bytes":
            client.translate([b"a"], 1)
        else:
            client.translate_all([b"a"] * len(values))
    if output == "image_bytes":
        with pytest.raises(InputError, match=r"answered with .* of shape"):
            client.translate_all([b"a"])


def test_a_diverged_network(client, serving):
    row = np.array([[1, np.nan, 0, 0]], np.float32)
    serving.change = changed("embedding", row)
    with pytest.raises(ServerError, match="NaN or infinity"):
        client.extract([b"a"])


@pytest.mark.parametrize(
    "server",
    ["", "localhost", "localhost:", "localhost:0", "localhost:65536", "http://x:8500",
     "a b:1", ":8500", "::1:8500", "unix:"],
)  # fmt: skip
def test_addresses_that_are_none(server):
    with pytest.raises(ConfigError, match="expected HOST:PORT such as localhost:8500"):
        Client(server)


@pytest.mark.parametrize(
    "server", ["localhost:8500", "10.0.0.1:1", "[::1]:8500", "a-b.c_d:65535", "unix:x"]
)
def test_addresses(server):
    with Client(server) as client:
        assert client.server == server


def test_a_version_and_a_label():
    with pytest.raises(ConfigError, match="both a version and a label"):
        Client("localhost:1", version=1, label="x")


def test_closing_ends_what_is_under_way(running, serving):
    serving.hold = threading.Event()
    client = Client(running.address, timeout=20)
    failures = []

    def ask():
        with pytest.raises(ServerError) as failure:
            client.extract([b"a"])
        failures.append(str(failure.value))

    thread = threading.Thread(target=ask)
    thread.start()
    while not serving.requests:
        time.sleep(0.01)
    client.close()
    thread.join(5)
    serving.hold.set()
    assert len(failures) == 1 and "CANCELLED" in failures[0]
    with pytest.raises(ServerError, match="was closed"):
        client.extract([b"a"])


# --------------------------------------------------------- many images, in requests


def test_requests_by_count(client, serving, samples):
    features = client_files.extract_files(client, samples, batch_size=3)
    assert sorted(serving.sizes()) == [1, 3, 3] and serving.sizes()[0] == 3
    expected = [fake.embedding(image) for image in contents(samples)]
    np.testing.assert_array_equal(features.features, expected)
    assert features.person_ids.tolist() == list(range(7))
    assert features.camera_ids.tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert features.paths.tolist() == [sample.path for sample in samples]


def test_requests_by_bytes(client, serving, samples, monkeypatch):
    lengths = [len(image) for image in contents(samples)]
    limit = lengths[0] + lengths[1]
    monkeypatch.setattr(client_batches.each_answer, "__kwdefaults__",
                        {"in_flight": 1, "max_bytes": limit})  # fmt: skip
    client_files.extract_files(client, samples, in_flight=1)
    assert serving.sizes()[0] == 2
    for request in serving.requests:
        images = request.inputs["image_bytes"].string_val
        assert sum(map(len, images)) <= limit or len(images) == 1
    assert sum(serving.sizes()) == 7


def test_a_few_requests_at_a_time(client, serving, samples):
    serving.hold = threading.Event()
    result = []
    thread = threading.Thread(
        target=lambda: result.append(
            client_files.extract_files(client, samples, batch_size=1, in_flight=3)
        )
    )
    thread.start()
    # The first is made alone.
    for under_way in (1, 4):
        give_up = time.monotonic() + 20
        while len(serving.requests) < under_way and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(0.1)  # in which one too many would come
        assert len(serving.requests) == under_way
        now, serving.hold = serving.hold, threading.Event()
        now.set()
    serving.hold.set()
    thread.join(10)
    assert serving.most == 3
    expected = [fake.embedding(image) for image in contents(samples)]
    np.testing.assert_array_equal(result[0].features, expected)


def test_too_much_for_the_server_is_halved(client, serving, samples):
    told = "Task size 7 is larger than maximum input batch size 3"
    serving.failures = [(Code.INVALID_ARGUMENT, told)]
    client_files.extract_files(client, samples)
    assert serving.sizes() == [7, 3, 4]


def test_too_much_for_the_client_is_halved(running, serving, samples, monkeypatch):
    # Room for the answer to two images: 3 files of 35 bytes each, and frames.
    monkeypatch.setattr(client_module, "MAX_REPLY_BYTES", 360)
    with Client(running.address, timeout=20) as client:
        rows = list(
            client_batches.each_answer(
                zip(*local(samples), strict=True),
                lambda images: client.translate_all(images)[0],
                lambda: 7,
            )
        )
    assert [key for key, _ in rows] == samples
    assert [row[0] for _, row in rows] == [
        fake.translation(image, 1) for image in contents(samples)
    ]
    assert serving.sizes()[:2] == [7, 3]


def test_one_image_that_is_too_much(running, samples, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_REPLY_BYTES", 10)
    with Client(running.address, timeout=20) as client:
        with pytest.raises(
            InputError, match="it alone is too large: .*larger than max"
        ):
            client_files.extract_files(client, samples[:1])


def local(samples):
    images, broken = client_files.check_images([s.path for s in samples])
    assert not broken
    return samples, images


def test_an_image_that_the_server_refuses_is_named(client, serving, samples):
    spoil(samples[4])
    with pytest.raises(InputError, match=r"0004_c2s1_000001_00\.jpg: .*Unknown image"):
        client_files.extract_files(client, samples)
    assert serving.sizes() == [7] + [1] * 7


def test_images_that_the_server_refuses_are_left_out(client, samples, caplog):
    for index in (1, 6):
        spoil(samples[index])
    features = client_files.extract_files(
        client, samples, batch_size=3, skip_unreadable=True
    )
    assert features.person_ids.tolist() == [0, 2, 3, 4, 5]
    assert features.paths.tolist() == [samples[i].path for i in (0, 2, 3, 4, 5)]
    assert features.camera_ids.tolist() == [
        samples[i].camera_id for i in (0, 2, 3, 4, 5)
    ]
    left = [line for line in caplog.messages if line.startswith("left out: ")]
    assert [samples[1].path in left[0], samples[6].path in left[1]] == [True, True]


def test_a_server_that_refuses_all(client, serving, samples, tmp_path):
    """Such as for a camera that it does not know: not the fault of an image."""
    with pytest.raises(
        InputError, match=r"^model .* camera 9 is not one of .*all 3 images of"
    ):
        client_translation.translate_files(
            client, samples, tmp_path, tmp_path / "out", 9,
            batch_size=3, skip_unreadable=True,
        )  # fmt: skip
    assert serving.sizes() == [3, 1, 1, 1]
    assert not (tmp_path / "out").exists()


def test_bad_images_are_found_before_anything_is_sent(client, serving, samples, caplog):
    Path(samples[2].path).write_bytes(b"")
    Path(samples[5].path).write_bytes(b"x")
    words = r"can't be read \(2 of 7\): .*0002_.*\(empty\), .*0005_.*\(not an image\);"
    with pytest.raises(InputError, match=words):
        client_files.extract_files(client, samples)
    assert not serving.requests
    features = client_files.extract_files(client, samples, skip_unreadable=True)
    assert features.person_ids.tolist() == [0, 1, 3, 4, 6]
    assert [line for line in caplog.messages if "0005_" in line]
    with pytest.raises(InputError, match=r"\(1 of 1\)"):
        client_files.extract_files(client, samples[2:3], skip_unreadable=True)


def test_translations_of_all_cameras_make_smaller_requests(
    client, serving, samples, tmp_path
):
    out = tmp_path / "out"
    written = client_translation.translate_files(
        client, samples, tmp_path, out, None, batch_size=6
    )
    # 6 // 8 cameras guessed, at least one; then 6 // 3.
    assert sorted(serving.sizes()[1:]) == [2, 2, 2] and serving.sizes()[0] == 1
    assert written == (21, 0)
    for sample, image in zip(samples, contents(samples), strict=True):
        stem = out / "images" / Path(sample.path).stem
        for camera in fake.CAMERAS:
            file = Path(f"{stem}_to_c{camera}.jpg")
            assert file.read_bytes() == fake.translation(image, camera)


@pytest.mark.parametrize("camera", [None, 2])
def test_a_server_killed_in_the_middle(running, samples, tmp_path, camera, monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    serving, out = running.serving, tmp_path / "out"
    per_image = 3 if camera is None else 1

    def dies_after_the_third(response):
        if len(serving.requests) > 3:
            threading.Thread(target=running.kill).start()
            time.sleep(2)

    serving.change = dies_after_the_third
    with Client(running.address, timeout=20) as client:
        with pytest.raises(ServerError, match="stopped answering .*is whole"):
            client_translation.translate_files(
                client, samples, tmp_path / "images", out, camera,
                batch_size=1, in_flight=1,
            )  # fmt: skip
    files = sorted(out.rglob("*"))
    assert len(files) == 3 * per_image
    assert all(len(file.read_bytes()) == 35 for file in files)
    # Another server goes on; only the first request is made again, and what is missing.
    second = fake.Running()
    with Client(second.address, timeout=20) as client:
        written, there = client_translation.translate_files(
            client, samples, tmp_path / "images", out, camera,
            batch_size=1, resume=True,
        )  # fmt: skip
    second.kill()
    # One image is read ahead before the first answer tells what to look for.
    assert (written, there) == (6 * per_image, 1)
    assert len(list(out.rglob("*"))) == 7 * per_image
    assert sum(second.serving.sizes()) == 6


def test_a_disk_that_is_full(client, samples, tmp_path, monkeypatch):
    write = Path.write_bytes

    def half(path, data):
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    out = tmp_path / "out"
    with pytest.raises(OSError, match="No space left"):
        client_translation.translate_files(client, samples, tmp_path, out, 1)
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_translations_that_are_no_images(client, serving, samples, tmp_path):
    serving.change = changed("image_bytes", np.array([b"<html>"]))
    with pytest.raises(InputError, match="begins with b'<html>', expected a JPEG"):
        client_translation.translate_files(
            client, samples[:1], tmp_path, tmp_path / "out", 1
        )
    assert not list(tmp_path.rglob("*_to_c*"))
    png = b"\x89PNG\r\n\x1a\n..."
    serving.change = changed("image_bytes", np.array([png], object))
    client_translation.translate_files(
        client, samples[:1], tmp_path, tmp_path / "out", 1
    )
    (file,) = tmp_path.rglob("*_to_c1.png")
    assert file.read_bytes() == png


# ------------------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """(key, certificate) of a server on localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no openssl to make a certificate with")
    return key.read_bytes(), certificate.read_bytes()


def test_tls(certificates):
    key, certificate = certificates
    server = fake.Running(grpc.ssl_server_credentials([(key, certificate)]))
    trusting = grpc.ssl_channel_credentials(certificate)
    with Client(server.address, credentials=trusting) as client:
        assert client.extract([b"a"]).shape == (1, 4)
    with Client(server.address, retries=0, timeout=5) as client:
        with pytest.raises(ServerError, match="without TLS"):
            client.extract([b"a"])
    # The machine's own authorities have not signed it.
    credentials = grpc.ssl_channel_credentials()
    with Client(
        server.address, retries=0, timeout=5, credentials=credentials
    ) as client:
        with pytest.raises(ServerError, match="with TLS"):
            client.extract([b"a"])
    server.kill()


def test_tls_of_both_sides(certificates):
    key, certificate = certificates
    server = fake.Running(
        grpc.ssl_server_credentials([(key, certificate)], certificate, True)
    )
    both = grpc.ssl_channel_credentials(certificate, key, certificate)
    with Client(server.address, credentials=both) as client:
        assert client.extract([b"a"]).shape == (1, 4)
    one = grpc.ssl_channel_credentials(certificate)
    with Client(server.address, retries=0, timeout=5, credentials=one) as client:
        with pytest.raises(ServerError, match="with TLS"):
            client.extract([b"a"])
    server.kill()
