"""The folder of an unfinished output: whose it is, how it ends, what it spares."""

import json
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tfipgan.errors import InputError
from tfipgan.files.lock import locked
from tfipgan.files.output_file import require_new_file, require_new_folder
from tfipgan.files.partial_output import LOCK, PartialOutput, require_new_output
from tfipgan.files.worker import Worker

ABOUT = {"network": "n", "images": "i"}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "out"


def part_of(out, about=ABOUT):
    return PartialOutput(out, about, require_new_file)


def left_over(out, text="work", **state):
    """Leave a part as a killed process would."""
    with pytest.raises(KeyError), part_of(out) as part:
        (part.folder / "work").write_text(text)
        part.save_progress(**state)
        raise KeyError
    return part.folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_output_gets_its_name_when_it_is_whole(out):
    with part_of(out) as part:
        assert part.folder == out.parent / "out.part"
        assert (part.state, part.was_already_published) == ({}, False)
        (part.folder / "made").write_text("whole")
        assert not out.exists()
        part.publish(part.folder / "made")
    assert names(out.parent) == ["out"]
    assert out.read_text() == "whole"


def test_what_is_left_is_gone_on_with(out, caplog):
    with caplog.at_level(logging.INFO):
        folder = left_over(out, done=3)
    assert f"{folder} keeps what is done: the same command goes on" in caplog.text
    (folder / ".made.17.tmp").touch()
    with part_of(out) as part:
        assert part.state == {"done": 3}
        assert (folder / "work").read_text() == "work"
        # Of a file that a kill cut short.
        assert not (folder / ".made.17.tmp").exists()


def test_another_work_starts_anew(out, caplog):
    folder = left_over(out, done=3)
    (folder / "below").mkdir()
    (folder / "below" / "file").touch()
    with caplog.at_level(logging.INFO):
        with part_of(out, {"network": "m", "images": "i", "cameras": "c"}) as part:
            assert part.state == {}
            assert names(folder) == ["part.json", LOCK]
    assert f"{folder} is of other network and cameras: starting anew" in caplog.text


def test_killed_while_it_starts_anew(out, monkeypatch):
    """The rest of the old work is neither the old one nor the new."""
    folder = left_over(out, done=3)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PartialOutput, "_clear", _interrupt)
        part_of(out, {}).__enter__()
    with part_of(out) as part:
        assert part.state == {}
        assert not (folder / "work").exists()


@pytest.mark.parametrize("left", [(), (LOCK,), (LOCK, "part.json.new")])
def test_killed_when_it_had_just_begun(out, left):
    folder = out.parent / "out.part"
    folder.mkdir(parents=True)
    for name in left:
        (folder / name).touch()
    with part_of(out) as part:
        assert part.state == {}


@pytest.mark.parametrize("kind", [require_new_file, require_new_folder])
def test_killed_between_the_last_two_acts(out, monkeypatch, kind):
    def finish():
        with PartialOutput(out, ABOUT, kind) as part:
            made = part.folder / "made"
            (made.touch if kind == require_new_file else made.mkdir)()
            if kind == require_new_folder:
                (made / "file").touch()
            part.save_progress(done=1)
            part.publish(made)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PartialOutput, "remove", _interrupt)
        finish()
    assert names(out.parent) == ["out", "out.part"]
    require_new_output(out, kind)
    # Only for who asks for the same; for others the output is one that is there.
    with pytest.raises(InputError, match="out exists"):
        PartialOutput(out, {}, kind).__enter__()
    with PartialOutput(out, ABOUT, kind) as part:
        assert part.was_already_published
    assert names(out.parent) == ["out"]
    with pytest.raises(InputError, match="out exists"):
        require_new_output(out, kind)


def test_a_rename_that_failed_is_tried_again(out, monkeypatch):
    def failing(old, new):
        if Path(new) == out:
            raise OSError("no rename")
        replace(old, new)

    replace = os.replace
    for error in (OSError, None):
        with monkeypatch.context() as patch, part_of(out) as part:
            if error:
                patch.setattr(os, "replace", failing)
            (part.folder / "made").write_text("whole")
            part.save_progress(**part.state, done=7) if error else None
            assert part.state == {"done": 7}
            if error:
                with pytest.raises(OSError, match="no rename"):
                    part.publish(part.folder / "made")
            else:
                part.publish(part.folder / "made")
    assert out.read_text() == "whole"


