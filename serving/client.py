"""A client of TensorFlow Serving's gRPC interface, for the two exported models.

It needs no TensorFlow, and asks any server that speaks the protocol: the stock
`tensorflow_model_server` or `tfipgan serve`.
"""

import ipaddress
import logging
import os
import re
import threading
import urllib.request
from collections.abc import Mapping, Sequence

import grpc
import numpy as np

from tfipgan.errors import ConfigError, InputError
from tfipgan.serving import client_messages as messages
from tfipgan.serving.client_errors import (
    Attempt,
    ServerError,
    expected,
    failure,
    is_certificate,
    is_too_large,
    not_there,
)

TRANSLATOR, EXTRACTOR = "translator", "extractor"
# gRPC's default of 4 MiB is less than a batch of larger translated images.
MAX_REPLY_BYTES = 2**28
_FIRST_PAUSE = 0.5  # seconds; doubled before each further try
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_CODES = grpc.StatusCode
# As gRPC looks for them.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
# Predict changes nothing on the server, so that it may be asked again even where it
# may have answered already. The queue of a server that batches is full for moments.
_RETRIED = (_CODES.UNAVAILABLE, _CODES.DEADLINE_EXCEEDED, _CODES.RESOURCE_EXHAUSTED)

logger = logging.getLogger(__name__)


