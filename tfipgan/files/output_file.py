"""Output that is either whole or not there, and never on top of another."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfipgan.errors import InputError, shorten_name

# What a disk answers that lacks a call.
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Of a name in nearly all file systems, in bytes; the longest of what is put around one.
_LONGEST_NAME = 255
_LONGEST_AROUND = len("..4194304.tmp")

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.\d+\.(?P<kind>tmp|old)")


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; that file is renamed to `path` at the end.

    Missing parent folders are made. The file is on the disk before it gets its name. If
    the body fails, `path` is left as it was and the temporary file is removed.

    Raises:
        OSError: the folder can't be written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with full_disk_names_output(path):
            yield temporary
            sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike, replace: bool = True) -> Iterator[Path]:
    """Yield a new folder beside `path`, which is renamed to `path` at the end.

    Its files are on the disk before it gets this name. If the body fails, `path` is
    left as it was. If the process is killed, `remove_stale_files` clears up.

    Args:
        path: of the folder at the end.
        replace: whether a folder at `path` is replaced; otherwise that is an OSError,
            unless it is empty.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        with full_disk_names_output(path):
            yield temporary
            for file in (*temporary.rglob("*"), temporary):
                sync(file)
        if replace and path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def full_disk_names_output(path: str | os.PathLike) -> Iterator[None]:
    """Add the output's path to the errors of a full disk, which name no file."""
    try:
        yield
    except OSError as error:
        name_full_disk(error, path)
        raise


def name_full_disk(error: BaseException | None, path: str | os.PathLike) -> None:
    """Do what `full_disk_names_output` does, to an error that was caught."""
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        error.filename = os.fspath(path)


def remove_stale_files(folder: str | os.PathLike) -> None:
    """Remove temporary files and folders that killed processes left in a folder.

    If a process was killed while it replaced a folder, the old folder is put back. No
    other process may work in the folder; it need not exist.
    """
    for path in sorted(Path(folder).glob(".*")):
        left = _LEFTOVER.fullmatch(path.name)
        if left is None:
            continue
        name = path.with_name(left["name"])
        if left["kind"] == "old" and not name.exists():
            path.rename(name)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def remove_folder(path: Path) -> None:
    """Remove a folder; if that is cut short, it has a temporary name already."""
    gone = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.rename(gone)
    shutil.rmtree(gone)


def sync(path: str | os.PathLike) -> None:
    """Wait until a file or folder is on the disk; a folder where the disk can do it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Disks of VirtualBox, SMB and some of FUSE keep no folders of their own.
        if error.errno not in UNSUPPORTED or not os.path.isdir(path):
            raise
    finally:
        os.close(descriptor)


def require_new_folder(path: str | os.PathLike, remedy: str = "remove it") -> None:
    """Raise InputError unless nothing, or an empty folder, is at the path.

    Args:
        path: the folder to be made.
        remedy: for the message, what to do instead of giving another folder.

    Raises:
        InputError: also if its name is too long for a temporary one beside it.
    """
    path = Path(path)
    require_short_name(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(
            f"{path} exists and is not empty; expected a new folder for the output: "
            f"give another --out, or {remedy}"
        )


def require_new_file(path: str | os.PathLike) -> None:
    """Raise InputError if something is at the path, or its name is too long."""
    require_short_name(path)
    if os.path.exists(path):
        raise InputError(
            f"{path} exists; expected a new file for the output: give another --out, "
            "or remove it"
        )


def require_short_name(path: str | os.PathLike, written_aside: bool = True) -> None:
    """Raise InputError if a path's last name is longer than file systems have.

    Args:
        path: any path.
        written_aside: whether a temporary one beside it must be possible too.
    """
    name = os.path.basename(os.path.normpath(path))
    longest = _LONGEST_NAME - (_LONGEST_AROUND if written_aside else 0)
    if len(os.fsencode(name)) > longest:
        raise InputError(
            f"{shorten_name(name)} is a name of {len(os.fsencode(name))} bytes, "
            f"expected at most {longest}: shorten it"
        )
