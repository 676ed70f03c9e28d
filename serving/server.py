"""A gRPC server that speaks TensorFlow Serving's protocol, for a laptop or a test."""

import concurrent.futures
import dataclasses
import logging
import ssl
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from tfipgan.errors import InputError
from tfipgan.serving.batching import RequestQueue
from tfipgan.serving.model_store import ModelStore, State
from tfipgan.serving.prediction import prepare, respond
from tfipgan.serving.serving_metrics import Metrics
from tfipgan.serving.status import RequestError

log = logging.getLogger(__name__)

LONGEST_DEADLINE = 1e6

# "" is the server as a whole; the short names are the stock server's.
HEALTH_SERVICES = (
    "",
    "PredictionService",
    "ModelService",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
)


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """How a server listens and works.

    Attributes:
        host: address to listen on.
        port: int; 0 takes a free one.
        all_versions: serve all versions of each model, not the highest only.
        labels: (model, label, version) tuples.
        poll_seconds: how often new versions are looked for.
        capacity: how many requests may wait.
        merge_rows: most rows of a run of several requests; 1 runs each by itself.
        largest_rows: most rows of one request.
        workers: runs at the same time.
        message_bytes: largest request.
        tensor_content: answer with raw bytes in place of typed fields.
        tls_cert, tls_key, client_ca: paths of PEM files, or None.
        metrics_port: port for Prometheus on `host`, or None.
    """

    host: str = "127.0.0.1"
    port: int = 8500
    all_versions: bool = False
    labels: tuple = ()
    poll_seconds: float = 1.0
    capacity: int = 256
    merge_rows: int = 8
    largest_rows: int = 1024
    workers: int = 1
    message_bytes: int = 64 * 2**20
    tensor_content: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    metrics_port: int | None = None


