"""Version folders: which numbers are there, and new ones that replace none."""

import pytest

from tfipgan.errors import InputError
from tfipgan.export.versions import LAST_VERSION, publish_version, read_versions


def write(folder):
    (folder / "saved_model.pb").write_text("graph")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_numbers_as_the_server_reads_them(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_versions(tmp_path / "missing")
    (tmp_path / "7").touch()
    for name in ("10", "9", "001", "2.old", ".3", "-4", "v5", "٦", str(2**63), " "):
        (tmp_path / name).mkdir()
    assert read_versions(tmp_path) == {
        1: tmp_path / "001",
        9: tmp_path / "9",
        10: tmp_path / "10",
    }
    assert list(read_versions(tmp_path)) == [1, 9, 10]
    for name in ("01", "1", "0001"):
        (tmp_path / name).mkdir()
    assert read_versions(tmp_path)[1] == tmp_path / "1"


def test_the_first_the_next_and_one_of_choice(tmp_path):
    folder = tmp_path / "models" / "net"
    for version, expected in ((None, "1"), (5, "5"), (3, "3"), (None, "6")):
        path = publish_version(folder, version, write)
        assert path == folder / expected
        assert names(path) == ["saved_model.pb"]
    assert names(folder) == ["1", "3", "5", "6"]


@pytest.mark.parametrize("taken", ["002", "2"])
def test_a_number_that_is_taken(tmp_path, taken):
    (tmp_path / taken).touch()
    with pytest.raises(
        InputError, match=f"{taken} exists; a version is never replaced"
    ):
        publish_version(tmp_path, 2, write)
    assert publish_version(tmp_path, None, write).name == "3"


@pytest.mark.parametrize("version", [0, -1, LAST_VERSION + 1])
def test_numbers_out_of_range(tmp_path, version):
    with pytest.raises(InputError, match=f"version is {version}, expected 1 to"):
        publish_version(tmp_path, version, write)


def test_after_the_last_number(tmp_path):
    publish_version(tmp_path, LAST_VERSION, write)
    with pytest.raises(InputError, match="is the last version there can be"):
        publish_version(tmp_path, None, write)


def test_another_export_takes_the_number_meanwhile(tmp_path, monkeypatch):
    def write_two(folder):
        write(folder)
        publish_version(tmp_path, None, write)

    assert publish_version(tmp_path, None, write_two).name == "2"
    assert names(tmp_path) == ["1", "2"]
    with pytest.raises(InputError, match="3 exists"):
        publish_version(tmp_path, 3, write_two)
    assert names(tmp_path) == ["1", "2", "3"]


@pytest.mark.parametrize("version, expected", [(None, "2"), (1, None)])
def test_another_export_takes_the_number_at_the_very_last(
    tmp_path, monkeypatch, version, expected
):
    """Between the look at the folder and the renaming."""
    from tfipgan.export import versions as model_versions

    look = model_versions._taken
    looks = []

    def then_taken(folder):
        found = look(folder)
        looks.append(found)
        # At the start, before the renaming, and then in the renaming of version None.
        if len(looks) == (3 if version is None else 2):
            publish(tmp_path / "1")
        return found

    def publish(folder):
        folder.mkdir()
        write(folder)

    monkeypatch.setattr(model_versions, "_taken", then_taken)
    if expected is None:
        with pytest.raises(InputError, match="1 exists"):
            publish_version(tmp_path, version, write)
        assert names(tmp_path) == ["1"]
    else:
        assert publish_version(tmp_path, version, write).name == expected
        assert names(tmp_path) == ["1", "2"]


@pytest.mark.parametrize("there", ["nothing", "models", "net"])
def test_a_failure_leaves_what_was_there(tmp_path, there):
    folder = tmp_path / "models" / "net"
    if there != "nothing":
        (tmp_path / "models").mkdir()
    if there == "net":
        publish_version(folder, None, write)
    before = sorted(tmp_path.rglob("*"))

    def fail(aside):
        write(aside)
        assert not aside.name.isdigit() and aside.parent == folder
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        publish_version(folder, None, fail)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_can_not_be_renamed(tmp_path, monkeypatch):
    """Not taken for a number that another export has."""

    def remove_then_fail(folder):
        write(folder)

    rename = type(tmp_path).rename

    def refuse(path, target):
        if target.name.isdigit():
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", refuse)
    with pytest.raises(PermissionError):
        publish_version(tmp_path / "net", None, remove_then_fail)
    assert names(tmp_path) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(InputError, match="models is a file; expected a folder"):
        publish_version(tmp_path / "models" / "net", None, write)
