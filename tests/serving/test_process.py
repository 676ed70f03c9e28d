"""`tfipgan serve` as a process: its start, its end, and TLS."""

import re
import shutil
import signal
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc


@pytest.fixture
def serving(write_version, tmp_path):
    """Function of options: a started process and the address it has printed."""
    processes = []
    write_version(tmp_path / "models", "toy", 1)

    def start(*options):
        # Python code in place of the script: the checkout may not be installed.
        code = "import sys; from tfipgan.cli.main import main; main()"
        words = [sys.executable, "-c", code, "serve", tmp_path / "models", "--port=0"]
        log = open(tmp_path / "log", "w")
        with log:
            process = subprocess.Popen(
                [*map(str, words), *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        processes.append(process)
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"127\.0\.0\.1:\d+", address), log_of()
        return process, address

    def log_of():
        return (tmp_path / "log").read_text()

    start.log = log_of
    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_stops_when_all_is_finished(serving, request_of):
    process, address = serving("--threads", "1", "--merge-rows", "1")
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        slow = request_of("toy", "sleep", seconds=np.array([1.2], np.float32))
        pending = [stub.Predict.future(slow) for _ in range(2)]
        time.sleep(0.6)
        process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        time.sleep(0.2)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(slow, timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        # One was being run, the other waited for its turn.
        for future in pending:
            assert future.result().outputs["seconds"].float_val[0] == np.float32(1.2)
        watch.cancel()
    assert process.wait(10) == 0
    lines = serving.log().splitlines()
    assert "not TensorFlow Serving" in lines[0]
    assert "SIGTERM: finishing the requests under way" in lines
    assert len(lines) == 4, lines


def test_requests_without_end_are_cut_off(serving, request_of):
    process, address = serving("--grace", "0.5")
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        slow = request_of("toy", "sleep", seconds=np.array([3000], np.float32))
        pending = stub.Predict.future(slow)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert pending.exception() is not None
    assert process.wait(10) == 0


def make_certificate(folder, name, *options):
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    words = [*words.split(), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    words += ["-keyout", key, "-out", certificate]
    subprocess.run([*map(str, words), *options], check=True, capture_output=True)
    return key, certificate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_tls(running, write_version, request_of, tmp_path):
    from tfipgan.errors import InputError
    from tfipgan.serving.server import Server, ServerOptions

    key, certificate = make_certificate(tmp_path, "server")
    client_key, client_certificate = make_certificate(tmp_path, "client")
    write_version(tmp_path / "models", "toy", 1)
    request = request_of("toy", "double", number=np.int64(4))

    def ask(address, **credentials):
        made = grpc.ssl_channel_credentials(certificate.read_bytes(), **credentials)
        with grpc.secure_channel(address, made) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            return stub.Predict(request, timeout=5).outputs["number"].int64_val[0]

    tls = {"tls_key": key, "tls_cert": certificate}
    with running(tmp_path / "models", **tls) as served:
        assert ask(served.server.address) == 8
        with pytest.raises(grpc.RpcError):
            served.prediction.Predict(request, timeout=1)
    with running(tmp_path / "models", **tls, client_ca=client_certificate) as served:
        pair = {
            "private_key": client_key.read_bytes(),
            "certificate_chain": client_certificate.read_bytes(),
        }
        assert ask(served.server.address, **pair) == 8
        with pytest.raises(grpc.RpcError):
            ask(served.server.address)
    wrong = ServerOptions(port=0, tls_key=client_key, tls_cert=certificate)
    with pytest.raises(InputError, match="expected a certificate, its key"):
        Server(tmp_path / "models", wrong)
