"""The part of a feature file: what a kill leaves, another process goes on with."""

import errno
import json
import logging
import os
import shutil

import numpy as np
import pytest

from tfipgan.evaluation import feature_part
from tfipgan.evaluation.feature_part import FeaturePart, row_files
from tfipgan.files.output_file import require_new_file
from tfipgan.files.partial_output import PartialOutput

ROWS = np.arange(1, 23, dtype=np.float32).reshape(11, 2)
BATCHES = [ROWS[:4], ROWS[4:8], ROWS[8:]]


@pytest.fixture
def part(tmp_path):
    """Function that gives the part of an output, as each process would find it."""
    return lambda: PartialOutput(tmp_path / "out", {"network": "n"}, require_new_file)


def fill(rows, after_each=lambda: None):
    done = 0
    for batch in BATCHES:
        done += len(batch)
        if done > rows.num_done:
            rows.append(batch)
            after_each()


def filled(held):
    """The rows of a part when what it lacks is there."""
    with FeaturePart(held, 11) as rows:
        fill(rows)
    (file,) = row_files(held)
    return np.fromfile(file, np.float32).reshape(-1, 2)


def test_rows_in_batches(part):
    with part() as held:
        with FeaturePart(held, 11) as rows:
            assert rows.num_done == 0
        np.testing.assert_array_equal(filled(held), ROWS, strict=True)


@pytest.mark.parametrize(("seconds", "safe"), [(0, [0, 4, 8, 11]), (999, [0, 0, 0, 0])])
def test_what_a_kill_leaves(part, tmp_path, monkeypatch, caplog, seconds, safe):
    """Copies of the folder are what is there when the process ends at that moment."""
    monkeypatch.setattr(feature_part, "KEEP_SECONDS", seconds)
    copies = []

    def copy():
        copies.append(shutil.copytree(held.folder, tmp_path / str(len(copies))))

    with part() as held, FeaturePart(held, 11) as rows:
        copy()
        fill(rows, copy)
    for left, done in zip(copies, safe, strict=True):
        caplog.clear()
        shutil.rmtree(held.folder)
        shutil.copytree(left, held.folder)
        with caplog.at_level(logging.INFO), part() as again:
            with FeaturePart(again, 11) as rows:
                assert rows.num_done == done
            np.testing.assert_array_equal(filled(again), ROWS)
        assert (f"going on after {done} of 11" in caplog.text) == (done > 0)


def test_rows_are_on_the_disk_before_they_are_counted(part, monkeypatch):
    order = []

    def spying(descriptor):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        order.append((name, held.state["done"]))

    with part() as held, FeaturePart(held, 11) as rows:
        rows.append(BATCHES[0])
        rows.keep()
        rows.append(BATCHES[1])
        monkeypatch.setattr(os, "fsync", spying)
        rows.keep()
        monkeypatch.undo()
        assert order[:2] == [("rows.f32", 4), ("part.json.new", 4)]
        assert json.loads((held.folder / "part.json").read_text())["done"] == 8


def test_half_a_batch_is_written_again(part):
    with part() as held, FeaturePart(held, 11) as rows:
        rows.append(BATCHES[0])
    with open(held.folder / "rows.f32", "ab") as file:
        file.write(b"\xff" * 99)
    with part() as held:
        with FeaturePart(held, 11) as rows:
            assert rows.num_done == 4
        np.testing.assert_array_equal(filled(held), ROWS)


def test_an_error_keeps_all_rows(part):
    with pytest.raises(KeyError), part() as held, FeaturePart(held, 11) as rows:
        rows.append(BATCHES[0])
        raise KeyError
    with part() as held, FeaturePart(held, 11) as rows:
        assert rows.num_done == 4


def test_a_full_disk(part, monkeypatch):
    """The rows after the last that were kept are lost, no others."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"), part() as held:
        with FeaturePart(held, 11) as rows:
            rows.append(BATCHES[0])
            rows.keep()
            rows.append(BATCHES[1])
            monkeypatch.setattr(os, "fsync", full)
            rows.keep()
    monkeypatch.undo()
    with part() as held:
        with FeaturePart(held, 11) as rows:
            assert rows.num_done == 4
        np.testing.assert_array_equal(filled(held), ROWS)


def test_rows_that_were_cut_off(part, caplog):
    with part() as held, FeaturePart(held, 11) as rows:
        fill(rows)
    os.truncate(held.folder / "rows.f32", 8)
    with part() as held:
        with FeaturePart(held, 11) as rows:
            assert "rows.f32 was cut off: starting anew" in caplog.text
            assert rows.num_done == 0
        np.testing.assert_array_equal(filled(held), ROWS)
