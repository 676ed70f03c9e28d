"""The files for the stock server: that they parse, and agree with each other."""

import inspect
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)
from tensorflow_serving.config import model_server_config_pb2

from tfipgan.serving import client, client_files

FOLDER = Path(client.__file__).parent
NAMES = (
    "models.config", "batching_parameters.txt", "monitoring.config", "ssl.config",
    "docker-compose.yml",
)  # fmt: skip


@pytest.fixture(scope="module")
def models():
    text = (FOLDER / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return {model.name: model for model in config.model_config_list.config}


@pytest.fixture(scope="module")
def service():
    compose = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())
    (service,) = compose["services"].values()
    return service


@pytest.fixture(scope="module")
def flags(service):
    """{name: value} of the server's flags."""
    return dict(
        re.fullmatch(r"--(\w+)=(.*)", word).groups() for word in service["command"]
    )


def message(**fields):
    """A message class with fields of a name and a type, numbered from 1.

    tensorflow-serving-api brings none for these files; text needs no numbers.
    """
    file = descriptor_pb2.FileDescriptorProto(name="c.proto", package="c")
    wrapper = file.message_type.add(name="Value")
    wrapper.field.add(name="value", number=1, label=1, type=3)
    prometheus = file.message_type.add(name="Prometheus")
    prometheus.field.add(name="enable", number=1, label=1, type=8)
    prometheus.field.add(name="path", number=2, label=1, type=9)
    config = file.message_type.add(name="Config")
    for number, (name, kind) in enumerate(fields.items(), 1):
        field = config.field.add(name=name, number=number, label=1)
        if isinstance(kind, str):
            field.type, field.type_name = 11, f".c.{kind}"
        else:
            field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("c.Config"))()


def parsed(name, **fields):
    return text_format.Parse((FOLDER / name).read_text(), message(**fields))


def test_they_are_installed_with_the_package():
    there = {entry.name for entry in resources.files("tfipgan.serving").iterdir()}
    assert set(NAMES) <= there


def test_the_models_are_those_that_the_client_asks_for(models, service):
    assert set(models) == {client.TRANSLATOR, client.EXTRACTOR}
    inside = service["volumes"][0].rpartition("}:")[2].removesuffix(":ro")
    for name, model in models.items():
        assert model.base_path == f"{inside}/{name}"
        assert model.model_platform == "tensorflow"
        assert model.model_version_policy.WhichOneof("policy_choice") == "all"
        assert dict(model.version_labels) == {"stable": 1}


def test_batching_takes_the_requests_of_the_client():
    names = (
        "max_batch_size", "batch_timeout_micros", "num_batch_threads",
        "max_enqueued_batches",
    )  # fmt: skip
    config = parsed("batching_parameters.txt", **dict.fromkeys(names, "Value"))
    assert all(config.HasField(name) for name in names)
    sent = inspect.signature(client_files.extract_files).parameters["batch_size"]
    assert config.max_batch_size.value >= sent.default


def test_monitoring():
    config = parsed("monitoring.config", prometheus_config="Prometheus")
    assert config.prometheus_config.enable
    assert config.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_tls():
    fields = dict.fromkeys(("server_key", "server_cert", "custom_ca"), 9)
    config = parsed("ssl.config", **fields, client_verify=8)
    for pem in (config.server_key, config.server_cert):
        assert re.fullmatch(
            r"-----BEGIN [A-Z ]+-----\n.*\n-----END [A-Z ]+-----\n", pem
        )


def test_the_flags_name_files_that_are_there(flags, service):
    inside = service["volumes"][1].split(":")[1]
    assert service["volumes"][1].split(":")[0] == "."
    files = [value for name, value in flags.items() if name.endswith("_file")]
    assert len(files) == 3
    for file in files:
        assert file.startswith(f"{inside}/")
        assert (FOLDER / file.removeprefix(f"{inside}/")).is_file()
    # A batching file without the flag, and labels without theirs, end the server.
    assert flags["enable_batching"] == "true"
    assert flags["allow_version_labels_for_unavailable_models"] == "true"


def test_the_ports_are_those_of_the_image_and_stay_on_this_machine(service):
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    assert service["image"].startswith("tensorflow/serving:")


@pytest.mark.parametrize(
    ("states", "healthy"),
    [
        ({"translator": "AVAILABLE", "extractor": "AVAILABLE"}, True),
        ({"translator": "AVAILABLE", "extractor": "LOADING"}, False),
        ({"translator": "END", "extractor": "AVAILABLE"}, False),
        ({"translator": "AVAILABLE"}, False),
        (None, False),
    ],
)
def test_the_health_check_asks_for_the_state_of_each_model(service, states, healthy):
    """Its very words, against the answers that the server's REST form gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state = states.get(self.path.removeprefix("/v1/models/"))
            self.send_response(200 if state else 404)
            self.end_headers()
            body = f'{{"model_version_status": [{{"state": "{state}"}}]}}'
            self.wfile.write(body.encode())

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if states is None:
            server.shutdown()
            server.server_close()
        kind, *command = service["healthcheck"]["test"]
        assert kind == "CMD" and command[-1].count("8501") == 1
        # Compose takes $ for its own variables, and $$ for a $.
        command[-1] = command[-1].replace("$$", "$").replace("8501", str(port))
        result = subprocess.run(command, capture_output=True, timeout=20)
        if states is not None:
            server.shutdown()
    assert (result.returncode == 0) == healthy, result.stderr
