"""What the client says where a server did not answer: what, where, and what to do."""

import re
from dataclasses import dataclass

import grpc

from tfipgan.errors import InputError
from tfipgan.serving.client_messages import STATES

_CODES = grpc.StatusCode
_MESSAGE_LENGTH = 300
# gRPC's words, of which the second are older.
_OTHER_NAME = re.compile("Hostname Verification|not in peer certificate")
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


class ServerError(OSError):
    """The server can't be reached, stopped answering, or failed. One line."""


class RefusedError(InputError):
    """The server refused what was in a request (INVALID_ARGUMENT)."""


class TooLargeError(InputError):
    """A request or its answer is larger than the server or the client takes."""


@dataclass(frozen=True)
class Attempt:
    """What was asked, and how.

    Attributes:
        model, server: names; `where` has both.
        tls, label, timeout: as they were given.
        tries: made.
        answered: whether the server has answered before.
        tls_name: the name that the certificate must have, or None for the host.
        proxy: the environment's variable that gives gRPC a proxy for it, or None.
    """

    model: str
    server: str
    tls: bool
    label: str | None
    timeout: float
    tries: int
    answered: bool
    tls_name: str | None = None
    proxy: str | None = None

    @property
    def where(self) -> str:
        return f"model {self.model} at {self.server}"


def failure(error: grpc.RpcError, attempt: Attempt) -> Exception:
    """Return what to raise for a failed call, other than for NOT_FOUND."""
    code, where = error.code(), attempt.where
    text = short(error.details() or code.name)
    tried = f" ({attempt.tries} tries)" if attempt.tries > 1 else ""
    by_proxy = ""
    if attempt.proxy is not None and not attempt.answered:
        by_proxy = (
            f"; {attempt.proxy} is set, so a proxy was asked: if it doesn't lead "
            "there, put the host into no_proxy"
        )
    if is_too_large(error):
        return TooLargeError(f"{where}: {text}")
    if code == _CODES.INVALID_ARGUMENT and "version label" in text:
        return InputError(
            f"{where} has no version label {attempt.label!r}: give --version or "
            "another --label, or see version_labels in the server's models.config"
        )
    # Inputs that the signature lacks are the fault of the model, not of an image.
    if code == _CODES.INVALID_ARGUMENT and "ignature" not in text:
        return RefusedError(f"{where} refused it: {text}")
    if code in (_CODES.INVALID_ARGUMENT, _CODES.FAILED_PRECONDITION):
        return InputError(
            f"{where} can't answer this: {text}; {expected(attempt.model)}"
        )
    if code == _CODES.UNAVAILABLE and attempt.answered:
        return ServerError(
            f"the server at {attempt.server} stopped answering{tried}: {text}; start "
            "the server again, then this command"
        )
    if code == _CODES.UNAVAILABLE and _OTHER_NAME.search(text):
        return ServerError(
            f"the certificate of {attempt.server} is not for "
            f"{attempt.tls_name or _host(attempt.server)}: give the name that is in "
            "it as --tls-name, or ask the server by that name"
        )
    if code == _CODES.UNAVAILABLE and _UNTRUSTED in text:
        return ServerError(
            f"the certificate of {attempt.server} is not trusted: {text}; give who "
            "signed it as --ca"
        )
    if code == _CODES.UNAVAILABLE:
        tls = "with TLS" if attempt.tls else "without TLS"
        return ServerError(
            f"no gRPC server answers at {attempt.server} {tls}{tried}: {text}; start "
            "one (tfipgan serve, or TensorFlow Serving), or check host, port (8500 "
            f"is usual; 8501 is REST) and --tls{by_proxy}"
        )
    if code == _CODES.DEADLINE_EXCEEDED:
        return ServerError(
            f"{where} gave no answer within {attempt.timeout:g} s{tried}: give a "
            f"longer --timeout or a smaller --batch-size{by_proxy}"
        )
    if code == _CODES.RESOURCE_EXHAUSTED:
        return ServerError(
            f"{where} is too busy{tried}: {text}; ask again later, or with fewer "
            "--in-flight"
        )
    if code == _CODES.UNIMPLEMENTED:
        return ServerError(
            f"the gRPC server at {attempt.server} is not TensorFlow Serving: {text}; "
            "check host and port"
        )
    return ServerError(f"{where} failed: {code.name}: {text}")


def not_there(attempt: Attempt, status, asked=None, before=None) -> InputError:
    """Return what to raise for NOT_FOUND, which says neither what is there nor why.

    Args:
        attempt: that failed.
        status: the server's ModelVersionStatus of each version, or the code with which
            it refused to tell.
        asked: version that was asked for, or None.
        before: version that answered until now, or None.
    """
    where = f"{attempt.where} is not there"
    if status == _CODES.NOT_FOUND:
        return InputError(
            f"{where}: the server has no model of this name; expected {attempt.model}, "
            "as `tfipgan export` names its folder"
        )
    if isinstance(status, grpc.StatusCode):
        return InputError(f"{where}, and its status neither ({status.name})")
    states = []
    for found in sorted(status, key=lambda version: version.version):
        state = STATES.get(found.state, str(found.state))
        why = f" ({short(found.status.error_message)})"
        states.append(
            f"{found.version} is {state}{why if found.status.error_code else ''}"
        )
    known = f"there are: {', '.join(states) or 'none'}"
    if asked is None and before is not None:
        return InputError(
            f"{where}: version {before} answered until now; {known}; one result is of "
            "one version: ask again"
        )
    wanted = "any version" if asked is None else f"version {asked}"
    return InputError(
        f"{where}: asked for {wanted}, of which {known}; wait until it is AVAILABLE, "
        "or give another --version"
    )


def expected(model: str) -> str:
    """Words for an error message."""
    return f"expected what `tfipgan export {model}` writes"


def is_too_large(error: grpc.RpcError) -> bool:
    """Whether a smaller request may pass; gRPC and the server's batching say so."""
    return "larger than max" in (error.details() or "")


def is_certificate(error: grpc.RpcError) -> bool:
    """Whether the server's certificate was refused, which waiting doesn't change."""
    text = error.details() or ""
    return _UNTRUSTED in text or _OTHER_NAME.search(text) is not None


def _host(server: str) -> str:
    return server.rpartition(":")[0].strip("[]")


def short(text: str) -> str:
    """Return a server's message on one line, without the nodes of its graph."""
    text = " ".join(text.split("[[")[0].split())
    if len(text) > _MESSAGE_LENGTH:
        return text[:_MESSAGE_LENGTH] + "..."
    return text.rstrip(".;: ")
