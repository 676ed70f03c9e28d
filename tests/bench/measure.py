"""Times of two sides taken in turns, and tables of them; shared by the benchmarks."""

import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

RUNS = 5


def seconds(function, *arguments):
    """Return the seconds of one call, and what it gave."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def in_turns(ours, theirs, runs=RUNS):
    """Call both `runs` times in turns, after once each; return two lists of seconds.

    In turns, because other work on a shared machine comes and goes: it then meets both.
    """
    ours(), theirs()
    pairs = [(seconds(ours)[0], seconds(theirs)[0]) for _ in range(runs)]
    return [list(times) for times in zip(*pairs, strict=True)]


def serve(work):
    """Answer each line of stdin with the seconds that `work` took; see `Side`."""
    # What the work itself prints, as StarGAN's solver does, is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    work()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        print(seconds(work)[0], file=answers, flush=True)


class Side:
    """A process that serves a part of a script, and waits while others are timed.

    Args:
        script: the file, which calls `serve` if it is run with `words`.
    """

    def __init__(self, script, *words):
        command = [sys.executable, "-W", "ignore", script, *map(str, words)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "ready\n"

    def seconds(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def compare(*sides, runs=RUNS):
    """Time all sides in turns and end them; return a list of seconds for each."""
    times = [[side.seconds() for side in sides] for _ in range(runs)]
    for side in sides:
        side.close()
    return [list(times_of_one) for times_of_one in zip(*times, strict=True)]


def load_module(path):
    """Import one file of a checkout whose package needs more than it uses."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name, ours, theirs):
    """Return a table's row: medians in seconds, and how many times as fast ours is."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    spread = f"{ratios[0]:.1f} to {ratios[-1]:.1f}"
    return [name, f"{mine:.3f}", f"{other:.3f}", f"{other / mine:.2f}", spread]


def print_table(columns, rows):
    """Print a Markdown table."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for cells in rows:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")
    print(flush=True)


def print_machine(*packages):
    """Print the machine, and the versions of the packages that were measured."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if "model name" in line]
    print(f"{os.cpu_count()} cores of {names[0]}, Python {platform.python_version()}, ")
    print(", ".join(f"{name} {version(name)}" for name in packages), "\n", flush=True)
