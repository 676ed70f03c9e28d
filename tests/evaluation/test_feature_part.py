"""The part of a feature file: what a kill leaves, another process goes on with."""

import json
import logging
import os
import shutil

import numpy as np
import pytest

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.evaluation import feature_part
from tfipgan.evaluation.feature_part import FeaturePart, fingerprint
from tfipgan.models import ReidNetwork

ABOUT = {"network": "n", "images": "i"}
ROWS = np.arange(1, 23, dtype=np.float32).reshape(11, 2)
BATCHES = [ROWS[:4], ROWS[4:8], ROWS[8:]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "out.npz.part"


def fill(part, after_each=lambda: None):
    done = 0
    for batch in BATCHES:
        done += len(batch)
        if done > part.done:
            part.append(batch)
            after_each()
    return part.array()


def test_rows_in_batches(path):
    with FeaturePart(path, ABOUT, 11) as part:
        assert part.done == 0
        rows = fill(part)
        np.testing.assert_array_equal(rows, ROWS, strict=True)
    assert path.exists()
    part.remove()
    assert not path.exists()
    # As open files are, it is still there for who reads it.
    np.testing.assert_array_equal(rows, ROWS)


@pytest.mark.parametrize(("seconds", "safe"), [(0, [0, 4, 8, 11]), (999, [0, 0, 0, 0])])
def test_what_a_kill_leaves(path, tmp_path, monkeypatch, caplog, seconds, safe):
    """Copies of the file are what is there when the process ends at that moment."""
    monkeypatch.setattr(feature_part, "KEEP_SECONDS", seconds)
    copies = []

    def copy():
        copies.append(shutil.copy(path, tmp_path / str(len(copies))))

    with FeaturePart(path, ABOUT, 11) as part:
        copy()
        fill(part, copy)
    for left, done in zip(copies, safe, strict=True):
        caplog.clear()
        shutil.copy(left, path)
        with caplog.at_level(logging.INFO), FeaturePart(path, ABOUT, 11) as other:
            assert other.done == done
            np.testing.assert_array_equal(fill(other), ROWS)
        assert f"going on after {done} of 11" in caplog.text


def test_rows_are_on_the_disk_before_they_are_counted(path, monkeypatch):
    counted = []

    def spying(descriptor):
        counted.append(json.loads(os.pread(descriptor, 1024, 0))["done"])

    with FeaturePart(path, ABOUT, 11) as part:
        part.append(BATCHES[0])
        monkeypatch.setattr(os, "fsync", spying)
        part.keep()
        monkeypatch.undo()
    assert counted == [0, 4]


def test_half_a_batch_is_written_again(path):
    with FeaturePart(path, ABOUT, 11) as part:
        part.append(BATCHES[0])
    with open(path, "ab") as file:
        file.write(b"\xff" * 9)
    with FeaturePart(path, ABOUT, 11) as other:
        assert other.done == 4
        np.testing.assert_array_equal(fill(other), ROWS)


def test_an_error_keeps_all_rows(path):
    with pytest.raises(KeyError), FeaturePart(path, ABOUT, 11) as part:
        part.append(BATCHES[0])
        raise KeyError
    with FeaturePart(path, ABOUT, 11) as other:
        assert other.done == 4


def test_other_rows_start_anew(path, caplog):
    with FeaturePart(path, ABOUT, 11) as part:
        part.append(BATCHES[0])
        with caplog.at_level(logging.INFO):
            other = FeaturePart(path, {"network": "m", "images": "j"}, 11)
        assert f"{path} is of other network and images: starting anew" in caplog.text
        assert other.done == 0
        with other:
            rows = fill(other)
            # A process that still writes to the old file doesn't write to the new.
            part.append(-BATCHES[1])
            part.keep()
            np.testing.assert_array_equal(rows, ROWS)


def test_two_processes_on_the_same_rows(path):
    with FeaturePart(path, ABOUT, 11) as one, FeaturePart(path, ABOUT, 11) as other:
        one.append(BATCHES[0])
        one.append(BATCHES[1])
        other.append(BATCHES[0])
        other.keep()
        one.append(BATCHES[2])
        np.testing.assert_array_equal(one.array(), ROWS)
        np.testing.assert_array_equal(fill(other), ROWS)


def test_an_empty_file_is_a_new_one(path):
    path.parent.mkdir()
    path.touch()
    with FeaturePart(path, ABOUT, 11) as part:
        np.testing.assert_array_equal(fill(part), ROWS)


@pytest.mark.parametrize(
    "content", [b"mine", b"[1, 2]", b'{"done": 3}', b'{"about": 3}']
)
def test_something_else_at_its_place_stays(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError, match="not what an unfinished extraction leaves"):
        FeaturePart(path, ABOUT, 11)
    assert path.read_bytes() == content


def test_a_part_that_was_cut_off(path):
    with FeaturePart(path, ABOUT, 11) as part:
        fill(part)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(InputError, match="not what an unfinished extraction leaves"):
        FeaturePart(path, ABOUT, 11)


def test_what_decides_the_rows(tmp_path):
    def network_of(**options):
        network = ReidNetwork(None, 18, None, 2, **options)
        network.pool(np.zeros((1, 32, 32, 3), np.float32))
        for variable in network.variables:
            variable.assign(np.ones(variable.shape))
        return network

    samples = [Sample(str(tmp_path / f"{i}.jpg"), -2, -1) for i in range(2)]
    for sample in samples:
        with open(sample.path, "wb") as file:
            file.write(b"12")
        os.utime(sample.path, ns=(10**18, 10**18))
    network = network_of()
    first = fingerprint(network, samples)
    assert first.keys() == {"network", "images"}
    assert fingerprint(network_of(), samples) == first

    def changed(network, samples):
        other = fingerprint(network, samples)
        return {key for key in first if other[key] != first[key]}

    assert changed(network_of(mean=(0.5, 0.5, 0.0)), samples) == {"network"}
    network.variables[3].assign(network.variables[3] * 2)
    assert changed(network, samples) == {"network"}
    network = network_of()
    assert changed(network, samples[::-1]) == {"images"}
    # The names' meaning does not decide the rows.
    assert not changed(network, [Sample(s.path, 7, 2) for s in samples])
    os.utime(samples[1].path, ns=(10**18, 10**18 + 1))
    assert changed(network, samples) == {"images"}
    with open(samples[1].path, "ab") as file:
        file.write(b"3")
    os.utime(samples[1].path, ns=(10**18, 10**18))
    assert changed(network, samples) == {"images"}
