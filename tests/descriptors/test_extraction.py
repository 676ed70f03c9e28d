"""Feature files of BoW and LOMO: the same whoever makes them, and killed ones go on."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.descriptors import extraction
from tfipgan.descriptors.bow import BagOfWords
from tfipgan.descriptors.extraction import bow_to_file, learn_bow, lomo_to_file
from tfipgan.descriptors.lomo import lomo
from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet
from tfipgan.files.worker import Worker


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(extraction, "BATCH_SIZE", 2)


@pytest.fixture
def samples(tmp_path, rng):
    """Five images of other sizes than the descriptors'."""
    made = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        pixels = rng.integers(0, 256, (40 + number, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        made.append(Sample(str(path), 10 + number, number % 2))
    return made


@pytest.fixture
def bow(rng):
    return BagOfWords(
        rng.random((12, 11)).astype(np.float32), np.ones(12), rng.random(16 * 12)
    )


def test_rows_are_the_descriptors_of_resized_images(samples, bow, tmp_path, capsys):
    shapes = {
        lomo: (lomo_to_file(samples, tmp_path / "l.npz", threads=3), (48, 128)),
        bow: (bow_to_file(bow, samples, tmp_path / "b.npz", progress=True), (64, 128)),
    }
    for (describe, (shape, size)), name in zip(shapes.items(), "lb", strict=True):
        found = FeatureSet.load(tmp_path / f"{name}.npz")
        assert found.features.shape == shape
        assert found.person_ids.tolist() == [10, 11, 12, 13, 14]
        assert found.camera_ids.tolist() == [0, 1, 0, 1, 0]
        for sample, row in zip(samples, found.features, strict=True):
            image = Image.open(sample.path).resize(size, Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(row, describe(np.asarray(image)))
    assert "5/5" in capsys.readouterr().err


def test_any_number_of_threads_and_workers_gives_the_same_file(samples, tmp_path):
    lomo_to_file(samples, tmp_path / "one.npz")
    lomo_to_file(samples, tmp_path / "threads.npz", threads=4)
    out = tmp_path / "workers.npz"
    assert lomo_to_file(samples, out, worker=Worker(1, 2)) is None
    assert lomo_to_file(samples, out, worker=Worker(0, 2)) == (5, 26960)
    whole = (tmp_path / "one.npz").read_bytes()
    assert (tmp_path / "threads.npz").read_bytes() == whole == out.read_bytes()


def test_a_killed_extraction_goes_on(samples, bow, tmp_path, monkeypatch, caplog):
    bow_to_file(bow, samples, tmp_path / "whole.npz")
    out, done = tmp_path / "out.npz", []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def killed(path):
            if len(done) == 4:
                raise KeyboardInterrupt
            done.append(path)
            return opened(path)

        opened = extraction.reopen_rgb
        patch.setattr(extraction, "reopen_rgb", killed)
        patch.setattr("tfipgan.files.threads.AT_ONCE", 1)
        bow_to_file(bow, samples, out)
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        again = []
        patch.setattr(
            extraction, "reopen_rgb", lambda path: again.append(path) or opened(path)
        )
        bow_to_file(bow, samples, out)
    assert f"{out}.part: going on after 4 of 5" in caplog.text
    assert again == [samples[4].path]
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("changed", ["descriptor", "images"])
def test_what_decides_the_rows(samples, bow, tmp_path, monkeypatch, caplog, changed):
    out = tmp_path / "out.npz"
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(extraction, "reopen_rgb", _fail)
        bow_to_file(bow, samples, out)
    if changed == "descriptor":
        bow = BagOfWords(bow.words, bow.idf + 1e-9, bow.mean)
    else:
        samples = samples[::-1]
    with caplog.at_level(logging.INFO):
        bow_to_file(bow, samples, out)
    assert f"is of other {changed}: starting anew" in caplog.text


def _fail(path):
    raise RuntimeError


def test_an_image_that_has_changed(samples, tmp_path):
    Path(samples[2].path).write_bytes(b"")
    with pytest.raises(InputError, match=r"2\.png has changed: empty"):
        lomo_to_file(samples, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_a_codebook_of_evenly_many_images(samples, monkeypatch, capsys):
    """Of 5 images every second: 3, not more than 4."""
    monkeypatch.setattr(extraction, "MOST_TO_LEARN_FROM", 4)
    found = []
    monkeypatch.setattr(extraction, "learn_words", found.append)
    learn_bow(samples, threads=2, progress=True)
    (cells,) = found
    assert len(cells) == 3 and cells[0].shape == (32, 16, 11)
    assert "codebook: 100%" in capsys.readouterr().err
    for sample, image in zip(samples[::2], cells, strict=True):
        pixels = Image.open(sample.path).resize((64, 128), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(image, extraction.patches(np.asarray(pixels)))
