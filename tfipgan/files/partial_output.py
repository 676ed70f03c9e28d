"""Unfinished output, with which the same command continues after it was killed.

OUT.part/tfipgan.lock   held while a process works on it
OUT.part/part.json      what the output depends on, and how much is done
OUT.part/...            the work so far, in any form

With several workers:

OUT.part/tfipgan.lock             held while one of them begins, or joins their shares
OUT.part/part.json                what the output depends on
OUT.part/worker-0/tfipgan.lock    held while the first one works
OUT.part/worker-0/part.json       how much of its share is done
OUT.part/worker-0/...             its share so far
"""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from tfipgan.errors import InputError
from tfipgan.files.lock import locked
from tfipgan.files.output_file import name_full_disk, remove_stale_files, sync
from tfipgan.files.worker import ALONE, Worker

LOCK = "tfipgan.lock"
_ABOUT, _ABOUT_ASIDE = "part.json", "part.json.new"
_READY, _RENAMED = "ready", "renamed"
_WORKERS = "workers"
# Between two looks at whether another worker has done with the folder.
_LOOK_SECONDS = 0.1

logger = logging.getLogger(__name__)


def part_of(out: str | os.PathLike) -> Path:
    """Return the folder beside an output where it grows."""
    # The output's own place, so that it gets its name by a rename even through a link.
    out = Path(os.path.realpath(out))
    return out.with_name(f"{out.name}.part")


def is_part(folder: str | os.PathLike) -> bool:
    """Whether a folder is where an output grows, and not the output."""
    folder = Path(folder)
    try:
        return (folder / _ABOUT).is_file() and "about" in _read(folder)
    except InputError:
        return False


def require_new_output(out: str | os.PathLike, require_new: Callable) -> None:
    """Call require_new_file or require_new_folder, which raise InputError.

    Not if what is at the path got its name as a killed command's last act: the same
    command ends well then. InputError too if a part can't be made or used.
    """
    if not _just_renamed(out, _read(part_of(out))):
        _require_free(out, require_new)


