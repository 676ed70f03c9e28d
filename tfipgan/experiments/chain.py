"""Commands of this project in processes of their own, each once what it reads is there.

What a chain has done it does not do again: LOGS/NAME.json says so of each command.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_file, sync

HEARTBEAT_SECONDS = 20


@dataclass(frozen=True)
class Command:
    """A `tfipgan` command line, and what stands between it and the others.

    Attributes:
        name: of the command and of its log files.
        arguments: what follows `tfipgan`.
        after: names of the commands whose output it reads.
        runtime: more arguments, which say how it runs and not what it makes, such as
            --resume.
        makes: what it makes all at once, at its end: it has done its work if that is
            there. None of a command that can simply be run again.
        settings: what its config said, for a later call to compare; plain values.
        weight: roughly the time it takes, next to the others'.
    """

    name: str
    arguments: tuple[str, ...]
    after: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()
    makes: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    def __str__(self):
        return shlex.join(("tfipgan", *self.arguments))


class CommandFailed(RuntimeError):
    """A command ended with an error; the message holds its own last line."""


class _Stopped(Exception):
    """A command was ended, or not begun, because another one failed."""


class Chain:
    """Runs commands, some side by side, each after those whose output it reads.

    Args:
        logs: folder for NAME.log (stderr) and NAME.out (stdout) of each command, and
            NAME.json once it is done.
        write_line: called with a line whenever a command starts or ends.
        on_progress: called with a command and the last line of its log, now and then
            while it runs; by default `write_line` is.
        on_finish: called with each command as it is done.
    """

    def __init__(
        self,
        logs: Path,
        write_line: Callable[[str], None],
        on_progress: Callable[[Command, str], None] | None = None,
        on_finish: Callable[[Command], None] = lambda command: None,
    ):
        self.logs = logs
        self.write_line = write_line
        self.on_progress = on_progress or (
            lambda command, line: self._write(f"{command.name}: {line}")
        )
        self.on_finish = on_finish
        self._started = time.monotonic()
        self._stopping = threading.Event()

    def seconds(self) -> float:
        """Return the seconds since the first command could have started."""
        return time.monotonic() - self._started

    def output(self, name: str) -> str:
        """Return what a command that is done printed to stdout."""
        return (self.logs / f"{name}.out").read_text()

    def is_done(self, command: Command) -> bool:
        """Return whether an earlier call has done it."""
        return self._record(command.name).get("done", False)

    def seconds_of(self, name: str) -> float:
        """Return the seconds that a command took in all calls, but for kill -9's."""
        return self._record(name).get("seconds", 0.0)

    def run(self, commands: Sequence[Command], at_once: int) -> None:
        """Run the commands that are not done, at most `at_once` at a time.

        Those that come first go first, where they can.

        Raises:
            InputError: one was done with other arguments or settings.
            CommandFailed: one failed; the others were ended.
        """
        assert len({c.name for c in commands}) == len(commands), "two of one name"
        for command in commands:
            self._require_same(command)
        left = {c.name: c for c in commands if not self.is_done(c)}
        places = {name: place for place, name in enumerate(left)}
        graph = TopologicalSorter(
            {c.name: [name for name in c.after if name in left] for c in left.values()}
        )
        graph.prepare()
        ready: list[str] = []
        running = {}
        with ThreadPoolExecutor(at_once) as pool:
            try:
                while graph.is_active():
                    ready = sorted((*ready, *graph.get_ready()), key=places.__getitem__)
                    while ready and len(running) < at_once:
                        command = left[ready.pop(0)]
                        running[pool.submit(self._run, command)] = command
                    ended, _ = wait(running, return_when=FIRST_COMPLETED)
                    for job in ended:
                        command = running.pop(job)
                        job.result()
                        graph.done(command.name)
                        self.on_finish(command)
            except BaseException:
                # The pool's end waits for the processes, which this ends.
                self._stopping.set()
                raise

    # ------------------------------------------------------------------- what is done

    def _record(self, name) -> dict:
        """Return what is known of a command: nothing of one that has not begun."""
        path = self.logs / f"{name}.json"
        if not path.exists():
            return {}
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["command"], dict(record["settings"]), float(record["seconds"])
            bool(record["done"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{path} is damaged, expected what is known of a command: remove it, "
                f"and what {name} made, which is then run again"
            ) from None
        return record

    def _note(self, command, seconds, done):
        path = self.logs / f"{command.name}.out"
        if path.exists():
            # What is said to be done must be readable after a power cut.
            sync(path)
        record = {
            "command": str(command),
            "settings": dict(command.settings),
            "seconds": round(self.seconds_of(command.name) + seconds, 1),
            "done": done,
        }
        with atomic_file(self.logs / f"{command.name}.json") as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _require_same(self, command):
        done = self._record(command.name)
        # Of one that has not ended, the command itself sees what it can go on with.
        if not done.get("done"):
            return
        what = f"{self.logs.parent}: {command.name} was done"
        remedy = "give another --out, or what was given then"
        if done["command"] != str(command):
            raise InputError(
                f"{what} as `{done['command']}`, expected `{command}`: {remedy}"
            )
        # As JSON gives it back: a tuple is a list.
        now = json.loads(json.dumps(dict(command.settings)))
        for section in sorted(done["settings"].keys() | now.keys()):
            before, after = done["settings"].get(section), now.get(section)
            if before != after:
                raise InputError(
                    f"{what} with {_difference(section, before, after)}: {remedy}"
                )

    def _run(self, command: Command) -> None:
        if self._stopping.is_set():
            raise _Stopped
        if command.makes is not None and command.makes.exists():
            self._note(command, 0.0, done=True)
            return
        self._write(f"{command.name}: starts")
        began = time.monotonic()
        done = False
        try:
            self._run_process(command)
            done = True
        finally:
            self._note(command, time.monotonic() - began, done)
        self._write(f"{command.name}: done in {time.monotonic() - began:.0f} s")

    # ------------------------------------------------------------------- one process

    def _run_process(self, command):
        log_path = self.logs / f"{command.name}.log"
        with (
            log_path.open("a") as log,
            (self.logs / f"{command.name}.out").open("w") as output,
        ):
            words = [*command.arguments, *command.runtime]
            process = subprocess.Popen(
                [sys.executable, "-m", "tfipgan.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
            )
            try:
                self._watch(process, command, log_path)
            finally:
                # Not killed: a training saves then, and goes on from there later.
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        if self._stopping.is_set():
            raise _Stopped
        if process.returncode:
            raise CommandFailed(
                f"`{command}` failed with exit code {process.returncode}: "
                f"{_last_line(log_path)} (all of its log: {log_path})"
            )

    def _watch(self, process, command, log_path) -> None:
        """Report a process's progress until it ends, or another one has failed."""
        last_shown = time.monotonic()
        while process.poll() is None and not self._stopping.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Ctrl-C reaches the process too: ours must follow before it would be
                # taken for a second one (`tfipgan.training.stop`).
                process.wait(0.1)
            if time.monotonic() - last_shown > HEARTBEAT_SECONDS:
                last_shown = time.monotonic()
                self.on_progress(command, _last_line(log_path))

    def _write(self, line: str) -> None:
        minutes, seconds = divmod(int(self.seconds()), 60)
        self.write_line(f"{minutes:2d}:{seconds:02d} {line}")


def available_cores() -> int:
    """Return the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _difference(section, before, after):
    """Return where two plain values differ, as `section.key A, expected B`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                return f"{section}.{key} {before.get(key)}, expected {after.get(key)}"
    return f"{section} {before}, expected {after}"


def _last_line(path: Path) -> str:
    """Return the last line of a log; a progress bar's carriage return ends one."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 2000))
        text = log.read().decode(errors="replace").replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "starting"