class Client:
    """One channel to one server; may be used by several threads at once.

    Args:
        server: HOST:PORT of the gRPC interface, or unix:PATH.
        version: of the model to ask; label: the same by the server's name for it. With
            neither, the latest version; whichever answers first is asked for from then
            on, so that two versions never make one result.
        timeout: seconds for one try.
        retries: further tries where the server is not there, too late or too busy.
        credentials: of TLS, from `grpc.ssl_channel_credentials`; None for no TLS.
        tls_name: that the server's certificate must have; None is the server's host.

    Attributes:
        versions: {model: version} of what has answered.

    Raises:
        ConfigError: `server` is not an address, or both a version and a label.
    """

    def __init__(
        self,
        server: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        credentials: grpc.ChannelCredentials | None = None,
        tls_name: str | None = None,
    ):
        if version is not None and label is not None:
            raise ConfigError("both a version and a label; expected one of them")
        self.server = _address(server)
        self.versions: dict[str, int] = {}
        self._version, self._label = version, label
        self._timeout, self._retries = timeout, retries
        self._tls, self._tls_name = credentials is not None, tls_name
        self._lock = threading.Lock()
        self._closed = threading.Event()
        options = [
            ("grpc.max_receive_message_length", MAX_REPLY_BYTES),
            ("grpc.max_send_message_length", -1),
            # Retries are counted here; a server that comes back is found within one.
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if tls_name is not None:
            options.append(("grpc.ssl_target_name_override", tls_name))
        if is_near(self.server):
            # No proxy knows what listens on this machine.
            options.append(("grpc.enable_http_proxy", 0))
        if credentials is None:
            self._channel = grpc.insecure_channel(self.server, options)
        else:
            self._channel = grpc.secure_channel(self.server, credentials, options)
        self._predict = self._channel.unary_unary(
            messages.PREDICT,
            messages.PredictRequest.SerializeToString,
            messages.PredictResponse.FromString,
        )
        self._get_status = self._channel.unary_unary(
            messages.GET_MODEL_STATUS,
            messages.GetModelStatusRequest.SerializeToString,
            messages.GetModelStatusResponse.FromString,
        )

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self) -> None:
        """End the channel; calls under way in other threads fail at once."""
        self._closed.set()
        self._channel.close()

    def extract(self, images: Sequence[bytes]) -> np.ndarray:
        """Return the embeddings of image files, float32 (N, D).

        Raises:
            RefusedError, TooLargeError: the server doesn't take these images.
            InputError: it has no such model, version or label.
            ServerError: it can't be reached or failed.
        """
        inputs = {"image_bytes": messages.bytes_tensor(images)}
        (rows,) = self.predict(EXTRACTOR, inputs, ("embedding",))
        if rows.dtype != np.float32 or rows.ndim != 2 or len(rows) != len(images):
            raise self._not_ours(EXTRACTOR, rows)
        if not np.isfinite(rows).all():
            raise ServerError(
                f"model {EXTRACTOR} at {self.server} answered with NaN or infinity; "
                "expected finite embeddings: look for a diverged network"
            )
        return rows

    def translate(self, images: Sequence[bytes], camera: int) -> list[bytes]:
        """Return N image files in the style of the target's camera of this number.

        Raises:
            RefusedError: also if the server doesn't know the camera; else as `extract`.
        """
        inputs = {
            "image_bytes": messages.bytes_tensor(images),
            "camera": messages.int32_tensor([camera] * len(images)),
        }
        (files,) = self.predict(TRANSLATOR, inputs, ("image_bytes",))
        if files.dtype != object or files.shape != (len(images),):
            raise self._not_ours(TRANSLATOR, files)
        return files.tolist()

    def translate_all(
        self, images: Sequence[bytes]
    ) -> tuple[list[list[bytes]], tuple[int, ...]]:
        """Return N rows of L image files, and the numbers of those L cameras.

        It raises what `extract` does.
        """
        inputs = {"image_bytes": messages.bytes_tensor(images)}
        names = ("image_bytes", "cameras")
        files, cameras = self.predict(TRANSLATOR, inputs, names, "all_cameras")
        if files.dtype != object or files.ndim != 2 or len(files) != len(images):
            raise self._not_ours(TRANSLATOR, files)
        if (
            cameras.dtype != np.int32
            or cameras.shape != files.shape
            or (cameras != cameras[:1]).any()
        ):
            raise self._not_ours(TRANSLATOR, cameras)
        return files.tolist(), tuple(cameras[0].tolist()) if len(cameras) else ()

    def predict(
        self,
        model: str,
        inputs: Mapping[str, object],
        outputs: Sequence[str],
        signature: str = "serving_default",
    ) -> list[np.ndarray]:
        """Ask for some of a signature's outputs; see `client_messages` for tensors.

        It raises what `extract` does.
        """
        spec = {"name": model, "signature_name": signature}
        with self._lock:
            version = self.versions.get(model, self._version)
        if version is not None:
            spec["version"] = {"value": version}
        elif self._label is not None:
            spec["version_label"] = self._label
        request = messages.PredictRequest(model_spec=spec, inputs=inputs)
        response = self._call(request, model)
        self._note_version(model, response.model_spec)
        missing = [name for name in outputs if name not in response.outputs]
        if missing:
            raise InputError(
                f"model {model} at {self.server} answered without {missing[0]}; "
                f"{expected(model)}"
            )
        try:
            return [messages.array_of(response.outputs[name]) for name in outputs]
        except InputError as error:
            raise InputError(
                f"model {model} at {self.server} answered with {error}; "
                f"{expected(model)}"
            ) from None

    def _call(self, request, model):
        pause = _FIRST_PAUSE
        for tries in range(1, self._retries + 2):
            try:
                return self._predict(request, timeout=self._timeout)
            except grpc.RpcError as error:
                lasting = is_too_large(error) or is_certificate(error)
                again = error.code() in _RETRIED and not lasting
                # A wait that ends early: the client was closed.
                if not again or tries > self._retries or self._closed.wait(pause):
                    raise self._failure(error, model, tries) from None
                pause *= 2
            except ValueError:
                # gRPC's word for a channel that was closed in another thread.
                raise ServerError(f"the client of {self.server} was closed") from None

    def _note_version(self, model, spec):
        if not spec.HasField("version"):
            return
        with self._lock:
            first = model not in self.versions
            self.versions.setdefault(model, spec.version.value)
        if first:
            logger.info(
                "%s version %d at %s answers", model, spec.version.value, self.server
            )

    def _failure(self, error, model, tries):
        attempt = Attempt(
            model,
            self.server,
            tls=self._tls,
            label=self._label,
            timeout=self._timeout,
            tries=tries,
            answered=bool(self.versions),
            tls_name=self._tls_name,
            proxy=_proxy(self.server),
        )
        if error.code() != _CODES.NOT_FOUND:
            return failure(error, attempt)
        request = messages.GetModelStatusRequest(model_spec={"name": model})
        try:
            status = self._get_status(request, timeout=min(self._timeout, 10.0))
        except grpc.RpcError as untold:
            return not_there(attempt, untold.code())
        return not_there(
            attempt,
            status.model_version_status,
            asked=self._version,
            before=self.versions.get(model),
        )

    def _not_ours(self, model, array):
        return InputError(
            f"model {model} at {self.server} answered with {array.dtype} of shape "
            f"{array.shape}; {expected(model)}"
        )


def is_near(server: str) -> bool:
    """Whether an address is of this machine: its loopback, or a unix socket."""
    if server.startswith("unix:"):
        return True
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxy(server: str) -> str | None:
    """Return the variable that gives gRPC a proxy for a server, or None."""
    listed = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy", "")
    host = server.rpartition(":")[0]
    if is_near(server) or urllib.request.proxy_bypass_environment(host, {"no": listed}):
        return None
    return next((name for name in _PROXIES if os.environ.get(name)), None)


def _address(server: str) -> str:
    if server.startswith("unix:") and len(server) > len("unix:"):
        return server
    match = _ADDRESS.fullmatch(server)
    if match is None or not 0 < int(match[2]) < 2**16:
        raise ConfigError(
            f"server is {server!r}, expected HOST:PORT such as localhost:8500"
        )
    return server