class PartialOutput:
    """A folder in which an output is made; when it is complete, it is renamed.

    One process works on it at a time, from `with` to its end, or each of several
    workers on its share. When a process ends, in whatever way, the next one continues
    with what is in the folder.

    Args:
        out: the output, a file or a folder. Its folder is made.
        about: what the output depends on, as texts or hashes by name. If the folder has
            unfinished work with other values and there is one worker, that work is
            removed, and a line in the log says so.
        require_new: `require_new_file` or `require_new_folder`.
        worker: which of the processes that share the work.

    Attributes:
        out: the output's path, links followed.
        folder: of the work of all workers.
        share_folder: folder of this worker's share; `folder` if it is the only one.
        was_already_published: whether an earlier process had renamed the output, and
            was killed before it removed the folder. It is removed then.
        state: what was given to `save_progress` last; {} at first.

    Raises (on entering):
        InputError: another process works on it, `out` is there, something else than a
            part is in the part's place, or a part of another number of workers, or of
            workers with another work.
        OSError: the folder can't be written.
    """

    def __init__(
        self,
        out: str | os.PathLike,
        about: Mapping[str, str],
        require_new: Callable[[Path], None],
        worker: Worker = ALONE,
    ):
        self.out = Path(os.path.realpath(out))
        self.folder = part_of(out)
        self.worker = worker
        self.share_folder = self.shares()[worker.index]
        self.about = dict(about)
        if worker.count > 1:
            self.about[_WORKERS] = str(worker.count)
        self._require_new = require_new
        self.was_already_published = False
        self.state: dict = {}

    def __enter__(self):
        # Before anything is written: what is in the way may be anyone's.
        require_new_output(self.out, self._require_new)
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            if self.worker.count == 1:
                stack.enter_context(locked(self.folder / LOCK, str(self.out)))
                self._open()
            else:
                with self._turn():
                    self._open()
                    self._open_share(stack)
            self._lock = stack.pop_all()
        if self.share_is_complete:
            logger.info("%s: going on after all of it", self.share_folder)
        return self

    def __exit__(self, kind, failure, trace):
        if kind is not None and self.folder.exists():
            logger.info("%s keeps what is done: the same command goes on", self.folder)
        self._lock.close()
        name_full_disk(failure, self.folder)

    @property
    def share_is_complete(self) -> bool:
        """Whether this worker's share is whole, and on the disk."""
        return bool(self.state.get(_READY))

    def shares(self) -> list[Path]:
        """Return the folders of all workers, in order."""
        if self.worker.count == 1:
            return [self.folder]
        return [self.folder / f"worker-{k}" for k in range(self.worker.count)]

    def save_progress(self, **state) -> None:
        """Note how far the work is; on the disk before this returns."""
        self._note(self.share_folder, {"about": self.about, **state})
        self.state = state

    def mark_share_complete(self) -> bool:
        """Note that this worker's share is complete; return whether to join all now.

        The share must be on the disk. Only the last worker that calls this gets True;
        it locks all others out until the end of `with`. If it is killed before
        `publish`, any worker that is started again finds all shares complete and joins
        them.
        """
        if not self.share_is_complete:
            self.save_progress(**self.state, **{_READY: True})
        if self.worker.count == 1:
            return True
        with self._turn() as lock:
            found = _read(self.folder)
            if "about" not in found or _just_renamed(self.out, found):
                # Another one has joined; what is there is what it did not get to.
                self.remove()
                return False
            if not all(_read(share).get(_READY) for share in self.shares()):
                return False
            self._lock.enter_context(lock.pop_all())
        return True

    def publish(self, made: Path) -> None:
        """Rename the complete output to its final name, and remove the folder.

        Args:
            made: the output, a file or folder in `folder`, and on the disk.
        """
        _require_free(self.out, self._require_new)
        # By its inode a process that finds it there knows it for this work's.
        self._note(self.folder, {**_read(self.folder), _RENAMED: made.stat().st_ino})
        os.replace(made, self.out)
        sync(self.out.parent)
        self.remove()

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        with suppress(FileNotFoundError):
            self._clear()
        for name in (LOCK, _ABOUT):
            (self.folder / name).unlink(missing_ok=True)
        # A worker that waited for its turn makes the lock anew, finds no work, and
        # removes the rest.
        with suppress(OSError):
            self.folder.rmdir()

    def _open(self):
        found = _read(self.folder)
        about = found.pop("about", None)
        same = about == self.about
        self.was_already_published = same and _just_renamed(self.out, found)
        if self.was_already_published:
            self.remove()
            return
        try:
            _require_free(self.out, self._require_new)
        except InputError:
            if about is None:  # there is nothing but the lock, which is ours
                self.remove()
            raise
        if same:
            found.pop(_RENAMED, None)
            self.state = found
            remove_stale_files(self.folder)
            return
        self._refuse_others(about)
        if about:
            logger.info(
                "%s is of other %s: starting anew", self.folder, self._changed(about)
            )
        # If it is killed on the way, the folder counts as the beginning of no output.
        self._note(self.folder, {"about": {}})
        self._clear()
        self._note(self.folder, {"about": self.about})
        sync(self.folder.parent)

    def _open_share(self, stack):
        """Take this worker's share, if there is still something to do."""
        if self.was_already_published:
            return
        self.share_folder.mkdir(exist_ok=True)
        stack.enter_context(
            locked(
                self.share_folder / LOCK, f"the share of {self.worker} in {self.out}"
            )
        )
        self.state = _read(self.share_folder)
        if not self.state.pop("about", None):
            self.save_progress()
        remove_stale_files(self.share_folder)

    def _turn(self) -> ExitStack:
        """Wait until no other worker begins or joins; return what ends the turn."""
        while True:
            # A single worker would have its turn until its end.
            self._refuse_others(_read(self.folder).get("about"))
            with ExitStack() as stack:
                try:
                    stack.enter_context(locked(self.folder / LOCK, str(self.out)))
                    return stack.pop_all()
                except InputError:
                    time.sleep(_LOOK_SECONDS)

    def _refuse_others(self, about):
        """Raise InputError where starting anew would take others' shares."""
        about = about or self.about
        theirs, ours = about.get(_WORKERS, "1"), self.about.get(_WORKERS, "1")
        if theirs != ours:
            raise InputError(
                f"{self.folder} is of a work for {theirs} worker(s), expected {ours} "
                f"(TF_CONFIG): start as many as it is for, or remove it"
            )
        if ours != "1" and about != self.about:
            raise InputError(
                f"{self.folder} is of other {self._changed(about)} than {self.worker}, "
                "expected the same of all workers: give all of them one command, or "
                "remove it"
            )

    def _changed(self, about):
        changed = [key for key in self.about if about.get(key) != self.about[key]]
        return " and ".join(changed)

    def _note(self, folder, content):
        temporary = folder / _ABOUT_ASIDE
        temporary.write_text(json.dumps(content) + "\n")
        sync(temporary)
        os.replace(temporary, folder / _ABOUT)
        sync(folder)

    def _clear(self):
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in (LOCK, _ABOUT):
                path.unlink()


def _read(folder: Path) -> dict:
    """Return what a part notes; {} if there is none, or one that was just begun."""
    if not os.path.lexists(folder):
        return {}
    try:
        content = json.loads((folder / _ABOUT).read_bytes())
        if isinstance(content["about"], dict):
            return content
    except FileNotFoundError:
        if _names(folder) <= {LOCK, _ABOUT_ASIDE}:
            return {}
    except (NotADirectoryError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputError(
        f"{folder} is there, but is not what an unfinished command leaves: move it "
        "away, or give another --out"
    )


def _names(folder) -> set[str]:
    """Return the names in a folder, which another worker may remove meanwhile."""
    with suppress(FileNotFoundError):
        return set(os.listdir(folder))
    return set()


def _require_free(out, require_new):
    if os.path.ismount(out):
        raise InputError(
            f"{out} is a mount point, and the output gets its name by a rename: give "
            "a folder in it as --out"
        )
    require_new(out)


def _just_renamed(out, found) -> bool:
    """Whether what is at the path is what a part gave its name."""
    try:
        return os.stat(out).st_ino == found.get(_RENAMED)
    except FileNotFoundError:
        return False
