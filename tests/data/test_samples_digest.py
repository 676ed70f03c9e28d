"""Image files are known by path, size, time and how they are read; by order too."""

import os
from dataclasses import replace

import pytest

from tfipgan.data.filenames import Sample
from tfipgan.data.samples_digest import samples_digest


@pytest.fixture
def samples(tmp_path):
    made = [Sample(str(tmp_path / f"{i}\udcff.jpg"), -2, -1) for i in range(2)]
    for sample in made:
        with open(sample.path, "wb") as file:
            file.write(b"12")
        os.utime(sample.path, ns=(10**18, 10**18))
    return made


def test_what_changes_it(samples):
    first = samples_digest(samples)
    assert samples_digest([replace(s, person_id=7, camera_id=1) for s in samples]) == (
        first
    )
    others = {
        first,
        samples_digest(samples[::-1]),
        samples_digest(samples[:1]),
        samples_digest([samples[0], replace(samples[1], needs_conversion=True)]),
    }
    os.utime(samples[1].path, ns=(10**18, 10**18 + 1))
    others.add(samples_digest(samples))
    with open(samples[1].path, "ab") as file:
        file.write(b"3")
    os.utime(samples[1].path, ns=(10**18, 10**18))
    others.add(samples_digest(samples))
    assert len(others) == 6


def test_a_file_that_is_gone(samples):
    os.remove(samples[1].path)
    with pytest.raises(FileNotFoundError, match="1"):
        samples_digest(samples)
