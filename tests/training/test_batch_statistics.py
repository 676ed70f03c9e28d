"""Batch-norm statistics of a target: against a slow version, and all else as it was."""

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.config import load_config
from tfipgan.data.images import to_unit
from tfipgan.data.pipelines import inference_batches
from tfipgan.errors import InputError
from tfipgan.runs.run import load_reid_network, open_run
from tfipgan.training import batch_statistics
from tfipgan.training.batch_statistics import adapt_statistics
from tfipgan.weights.variables import named_weights


@pytest.fixture
def adapted(tiny_overrides, tiny_reid_run, tiny_samples, tmp_path):
    """`adapt_statistics` to the tiny target into tmp_path/run."""

    def call(samples=None, *settings, start=tiny_reid_run):
        config = load_config("synthetic/ipgan", [*tiny_overrides, *settings])
        samples = tiny_samples[1] if samples is None else samples
        return adapt_statistics(
            config, start, samples, tmp_path / "run", progress=False
        )

    return call


def stem_output(network, samples):
    """What the first batch norm is given, (images, height, width, channels)."""
    (images,) = inference_batches(samples, (32, 16), len(samples))
    normalised = (to_unit(images) - tf.constant(network.mean)) / network.std
    return network.backbone.stem(normalised).numpy().astype(np.float64)


def test_statistics_are_the_means_of_all_batches(
    adapted, tiny_reid_run, tiny_samples, monkeypatch
):
    target = tiny_samples[1]
    seen = []
    batches = batch_statistics.inference_batches

    def noted(samples, *rest):
        seen.append([s.path for s in samples])
        return batches(samples, *rest)

    monkeypatch.setattr(batch_statistics, "inference_batches", noted)
    run = adapted(None, "evaluation.batch_size=7")
    # 30 images in four batches of about 7, each image once and not in their order.
    assert sorted(map(len, seen)) == [7, 7, 8, 8]
    paths = [s.path for s in target]
    assert sorted(sum(seen, [])) == sorted(paths) != sum(seen, [])
    found, before = load_reid_network(run), load_reid_network(tiny_reid_run)
    maps = stem_output(before, target)
    parts = [maps[[paths.index(path) for path in part]] for part in seen]
    norm = found.backbone.stem_norm
    means = np.mean([part.mean(axis=(0, 1, 2)) for part in parts], axis=0)
    variances = np.mean([part.var(axis=(0, 1, 2)) for part in parts], axis=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), means, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variances, rtol=2e-2)


def test_nothing_else_has_changed(adapted, tiny_reid_run, tiny_samples):
    run = adapted()
    assert (run.labels, run.adapted, run.config.reid) == (
        None, "reid", tiny_reid_run.config.reid,
    )  # fmt: skip
    found, before = (named_weights(load_reid_network(r)) for r in (run, tiny_reid_run))
    assert not any(name.startswith("head.") for name in found)
    for name, variable in found.items():
        same = np.array_equal(variable.numpy(), before[name].numpy())
        assert same != name.endswith(("moving_mean", "moving_variance")), name


def test_one_batch_of_few_images(adapted, tiny_samples):
    run = adapted(tiny_samples[1][:2])
    assert open_run(run.path, "reid").adapted == "reid"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images(adapted, tiny_samples, tmp_path, count):
    expected = f"^{count} target images, expected at least 2 to take batch statistics"
    with pytest.raises(InputError, match=expected):
        adapted(tiny_samples[1][:count])
    assert not (tmp_path / "run").exists()


def test_statistics_that_are_nan(adapted, tmp_path, monkeypatch):
    nan = lambda images: to_unit(images) * np.nan  # noqa: E731
    monkeypatch.setattr(batch_statistics, "to_unit", nan)
    with pytest.raises(InputError, match="values that are NaN or infinite; look for a"):
        adapted()
    assert not (tmp_path / "run").exists()
