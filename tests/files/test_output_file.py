"""Output on disks that can't do all that a local one can."""

import errno
import os
import stat

import pytest

from tfipgan.errors import InputError
from tfipgan.files.output_file import (
    atomic_file,
    atomic_folder,
    require_new_file,
    require_new_folder,
)
from tfipgan.files.partial_output import PartialOutput


@pytest.fixture
def failing(monkeypatch):
    """Function of (kind, code): from now on fsync of files or folders fails so."""

    def fail(is_kind, code):
        def fsync(descriptor):
            if is_kind(os.fstat(descriptor).st_mode):
                raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fsync)

    return fail


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_syncs_no_folders(failing, tmp_path, code):
    failing(stat.S_ISDIR, code)
    with atomic_folder(tmp_path / "run") as aside:
        (aside / "below").mkdir()
        (aside / "below" / "file").write_text("x")
    assert (tmp_path / "run" / "below" / "file").read_text() == "x"
    with PartialOutput(tmp_path / "out", {"images": "i"}, require_new_file) as part:
        (part.folder / "made").write_text("whole")
        part.save_progress(done=1)
        part.publish(part.folder / "made")
    assert sorted(os.listdir(tmp_path)) == ["out", "run"]


@pytest.mark.parametrize(
    ("is_kind", "code"), [(stat.S_ISREG, errno.EINVAL), (stat.S_ISDIR, errno.EIO)]
)
def test_what_is_not_passed_over(failing, tmp_path, is_kind, code):
    failing(is_kind, code)
    with pytest.raises(OSError) as failure, atomic_folder(tmp_path / "a") as a:
        (a / "file").touch()
    assert failure.value.errno == code and not os.listdir(tmp_path)
    if is_kind is stat.S_ISREG:
        with pytest.raises(OSError), atomic_file(tmp_path / "b") as b:
            b.touch()
        assert not os.listdir(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path, code):
    """The system names no file where a write fails."""
    for writing in (atomic_file, atomic_folder):
        with pytest.raises(OSError) as failure, writing(tmp_path / "out"):
            raise OSError(code, "full")
        assert failure.value.filename == str(tmp_path / "out")
    part = PartialOutput(tmp_path / "out", {"images": "i"}, require_new_file)
    with pytest.raises(OSError) as failure, part:
        raise OSError(code, "full")
    assert failure.value.filename == str(tmp_path / "out.part")


def test_other_errors_keep_their_words(tmp_path):
    for error in (OSError(errno.ENOSPC, "full", "there"), OSError(errno.EIO, "x")):
        before = error.filename
        with pytest.raises(OSError) as failure, atomic_file(tmp_path / "out"):
            raise error
        assert failure.value.filename == before


def test_a_name_that_leaves_no_room(tmp_path):
    longest = 255 - len("..4194304.tmp")
    for letter, count in (("n", longest), ("ü", longest // 2)):
        require_new_file(tmp_path / (letter * count))
        require_new_folder(tmp_path / (letter * count))
        for require in (require_new_file, require_new_folder):
            with pytest.raises(InputError, match=f"at most {longest}: shorten it"):
                require(tmp_path / (letter * (count + 1)))
