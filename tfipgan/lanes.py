"""Commands of this project in processes of their own, some side by side."""

import contextlib
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_SECONDS = 20


@dataclass(frozen=True)
class Command:
    """A `tfipgan` command line, and the name of its log files."""

    name: str
    arguments: tuple[str, ...]

    def __str__(self):
        return shlex.join(("tfipgan", *self.arguments))


class CommandFailed(RuntimeError):
    """A command ended with an error; the message holds its own last line."""


class _Stopped(Exception):
    """A lane ended because another one failed."""


class Lanes:
    """Runs lanes of commands side by side, each lane's commands in order.

    Args:
        logs: folder for NAME.log (stderr) and NAME.out (stdout) of each command.
        say: called with each line of progress.
    """

    def __init__(self, logs: Path, say: Callable[[str], None]):
        self.logs = logs
        self.say = say
        self._started = time.monotonic()
        self._stopping = threading.Event()

    def seconds(self) -> float:
        """Return the seconds since the first lane could have started."""
        return time.monotonic() - self._started

    def output(self, name: str) -> str:
        """Return what a command that has run printed to stdout."""
        return (self.logs / f"{name}.out").read_text()

    def run(self, lanes: Sequence[Sequence[Command]], at_once: int) -> None:
        """Run the lanes, at most `at_once` of them at a time.

        Raises:
            CommandFailed: a command failed; the other lanes were ended.
        """
        with ThreadPoolExecutor(at_once) as pool:
            jobs = [pool.submit(self._run_lane, lane) for lane in lanes]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._stopping.set()
                raise
        # The failure itself comes before those of the lanes that it stopped.
        failures = [job.exception() for job in jobs if job.exception()]
        for failure in sorted(failures, key=lambda error: isinstance(error, _Stopped)):
            raise failure

    def _run_lane(self, lane: Sequence[Command]) -> None:
        try:
            for command in lane:
                if self._stopping.is_set():
                    raise _Stopped
                self._run_command(command)
        except BaseException:
            # Here and not by whoever waits: this thread may take the next lane at once.
            self._stopping.set()
            raise

    def _run_command(self, command: Command) -> None:
        log_path = self.logs / f"{command.name}.log"
        self._say(f"{command.name}: starts")
        began = time.monotonic()
        with (
            log_path.open("w") as log,
            (self.logs / f"{command.name}.out").open("w") as output,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "tfipgan.cli", *command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
            )
            try:
                self._watch(process, command.name, log_path)
            finally:
                process.kill()
        if self._stopping.is_set():
            raise _Stopped
        if process.returncode:
            raise CommandFailed(
                f"`{command}` failed with exit code {process.returncode}: "
                f"{_last_line(log_path)} (all of its log: {log_path})"
            )
        self._say(f"{command.name}: done in {time.monotonic() - began:.0f} s")

    def _watch(self, process, name, log_path) -> None:
        """Wait for a process and tell of it; end it when another lane has failed."""
        told = time.monotonic()
        while process.poll() is None and not self._stopping.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
            if time.monotonic() - told > HEARTBEAT_SECONDS:
                told = time.monotonic()
                self._say(f"{name}: {_last_line(log_path)}")
        if process.poll() is None:
            process.terminate()
            process.wait()

    def _say(self, line: str) -> None:
        minutes, seconds = divmod(int(self.seconds()), 60)
        self.say(f"{minutes:2d}:{seconds:02d} {line}")


def _last_line(path: Path) -> str:
    """Return the last line of a log; a progress bar's carriage return ends one."""
    text = path.read_bytes()[-2000:].decode(errors="replace").replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "starting"
