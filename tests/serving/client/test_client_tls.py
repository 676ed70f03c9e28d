"""The client and TLS."""

import subprocess

import fake_serving as fake
import grpc
import pytest

from tfipgan.serving.client import Client
from tfipgan.serving.client_errors import ServerError


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
    with Client(server.address, timeout=5, credentials=credentials) as client:
        with pytest.raises(ServerError, match="is not trusted: .*it as --ca$"):
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


def test_a_certificate_of_another_name(certificates):
    key, certificate = certificates
    server = fake.Running(grpc.ssl_server_credentials([(key, certificate)]))
    trusting = {"credentials": grpc.ssl_channel_credentials(certificate), "timeout": 5}
    address = server.address.replace("localhost", "127.0.0.1")
    with Client(address, tls_name="localhost", **trusting) as client:
        assert client.extract([b"a"]).shape == (1, 4)
    for host, options in (("127.0.0.1", {}), ("other", {"tls_name": "other"})):
        with Client(address, **options, **trusting) as client:
            with pytest.raises(ServerError) as failure:
                client.extract([b"a"])
        assert str(failure.value) == (
            f"the certificate of {address} is not for {host}: give the name that is in "
            "it as --tls-name, or ask the server by that name"
        )
    server.kill()
