"""Images kept in memory: the same batches to the bit, and memory told beforehand."""

import logging
import os

import numpy as np
import pytest

from tfipgan.data import batching
from tfipgan.data.image_cache import GIB, check_cache
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.data.pipelines import gan_batches, reid_batches
from tfipgan.errors import InputError
from tfipgan.files.worker import Worker
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.training import reid, runner

SIZE = (40, 24)  # not the files', so that pixels are fractions


def read(kind, samples, cache, **options):
    source, target = samples
    labels = LabelMap.from_samples(source)
    options |= {"image_size": SIZE, "seed": 7, "end_step": 9, "cache": cache}
    if kind == "gan":
        batches = gan_batches(
            source, target, labels, DomainMap.from_samples(target),
            batch_size=4, n_critic=2, **options,
        )  # fmt: skip
    else:
        if kind == "augmented":
            options |= {"crop": False, "pad_crop": 4, "jitter": 0.2, "erasing": 0.5}
        batches = reid_batches(source, labels, batch_size=8, dropout_units=3, **options)
    return list(batches.as_numpy_iterator())


@pytest.mark.parametrize("kind", ["gan", "reid", "augmented"])
@pytest.mark.parametrize(
    "options",
    [{}, {"start_step": 7}, {"worker": Worker(1, 2)}],
    ids=["whole", "resumed", "second worker"],
)
def test_batches_are_the_same_to_the_bit(kind, tiny_samples, options):
    plain = read(kind, tiny_samples, False, **options)
    cached = read(kind, tiny_samples, True, **options)
    assert len(plain) == len(cached) == 9 - options.get("start_step", 0)
    for one, other in zip(plain, cached, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    assert np.any(one["images"] * 255 % 1)


def test_each_image_is_decoded_once(tiny_samples, monkeypatch):
    asked = []
    real = batching.decoded_in_order

    def spying(samples, *args):
        asked.append(len(samples))
        return real(samples, *args)

    monkeypatch.setattr(batching, "decoded_in_order", spying)
    monkeypatch.setattr(batching.tf.io, "read_file", _once_a_trace(batching.tf.io))
    read("gan", tiny_samples, True)
    assert asked == [60]


def _once_a_trace(io):
    """Refuse a second place that reads files, beside the one that fills the cache."""
    real, traces = io.read_file, []

    def read_file(path):
        traces.append(path)
        assert len(traces) == 1
        return real(path)

    return read_file


def test_more_than_is_allowed_is_refused_in_a_line():
    # 1024 x 16 x 16 x 3 x 4 bytes are 3 MiB.
    assert check_cache(1024, (16, 16), None) is None
    assert check_cache(1024, (16, 16), 3 / 1024) is None
    line = (
        r"^1024 decoded images of 16x16 take 0.00293 GiB, --cache-images allows "
        r"0.0029: allow more, or leave it out$"
    )
    with pytest.raises(InputError, match=line):
        check_cache(1024, (16, 16), 0.0029)


def test_more_than_there_is_is_refused_in_a_line(monkeypatch):
    pages = {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": GIB}
    monkeypatch.setattr(os, "sysconf", pages.get)
    check_cache(4 * 2**10, (256, 256), 99)  # 3 GiB
    line = "take 3.75 GiB, this machine has 3: leave --cache-images out$"
    with pytest.raises(InputError, match=line):
        check_cache(5 * 2**10, (256, 256), 99)


def test_what_is_taken_is_told(caplog):
    with caplog.at_level(logging.INFO):
        check_cache(1024, (16, 16), 1)
    assert caplog.messages == [
        "1024 decoded images of 16x16 take 0.00293 GiB, kept in memory"
    ]


def test_a_training_with_a_cache_is_the_one_without(
    tiny_reid_run, tiny_config, tiny_samples, tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "METRICS_EVERY", 1)
    options = {"devices": ["CPU:0"], "progress": False}
    arguments = tiny_config, tiny_samples[0], tmp_path / "run"
    with pytest.raises(InputError, match="--cache-images allows 1e-05"):
        reid.train_reid(*arguments, cache_gib=1e-5, **options)
    assert not (tmp_path / "run").exists()
    run = reid.train_reid(*arguments, cache_gib=0.1, **options)
    own, other = (read_metrics(r.path / "metrics.jsonl") for r in (run, tiny_reid_run))
    assert own == other
