"""The failures of a request: gRPC's code and a text as the stock server words it."""

import re

import grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}
LONGEST_TEXT = 1024

_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\}\s*")
_ROOT = re.compile(r"^\(\d+\) [A-Z_]+: ")
_SAYS_LITTLE = ("Graph execution error", "Detected at node", "Original stack trace")


class RequestError(Exception):
    """A request that gets no answer.

    Attributes:
        code: a `grpc.StatusCode`.
        text: str of no more than 1024 bytes and a mark of the cut.
    """

    def __init__(self, code, text):
        self.code = code
        self.text = _cut(text)
        super().__init__(self.text)


def from_tensorflow(error):
    """`RequestError` of a `tf.errors.OpError`: its code, and the line that says why."""
    return RequestError(CODES[error.error_code], first_line(error))


def first_line(error):
    """Return the line of a `tf.errors.OpError` that says why, without node names."""
    for line in str(error.message).splitlines():
        line = _ROOT.sub("", _FUNCTION.sub("", line.strip()))
        # With several failures at once, a line with their number comes first.
        counts = line.endswith("root error(s) found.")
        if line and not counts and not line.startswith(_SAYS_LITTLE):
            return line
    return "no message"


def _cut(text):
    # Bytes, not characters: gRPC sends up to three for each, and has a limit of 8 kB.
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= LONGEST_TEXT:
        return text
    return encoded[:LONGEST_TEXT].decode("utf-8", "ignore") + "...TRUNCATED"
