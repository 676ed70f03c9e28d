"""`tfipgan serve`: what it refuses before it serves anything."""

import pytest


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--label", "toy=1"], "'toy=1' is no label; expected MODEL:LABEL=VERSION"),
        (["--label", "toy:stable=x"], "'toy:stable=x' is no label"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--tls-cert", "no.pem"], "File 'no.pem' does not exist"),
        (["--versions", "some"], "'some' is not one of 'latest', 'all'"),
    ],
)
def test_usage(tfipgan, tmp_path, words, text):
    result = tfipgan("serve", tmp_path, *words)
    assert result.exit_code == 2
    assert text in result.stderr


@pytest.fixture
def refused_to_serve(tfipgan, tmp_path):
    """Function of words: the line after the one that says which server this is."""

    def run(*words):
        result = tfipgan("serve", tmp_path, "--port", 0, *words)
        assert isinstance(result.exception, SystemExit), result.exception
        assert (result.exit_code, result.stdout) == (1, "")
        told, line = result.stderr.splitlines()
        assert "not TensorFlow Serving" in told
        return line.removeprefix("Error: ").replace(str(tmp_path), "MODELS")

    return run


def test_models_that_are_none(refused_to_serve, tmp_path):
    assert refused_to_serve().startswith("MODELS is empty; expected")
    (tmp_path / "toy" / "new").mkdir(parents=True)
    assert refused_to_serve().startswith("MODELS holds no version of a model; expected")
    (tmp_path / "toy" / "1").mkdir()
    assert refused_to_serve().startswith("MODELS/toy/1 holds no saved_model.pb; ")
    (tmp_path / "toy" / "1" / "saved_model.pb").write_bytes(b"noise")
    assert refused_to_serve().startswith("MODELS/toy/1 can't be loaded: ")
    line = refused_to_serve("--label", "no:stable=1")
    assert line == "label stable: no model no in MODELS; expected one of toy"


def test_tls_files(refused_to_serve, tmp_path):
    (tmp_path / "toy" / "1").mkdir(parents=True)
    pem = tmp_path / "a.pem"
    pem.write_text("no certificate")
    line = refused_to_serve("--tls-cert", pem)
    assert line.startswith("one of certificate and key is missing")
    line = refused_to_serve("--tls-client-ca", pem)
    assert line.startswith("a client CA, MODELS/a.pem, without a certificate of the")
    line = refused_to_serve("--tls-cert", pem, "--tls-key", pem)
    assert line.startswith("MODELS/a.pem, MODELS/a.pem: ")
    assert "expected a certificate, its key" in line


def test_host_that_is_not_ours(refused_to_serve, tmp_path):
    (tmp_path / "toy" / "1").mkdir(parents=True)
    line = refused_to_serve("--host", "192.0.2.1")
    assert line.startswith("192.0.2.1:0 can't be listened on: ")