def test_one_process_at_a_time(out):
    with part_of(out) as part:
        command = (
            "import sys; from tfipgan.files.partial_output import PartialOutput; "
            "PartialOutput(sys.argv[1], {}, print).__enter__()"
        )
        other = subprocess.run(
            [sys.executable, "-c", command, out], capture_output=True, text=True
        )
        assert f"{out} is being written by another process" in other.stderr
        with pytest.raises(InputError, match="being written by another process"):
            part_of(out, {}).__enter__()
        assert json.loads((part.folder / "part.json").read_text())["about"] == ABOUT
    with locked(part.folder / LOCK, "free again"):
        pass


@pytest.mark.parametrize(
    "content", ["file", {"mine": ""}, {"part.json": "[1]"}, {"part.json": '{"a": 1}'}]
)
def test_something_else_in_its_place_stays(out, content):
    folder = out.parent / "out.part"
    out.parent.mkdir()
    if content == "file":
        folder.write_text(content)
    else:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
    for enter in (part_of(out).__enter__, lambda: require_new_output(out, print)):
        with pytest.raises(InputError, match="not what an unfinished command leaves"):
            enter()
    if content == "file":
        assert folder.read_text() == "file"
    else:
        assert {p.name: p.read_text() for p in folder.iterdir()} == content


def test_an_output_that_is_there_stays(out, tmp_path):
    out.parent.mkdir()
    out.write_text("mine")
    with pytest.raises(InputError, match="out exists; expected a new file"):
        part_of(out).__enter__()
    assert names(out.parent) == ["out"] and out.read_text() == "mine"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "mine").touch()
    with pytest.raises(InputError, match="folder exists and is not empty"):
        PartialOutput(folder, ABOUT, require_new_folder).__enter__()
    assert names(tmp_path) == ["folder", "new"]


def test_a_place_that_can_get_no_name():
    """A folder that is mounted can't be replaced by one that is whole."""
    with pytest.raises(InputError, match="^/proc is a mount point.*: give a folder in"):
        require_new_output("/proc", require_new_folder)


def test_a_folder_that_can_not_be_written_to():
    with pytest.raises(OSError, match="/proc/tfipgan"):
        part_of("/proc/tfipgan/out").__enter__()


def test_links_are_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "to")
    with part_of(tmp_path / "out") as part:
        assert part.folder == tmp_path / "disk" / "to.part"
        (part.folder / "made").touch()
        part.publish(part.folder / "made")
    assert (tmp_path / "out").is_symlink() and (tmp_path / "out").is_file()


