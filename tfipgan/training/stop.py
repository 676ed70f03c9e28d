"""SIGTERM and Ctrl-C: a training ends where it can go on."""

import logging
import os
import signal
import socket
import threading
import time

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Some that send one, such as `timeout`, send it to the process and then to its group.
AT_ONCE_SECONDS = 0.5

logger = logging.getLogger(__name__)


class StopSignals:
    """Notes the first signal in `received`, for who asks; a second ends the process.

    Python's handlers wait for the operation under way, which may be a step of minutes.
    So a thread reads what the system's own handler writes, and answers at once. Outside
    of the main thread, where Python takes no handlers, nothing is noted. A signal that
    the process was started to ignore stays ignored.
    """

    def __init__(self):
        self.received: signal.Signals | None = None
        self._handlers = {}
        self._writer = None

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(
            self._writer.fileno(), warn_on_full_buffer=False
        )
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._note)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *failure):
        if self._writer is None:
            return
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def _note(self, number, frame):
        self.received = self.received or signal.Signals(number)

    def _watch(self):
        first = None
        while data := self._reader.recv(1):
            number = data[0]
            if number not in self._handlers:
                continue
            if first is None:
                first = time.monotonic()
                logger.warning(
                    "%s: the step under way is finished and saved; another signal ends "
                    "the process at once",
                    signal.Signals(number).name,
                )
            elif time.monotonic() - first > AT_ONCE_SECONDS:
                # Whatever is being written is written aside.
                os._exit(128 + number)
