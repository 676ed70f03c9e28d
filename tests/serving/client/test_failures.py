"""What the client says when something goes wrong, and what it tries again."""

import threading
import time

import fake_serving as fake
import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2 as status_pb2

from tfipgan.errors import ConfigError, InputError
from tfipgan.serving import client as client_module
from tfipgan.serving import (
    client_messages,
)
from tfipgan.serving.client import Client
from tfipgan.serving.client_errors import RefusedError, ServerError

Code = grpc.StatusCode


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
    with Client(running.address, timeout=0.6, retries=1) as client:
        with pytest.raises(ServerError, match=r"no answer within 0.6 s \(2 tries\)"):
            client.extract([b"a"])
    serving.hold.set()
    assert len(serving.requests) == 2


def test_nobody_there():
    with Client("localhost:1", retries=0) as client:
        with pytest.raises(ServerError, match="localhost:1 without TLS: .*--tls"):
            client.extract([b"a"])


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
    serving.change = fake.changed(output, values)
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
    serving.change = fake.changed("embedding", row)
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


@pytest.fixture
def proxy(monkeypatch):
    """Only this proxy is in the environment, and nobody there."""
    for name in ("grpc_proxy", "https_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_no_proxy_on_this_machine(proxy, running, host):
    port = running.address.partition(":")[2]
    with Client(f"{host}:{port}", retries=0) as client:
        assert client.extract([b"a"]).shape == (1, 4)
    with Client("localhost:1", retries=0) as client:
        with pytest.raises(ServerError) as failure:
            client.extract([b"a"])
    assert "proxy" not in str(failure.value)


@pytest.mark.parametrize(
    ("server", "near"),
    [("[::1]:1", True), ("127.1.2.3:1", True), ("a.localhost:1", True),
     ("unix:a", True), ("10.0.0.1:1", False), ("localhost.com:1", False),
     ("[fe80::1%eth0]:1", False)],
)  # fmt: skip
def test_what_is_on_this_machine(server, near):
    assert client_module.is_near(server) == near


def test_a_proxy_on_the_way_is_named(proxy):
    with Client("10.0.0.1:1", retries=0, timeout=5) as client:
        with pytest.raises(ServerError) as failure:
            client.extract([b"a"])
    line = str(failure.value)
    assert "10.0.0.1:1" in line and "\n" not in line
    assert "; http_proxy is set, so a proxy was asked: if it" in line
    assert line.endswith("put the host into no_proxy")


def test_a_host_that_no_proxy_is_asked_for(proxy, monkeypatch):
    assert client_module._proxy("serving.example.com:1") == "http_proxy"
    monkeypatch.setenv("no_proxy", "10.0.0.2, example.com")
    assert client_module._proxy("serving.example.com:1") is None
    assert client_module._proxy("10.0.0.1:1") == "http_proxy"
