"""The check before long work: what it names, leaves out, marks and remembers."""

import json
import logging
import os

import pytest
from PIL import Image

from tfipgan.data import readable
from tfipgan.data.filenames import Sample
from tfipgan.data.readable import check_readable
from tfipgan.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder that things are remembered in, even of a few files."""
    monkeypatch.setenv("TFIPGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(readable, "WORTH_REMEMBERING", 1)
    return tmp_path / "cache"


@pytest.fixture
def samples(tmp_path):
    """Of seven files: 1 and 3 are broken, 4 is odd, the last is not there."""
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{number}.jpg" for number in range(6)]
    for shade, path in enumerate(paths):
        Image.new("RGB", (8, 16), (shade, 0, 0)).save(path)
    paths[1].write_bytes(b"")
    paths[3].write_bytes(paths[3].read_bytes()[:-200])
    Image.new("CMYK", (8, 16)).save(paths[4])
    paths.append(tmp_path / "in" / "gone\n.jpg")
    return [Sample(str(path), 1, 1) for path in paths]


@pytest.fixture
def looked_at(monkeypatch):
    """The names of the files that were decoded."""
    names = []
    check = readable.each_image

    def spying(paths, **options):
        names.append([os.path.basename(path) for path in paths])
        return check(paths, **options)

    monkeypatch.setattr(readable, "each_image", spying)
    return names


def good(samples):
    return [samples[i] for i in (0, 2, 4, 5)]


def test_what_cannot_be_read_is_named_before_long_work(samples):
    with pytest.raises(InputError, match=r"can't be read \(3 of 7\): ") as error:
        check_readable(samples)
    words = str(error.value)
    assert f"{samples[1].path} (empty), {samples[3].path} (" in words
    assert r"gone\n.jpg' (No such file" in words and "\n" not in words
    assert samples[2].path not in words and "by --skip-unreadable" in words


def test_only_the_first_few_are_named(tmp_path):
    gone = [Sample(str(tmp_path / f"{number}.jpg"), 1, 1) for number in range(4)]
    with pytest.raises(InputError, match=r"\(4 of 4\): .*2\.jpg \(.*\), \.\.\.; mend"):
        check_readable(gone)


def test_what_must_be_converted_is_marked(samples):
    kept, left_out = check_readable(good(samples))
    assert [sample.needs_conversion for sample in kept] == [False, False, True, False]
    assert left_out == {}
    assert kept[:2] == good(samples)[:2]


def test_unreadable_files_are_left_out_if_asked(samples, caplog):
    twice = [*samples, samples[1], samples[0]]
    kept, left_out = check_readable(twice, skip=True)
    names = [os.path.basename(sample.path) for sample in kept]
    assert names == ["0.jpg", "2.jpg", "4.jpg", "5.jpg", "0.jpg"]
    assert list(left_out) == [samples[i].path for i in (1, 3, 6)]
    assert left_out[samples[1].path] == "empty"
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert line.startswith("left out images that can't be read (3 of 7): ")
    assert "\n" not in line


def test_leaving_all_out_is_an_error(samples):
    with pytest.raises(InputError, match=r"\(2 of 2\)") as error:
        check_readable([samples[1], samples[3]], skip=True)
    assert "--skip-unreadable" not in str(error.value)


def test_nothing_to_check():
    assert check_readable([]) == ([], {})


def test_a_second_start_decodes_only_what_is_new(samples, looked_at):
    first = check_readable(samples, skip=True)
    assert check_readable(samples, skip=True) == first
    # What can't be read may have been mended.
    assert looked_at[1:] == [["1.jpg", "3.jpg", "gone\n.jpg"]]
    changed = samples[2].path
    Image.new("CMYK", (8, 16)).save(changed)
    kept, _ = check_readable(good(samples))
    assert looked_at[2:] == [["2.jpg"]]
    assert [sample.needs_conversion for sample in kept] == [False, True, True, False]
    check_readable(good(samples))
    assert looked_at[3:] == [[]]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_is_known_by_its_size_and_time(samples, looked_at, change):
    check_readable(good(samples))
    path = samples[0].path
    about = os.stat(path)
    if change == "size":
        with open(path, "ab") as file:
            file.write(b"more")
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    else:
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    check_readable(good(samples))
    assert looked_at[1] == ["0.jpg"]


def test_a_part_of_a_dataset_does_not_displace_the_whole(samples, looked_at):
    check_readable(good(samples))
    check_readable(good(samples)[:1])
    check_readable(good(samples))
    assert looked_at[1:] == [[], []]


def test_a_file_that_went_away_is_named(samples):
    check_readable(good(samples))
    os.remove(samples[0].path)
    with pytest.raises(InputError, match=r"0\.jpg \(No such file"):
        check_readable(good(samples))


def test_another_path_to_the_same_folder(samples, looked_at, monkeypatch, tmp_path):
    check_readable(good(samples))
    monkeypatch.chdir(tmp_path / "in")
    relative = [Sample(os.path.basename(s.path), 1, 1) for s in good(samples)]
    kept, _ = check_readable(relative)
    assert looked_at[1] == []
    assert [s.path for s in kept] == ["0.jpg", "2.jpg", "4.jpg", "5.jpg"]


def test_each_folder_has_its_own_file(samples, cache, tmp_path):
    check_readable(good(samples))
    other = tmp_path / "other.png"
    Image.new("L", (8, 16)).save(other)
    check_readable([Sample(str(other), 1, 1)])
    assert len(list(cache.glob("readable/*.jsonl"))) == 2


def test_few_files_are_not_worth_remembering(samples, cache, monkeypatch):
    monkeypatch.setattr(readable, "WORTH_REMEMBERING", 5)
    check_readable(good(samples))
    assert not cache.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        "judge",
        "formats",
        b"[" * 100_000,
        "entries",
        "half",
    ],
)
def test_a_damaged_memory_is_not_used(samples, looked_at, cache, content):
    check_readable(good(samples))
    (memory,) = cache.glob("readable/*.jsonl")
    whole = memory.read_bytes()
    if content == "judge":  # another version's
        content = whole.replace(b'"2, Pillow', b'"1, Pillow')
        assert content != whole
    elif content == "formats":  # the same Pillow, built with fewer
        content = whole.replace(b" PPM", b"")
        assert content != whole
    elif content == "entries":
        content = whole.splitlines(keepends=True)[0] + b"".join(
            json.dumps([s.path, 1, "x", False]).encode() + b"\n" for s in samples
        )
    elif content == "half":
        content = whole[:-9]
    memory.write_bytes(content)
    check_readable(good(samples))
    assert looked_at[1] == looked_at[0]
    assert memory.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(samples, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TFIPGAN_CACHE", str(tmp_path / "file"))
    assert len(check_readable(good(samples))[0]) == 4
    assert (tmp_path / "file").read_text() == "not a folder"


def test_the_users_cache_folder_is_the_default(monkeypatch, tmp_path):
    monkeypatch.delenv("TFIPGAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = readable._memory(["/a/b/c.jpg", "/a/d.jpg"])
    assert place.parent == tmp_path / "tfipgan" / "readable"
    assert place == readable._memory(["/a/x.jpg"])