def test_what_is_noted_is_on_the_disk(out, monkeypatch):
    synced = []

    def spying(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    with part_of(out) as part:
        monkeypatch.setattr(os, "fsync", spying)
        part.save_progress(done=1)
        monkeypatch.undo()
    assert synced == [str(part.folder / "part.json.new"), str(part.folder)]


def _interrupt(*arguments):
    raise KeyboardInterrupt


def worker_part(out, index, count=2, about=ABOUT):
    return PartialOutput(out, about, require_new_file, Worker(index, count))


def joined(part):
    """Make the output of the shares' works, as the last worker does."""
    made = part.folder / "made"
    made.write_text("".join((own / "work").read_text() for own in part.shares()))
    part.publish(made)


def do_share(out, index):
    """Do a worker's share; return whether it was the last one, which joins."""
    with worker_part(out, index) as part:
        (part.share_folder / "work").write_text(str(index))
        is_last = part.mark_share_complete()
        if is_last:
            joined(part)
    return is_last


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_worker_joins(out, order):
    assert not do_share(out, order[0])
    assert names(out.parent) == ["out.part"]
    assert names(out.parent / "out.part") == ["part.json", LOCK, f"worker-{order[0]}"]
    assert do_share(out, order[1])
    assert names(out.parent) == ["out"]
    assert out.read_text() == "01"


def test_workers_at_once(out):
    with worker_part(out, 0) as first, worker_part(out, 1) as second:
        assert (
            first.folder == second.folder != first.share_folder != second.share_folder
        )
        first.save_progress(done=1)
        second.save_progress(done=2)
        assert not first.mark_share_complete()
        assert first.share_is_complete and not second.share_is_complete
        (first.share_folder / "work").write_text("0")
        (second.share_folder / "work").write_text("1")
        assert second.mark_share_complete()
        joined(second)
    assert names(out.parent) == ["out"]


def test_a_worker_goes_on_with_its_share(out, caplog):
    for state in ({}, {"done": 3}):
        with worker_part(out, 0) as part:
            assert part.state == state
            assert (part.share_folder / "work").exists() == bool(state)
            (part.share_folder / "work").touch()
            (part.share_folder / ".made.17.tmp").touch()
            part.save_progress(done=3)
    with worker_part(out, 0) as part:
        assert not (part.share_folder / ".made.17.tmp").exists()
    with worker_part(out, 1) as part:
        assert part.state == {} and not names(part.share_folder)[2:]
    # Killed before it noted anything.
    for left in ([], [LOCK]):
        shutil.rmtree(part.share_folder)
        part.share_folder.mkdir()
        for name in left:
            (part.share_folder / name).touch()
        with worker_part(out, 1) as part:
            assert part.state == {}


@pytest.mark.parametrize("again", [0, 1])
def test_killed_while_it_joins(out, caplog, again):
    do_share(out, 0)
    with pytest.raises(KeyError), worker_part(out, 1) as part:
        (part.share_folder / "work").write_text("1")
        assert part.mark_share_complete()
        raise KeyError
    caplog.clear()
    with caplog.at_level(logging.INFO), worker_part(out, again) as part:
        assert part.share_is_complete and part.mark_share_complete()
        joined(part)
    assert f"{part.share_folder}: going on after all of it" in caplog.text
    assert names(out.parent) == ["out"] and out.read_text() == "01"


@pytest.mark.parametrize("again", [0, 1])
def test_killed_between_the_last_two_acts_of_all(out, monkeypatch, again):
    do_share(out, 0)
    with worker_part(out, 0) as early:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(PartialOutput, "remove", _interrupt)
            do_share(out, 1)
        assert names(out.parent) == ["out", "out.part"]
        # For a worker that was under way it is the others' work that is done.
        if again == 0:
            assert not early.mark_share_complete()
            assert names(out.parent) == ["out"]
            return
    with worker_part(out, 1) as part:
        assert part.was_already_published
    assert names(out.parent) == ["out"] and out.read_text() == "01"


def test_a_worker_waits_while_another_joins(out):
    """The one that has just done its share too, and finds nothing more to do."""
    with worker_part(out, 0) as first, ThreadPoolExecutor(1) as pool:
        with worker_part(out, 1) as second:
            (first.share_folder / "work").write_text("0")
            (second.share_folder / "work").write_text("1")
            first.save_progress(ready=True)
            assert second.mark_share_complete()
            waiting = pool.submit(first.mark_share_complete)
            assert not wait([waiting], 0.3).done
            joined(second)
        assert waiting.result(9) is False
        assert first.mark_share_complete() is False
    assert names(out.parent) == ["out"] and out.read_text() == "01"


def test_a_worker_that_comes_while_another_joins(out):
    do_share(out, 0)
    with ThreadPoolExecutor(1) as pool:
        with worker_part(out, 1) as second:
            (second.share_folder / "work").write_text("1")
            assert second.mark_share_complete()
            waiting = pool.submit(worker_part(out, 0).__enter__)
            assert not wait([waiting], 0.3).done
            joined(second)
        with pytest.raises(InputError, match="out exists; expected a new file"):
            waiting.result(9)
    assert names(out.parent) == ["out"] and out.read_text() == "01"


def test_workers_of_another_number_or_work(out):
    do_share(out, 0)
    folder = f"^{out}.part"
    for other in (part_of(out), worker_part(out, 0, 3)):
        with pytest.raises(InputError, match=f"{folder} is of a work for 2 worker"):
            other.__enter__()
    with pytest.raises(InputError, match=f"{folder} is of other images than worker 1 "):
        worker_part(out, 1, 2, {**ABOUT, "images": "j"}).__enter__()
    with worker_part(out, 0):
        with pytest.raises(InputError, match="the share of worker 0 of 2 in .*/out is"):
            worker_part(out, 0).__enter__()
    assert do_share(out, 1)


def test_workers_where_one_is_at_work(out):
    """It has the lock until its end; nobody waits for that."""
    with part_of(out):
        with pytest.raises(InputError, match="for 1 worker.*, expected 2 .TF_CONFIG"):
            worker_part(out, 0).__enter__()


def test_one_worker_while_several_begin(out):
    with worker_part(out, 0)._turn():
        with pytest.raises(InputError, match="being written by another process"):
            part_of(out).__enter__()