class Server:
    """Serves the models of a folder until `stop`.

    Attributes:
        address: "host:port" that it listens on, once started.
        metrics_address: the same for Prometheus, or None.
    """

    def __init__(self, models, options=None):
        """Look for the models and take the ports; nothing is loaded yet.

        Args:
            models: folder with a folder for each model.
            options: `ServerOptions`.

        Raises:
            InputError: no models, a port that is taken, TLS files that don't fit.
        """
        options = options or ServerOptions()
        self._options = options
        self._metrics = Metrics()
        self._health = health.HealthServicer()
        self._set_health(False)
        self._stop_metrics = None
        self.metrics_address = None
        self._store = ModelStore(
            models,
            all_versions=options.all_versions,
            labels=options.labels,
            on_change=self._note_change,
        )
        credentials = _read_credentials(options)
        self._queue = None
        # A thread for each request that may wait, and some that answer the others.
        threads = options.capacity + options.workers * options.merge_rows + 8
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "request")
        self._server = grpc.server(
            self._pool,
            options=(
                ("grpc.max_receive_message_length", options.message_bytes),
                ("grpc.max_send_message_length", -1),
                # Without, a second server shares the port and gets half the requests.
                ("grpc.so_reuseport", 0),
            ),
        )
        self.address = self._listen(credentials)

    def start(self):
        """Load the models, then answer.

        Health and GetModelStatus answer while the models are being loaded.

        Raises:
            InputError: a model has no version that loads.
        """
        options = self._options
        if options.metrics_port is not None:
            try:
                port, self._stop_metrics = self._metrics.serve(
                    options.host, options.metrics_port
                )
            except OSError as error:
                raise _no_port(options.host, options.metrics_port) from error
            self.metrics_address = _address(options.host, port)
        self._queue = RequestQueue(
            self._metrics,
            capacity=options.capacity,
            merge_rows=options.merge_rows,
            largest_rows=options.largest_rows,
            workers=options.workers,
        )
        self._metrics.waiting.set_function(self._queue.__len__)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(self), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _ModelService(self), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.start()
        try:
            self._store.load()
        except BaseException:
            self.stop(0)
            raise
        self._store.watch(options.poll_seconds)

    def stop(self, grace=None):
        """Take no more requests, finish those under way, unload the models.

        Args:
            grace: seconds after which requests are cut off, or None for as long as they
                take.
        """
        self._health.enter_graceful_shutdown()
        start = time.monotonic()
        # By None gRPC means at once.
        self._server.stop(1e9 if grace is None else grace).wait()
        if grace is not None and time.monotonic() - start >= grace:
            self._store.cancel()
        if self._queue is not None:
            self._queue.close()
        self._pool.shutdown()
        self._store.close()
        if self._stop_metrics is not None:
            self._stop_metrics()

    def predict(self, request, context):
        """Answer a `PredictRequest`."""
        _require_spec(request)
        left = context.time_remaining()
        # Without a deadline some versions of gRPC give the time to the end of days.
        no_deadline = left is None or left > LONGEST_DEADLINE
        deadline = None if no_deadline else time.monotonic() + left
        servable = self._store.hold(request.model_spec)
        try:
            call = prepare(servable, request)
            arrays = self._queue.run(call, deadline, context.is_active)
            return respond(call, arrays, self._options.tensor_content)
        finally:
            servable.release()

    def metadata(self, request):
        """Answer a `GetModelMetadataRequest`."""
        _require_spec(request)
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        if not request.metadata_field:
            text = "GetModelMetadataRequest must specify at least one metadata_field"
            raise RequestError(invalid, text)
        for field in request.metadata_field:
            if field != "signature_def":
                raise RequestError(invalid, f"Metadata field {field} is not supported")
        servable = self._store.hold(request.model_spec)
        try:
            found = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                found.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata["signature_def"].Pack(found)
            return response
        finally:
            servable.release()

    def status(self, request):
        """Answer a `GetModelStatusRequest`."""
        _require_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state, error in self._store.status(request.model_spec):
            entry = response.model_version_status.add(version=version, state=state)
            # OK is zero; the field itself is there in all states.
            entry.status.error_message = error or ""
            if error:
                entry.status.error_code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
        return response

    def answer(self, method, request, context, work):
        """Run `work` for a request; end it with its code where it fails; count it."""
        start = time.monotonic()
        code, text = grpc.StatusCode.OK, ""
        try:
            response = work()
        except RequestError as error:
            code, text = error.code, error.text
        except Exception as error:
            log.exception("%s failed", method)
            code, text = grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
            text = RequestError(code, text).text
        model = request.model_spec.name
        model = model if model in self._store.names else "unknown"
        seconds = time.monotonic() - start
        self._metrics.count(model, method, code.name, seconds)
        if code is not grpc.StatusCode.OK:
            context.abort(code, text)
        return response

    def _listen(self, credentials):
        options = self._options
        address = _address(options.host, options.port)
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            port = 0
        if not port:
            raise _no_port(options.host, options.port)
        return _address(options.host, port)

    def _note_change(self, model, version, state):
        self._metrics.set_served(model, version, state == State.AVAILABLE)
        # Nothing is set any more once the server stops.
        self._set_health(self._store.is_ready())

    def _set_health(self, ready):
        known = health_pb2.HealthCheckResponse
        for service in HEALTH_SERVICES:
            self._health.set(service, known.SERVING if ready else known.NOT_SERVING)


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The other methods of this service answer UNIMPLEMENTED."""

    def __init__(self, server):
        self._server = server

    def Predict(self, request, context):
        return self._server.answer(
            "Predict", request, context, lambda: self._server.predict(request, context)
        )

    def GetModelMetadata(self, request, context):
        return self._server.answer(
            "GetModelMetadata", request, context, lambda: self._server.metadata(request)
        )


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """HandleReloadConfigRequest answers UNIMPLEMENTED."""

    def __init__(self, server):
        self._server = server

    def GetModelStatus(self, request, context):
        return self._server.answer(
            "GetModelStatus", request, context, lambda: self._server.status(request)
        )


def _require_spec(request):
    if not request.HasField("model_spec"):
        raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")


def _read_credentials(options):
    """`grpc.ServerCredentials`, or None without TLS."""
    if options.tls_cert is None and options.tls_key is None:
        if options.client_ca is not None:
            raise InputError(
                f"a client CA, {options.client_ca}, without a certificate of the "
                "server; give its certificate and key too"
            )
        return None
    if options.tls_cert is None or options.tls_key is None:
        raise InputError(
            "one of certificate and key is missing; TLS takes both: give both, or none"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # gRPC itself takes any bytes, and then fails at each connection. Without a
        # password OpenSSL would ask for that of a key at the terminal, and wait.
        context.load_cert_chain(options.tls_cert, options.tls_key, password="")
        if options.client_ca is not None:
            context.load_verify_locations(options.client_ca)
    except ssl.SSLError as error:
        files = f"{options.tls_cert}, {options.tls_key}"
        if options.client_ca is not None:
            files += f", {options.client_ca}"
        raise InputError(
            f"{files}: {error.reason or error}; expected a certificate, its key "
            "without a password, and a client CA, all in PEM form"
        ) from error
    root = options.client_ca.read_bytes() if options.client_ca is not None else None
    return grpc.ssl_server_credentials(
        [(options.tls_key.read_bytes(), options.tls_cert.read_bytes())],
        root_certificates=root,
        require_client_auth=root is not None,
    )


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _no_port(host, port):
    return InputError(
        f"{_address(host, port)} can't be listened on: it is taken, or no address of "
        "this machine; give another --port, --metrics-port or --host"
    )
