"""One process at a time: the lock holds against others, and dies with its process."""

import errno
import subprocess
import sys

import filelock
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


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOTSUP, "no"), OSError(errno.ENOLCK, "no"), NotImplementedError()],
)
def test_a_disk_without_locks_is_named(tmp_path, monkeypatch, error):
    def acquire(lock):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(OSError) as failure:
        with locked(tmp_path / ".lock", "runs/a"):
            pytest.fail("held without a lock")
    words = str(failure.value)
    assert words.startswith(f"{tmp_path}/.lock can't be locked (")
    assert "out of runs/a: give an --out on a disk that has locks" in words


def test_another_error_of_the_system_stays(tmp_path, monkeypatch):
    def acquire(lock):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(OSError, match="^\\[Errno 5\\] broken$"):
        with locked(tmp_path / ".lock", "out"):
            pytest.fail("held without a lock")
