"""One process at a time in an output folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from tfipgan.errors import InputError
from tfipgan.files.output_file import UNSUPPORTED


@contextmanager
def locked(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Hold a lock file until the body's end; the system releases it if we are killed.

    Args:
        path: the lock file; it and its folder are made, and the file may stay.
        what: what the lock protects, such as the output folder; for the message.

    Raises:
        InputError: another process holds it.
        OSError: it can't be made, or the disk has no locks.
    """
    lock = filelock.FileLock(Path(path), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"{what} is being written by another process; expected to be alone: wait "
            "for it, or give another --out"
        ) from error
    # NotImplementedError: filelock's own word for it, in some versions.
    except (OSError, NotImplementedError) as error:
        code = getattr(error, "errno", errno.ENOSYS)
        if code not in (*UNSUPPORTED, errno.ENOLCK):
            raise
        # No InputError, which says that another process is there.
        raise OSError(
            f"{path} can't be locked ({os.strerror(code)}), which keeps two processes "
            f"out of {what}: give an --out on a disk that has locks, such as a local "
            "one, or mount this one with them"
        ) from error
    try:
        yield
    finally:
        lock.release()
