"""One process at a time: the lock holds against others, and dies with its process."""

import subprocess
import sys

import pytest

from tfipgan.errors import InputError
from tfipgan.files.lock import locked

HOLD = """
import sys
from tfipgan.files.lock import locked
with locked(sys.argv[1], "out"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock, and the lock file."""
    path = tmp_path / ".lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process, path
        process.kill()


def test_another_process_is_refused_in_a_line(other):
    _, path = other
    with pytest.raises(InputError, match="^out is being written by another process; "):
        with locked(path, "out"):
            pytest.fail("two hold one lock")


def test_a_killed_process_holds_nothing(other):
    process, path = other
    process.kill()
    process.wait()
    with locked(path, "out"):
        pass


def test_it_can_be_taken_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / ".lock", "out"):
            pass


def test_a_lock_that_cannot_be_made_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        with locked(tmp_path / "file" / ".lock", "out"):
            pytest.fail("held without a file")
