"""Output on disks that can't do all that a local one can."""

import errno
import os
import stat

import pytest

from tfipgan.files.output_file import (
    folder_written_aside,
    require_new_file,
    written_aside,
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
    with folder_written_aside(tmp_path / "run") as aside:
        (aside / "below").mkdir()
        (aside / "below" / "file").write_text("x")
    assert (tmp_path / "run" / "below" / "file").read_text() == "x"
    with PartialOutput(tmp_path / "out", {"images": "i"}, require_new_file) as part:
        (part.folder / "made").write_text("whole")
        part.keep(done=1)
        part.finish(part.folder / "made")
    assert sorted(os.listdir(tmp_path)) == ["out", "run"]


@pytest.mark.parametrize(
    ("is_kind", "code"), [(stat.S_ISREG, errno.EINVAL), (stat.S_ISDIR, errno.EIO)]
)
def test_what_is_not_passed_over(failing, tmp_path, is_kind, code):
    failing(is_kind, code)
    with pytest.raises(OSError) as failure, folder_written_aside(tmp_path / "a") as a:
        (a / "file").touch()
    assert failure.value.errno == code and not os.listdir(tmp_path)
    if is_kind is stat.S_ISREG:
        with pytest.raises(OSError), written_aside(tmp_path / "b") as b:
            b.touch()
        assert not os.listdir(tmp_path)
