import os

import pytest

from tfipgan.data.doubts import passed_over
from tfipgan.data.image_files import image_files, image_paths
from tfipgan.errors import InputError

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1"


@pytest.fixture
def folder(tmp_path):
    """Images, images of other kinds, and what usually lies beside them."""
    for name in (
        "a.jpg", "b.JFIF", "b.jpe", "c.HEIC", "d.psd", "in/e.png", "in/f.nef",
        "Thumbs.db", "notes.txt", "labels.json", ".g.heic", "._a.jpg", ".h/i.jpg",
        "__MACOSX/._a.jpg", "__MACOSX/j.jpg", "dataset.yaml", "video.mp4", "LICENSE",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"GIF8")
    (tmp_path / "LICENSE").write_text("MIT")
    for name in ("bare", "dot.", "in/bare"):
        (tmp_path / name).write_bytes(JPEG)
    (tmp_path / "folder.heic").mkdir()
    (tmp_path / "folder.heic" / "k.jpg").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nothing").symlink_to("gone")
    (tmp_path / "gone.heic").symlink_to("gone")
    return tmp_path


def test_what_looks_like_an_image_and_is_not_read_is_named(folder):
    found = image_files(folder, recursive=True)
    assert found.names == [
        "__MACOSX/j.jpg", "a.jpg", "b.JFIF", "b.jpe", "folder.heic/k.jpg", "in/e.png",
    ]  # fmt: skip
    assert found.unread == [
        "bare", "c.HEIC", "d.psd", "dot.", "gone.heic", "in/bare", "in/f.nef",
    ]  # fmt: skip
    assert found.below == []
    assert list(image_paths(folder, recursive=True)) == found.names


def test_images_in_folders_below_are_named_where_they_are_not_read(folder):
    found = image_files(folder, recursive=False)
    assert found.names == ["a.jpg", "b.JFIF", "b.jpe"]
    assert found.unread == ["bare", "c.HEIC", "d.psd", "dot.", "gone.heic"]
    assert found.below == ["folder.heic/k.jpg", "in/bare", "in/e.png", "in/f.nef"]
    assert list(image_paths(folder, recursive=False)) == found.names


def test_a_folder_below_that_cannot_be_read_is_of_no_concern(folder, monkeypatch):
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("in"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert image_files(folder, recursive=False).below == ["folder.heic/k.jpg"]
    found = image_files(folder, recursive=True)
    assert found.closed == ["in"] and "in/e.png" not in found.names
    assert found.names == list(image_paths(folder, recursive=True))
    (line,) = [line for line in passed_over(found) if "may not read" in line]
    assert line.startswith("folders passed over, which this user may not read: in; ")
    # The folder itself, and a disk that fails, are no such thing.
    with pytest.raises(InputError, match="in can't be read: Permission denied"):
        image_files(folder / "in", recursive=True)


def test_a_disk_that_fails_is_not_passed_over(folder, monkeypatch):
    scandir = os.scandir

    def broken(path):
        if str(path).endswith("in"):
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(InputError, match="in can't be read: Input/output error"):
        image_files(folder, recursive=True)


def test_a_file_that_nobody_may_open_is_not_guessed_at(tmp_path, monkeypatch):
    (tmp_path / "bare").write_bytes(JPEG)

    def closed(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", closed)
    assert image_files(tmp_path, recursive=True).unread == []
