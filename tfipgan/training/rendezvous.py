"""Workers that wait for one another before TensorFlow does, and see who is gone.

TensorFlow's own wait takes an hour, names nobody and hears no Ctrl-C.
"""

import logging
import re
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import closing

from tfipgan.config.workers import VARIABLE
from tfipgan.errors import InputError, shorten
from tfipgan.files.worker import Worker

# Workers look through their own images before they come.
WAIT_SECONDS = 30 * 60
_ASK_AGAIN_SECONDS = 0.2
_CONNECT_SECONDS = 2.0
# How long a worker that has failed may take to end.
_ENDING_SECONDS = 5.0

_ADDRESS = re.compile(r"(.+):(\d{1,5})")

logger = logging.getLogger(__name__)


def check_addresses(addresses: Sequence[str]) -> None:
    """Raise InputError unless all are "host:port" and no two the same."""
    for index, address in enumerate(addresses):
        found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if not found or not 0 < int(found[2]) < 2**16:
            raise InputError(
                f"{VARIABLE} has the address {shorten(address)} of worker {index}; "
                "expected host:port, with a port from 1 to 65535"
            )
        if address in addresses[:index]:
            raise InputError(
                f"{VARIABLE} has the address {address} of worker {index} twice; "
                "expected another port, or host, for each worker"
            )


def wait_for_others(worker: Worker, addresses: Sequence[str]) -> None:
    """Return once every other worker is there, listening at its address.

    Args:
        worker: this process, which listens at its own address for as long.
        addresses: of all workers, checked.

    Raises:
        InputError: the own port can't be listened at, or a worker has not come in
            WAIT_SECONDS; the message names it.
    """
    port = int(addresses[worker.index].rpartition(":")[2])
    try:
        listening = _listen(port)
    except OSError as error:
        raise InputError(
            f"{worker} can't listen at port {port} of its address "
            f"{addresses[worker.index]} ({error.strerror}); expected a port that no "
            f"other process uses: free it, or give another in {VARIABLE} to all workers"
        ) from error
    missing = [k for k in range(worker.count) if k != worker.index]
    deadline = time.monotonic() + WAIT_SECONDS
    logged = False
    with closing(listening):
        while True:
            missing = [k for k in missing if not _answers(addresses[k])]
            if not missing:
                return
            names = named(missing, addresses)
            if time.monotonic() > deadline:
                raise InputError(
                    f"{worker} has waited {WAIT_SECONDS / 60:g} minutes for {names}; "
                    f"expected all workers of {VARIABLE} to be started: see what that "
                    "one said, and that its address can be reached from here"
                )
            if not logged:
                logger.info("%s waits for %s", worker, names)
                logged = True
            time.sleep(_ASK_AGAIN_SECONDS)


def unreachable_workers(worker: Worker, addresses: Sequence[str]) -> list[int]:
    """Return which other workers no longer listen; none if all still do."""
    others = [k for k in range(worker.count) if k != worker.index]
    deadline = time.monotonic() + _ENDING_SECONDS
    while True:
        gone = [k for k in others if not _answers(addresses[k])]
        if gone or time.monotonic() > deadline:
            return gone
        time.sleep(_ASK_AGAIN_SECONDS)


def named(workers: Iterable[int], addresses: Sequence[str]) -> str:
    """Return workers and their addresses in words."""
    return ", ".join(f"worker {k} ({addresses[k]})" for k in workers)


def _listen(port):
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True
        )
    return socket.create_server(("", port))


def _answers(address):
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS):
            return True
    except OSError:
        return False
