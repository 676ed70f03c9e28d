"""reid.translated_label_smoothing: of translated images, and of no others."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.files.worker import ALONE
from tfipgan.training.reid import ReidMethod, train_reid


def smoothed(config, **values):
    return replace(config, reid=replace(config.reid, dropout=0.0, **values))


def first_loss(config, samples, translated):
    """The loss of a first step, and (log-probabilities, classes) of its rows."""
    method = ReidMethod(config, samples, translated)
    method.check_config()
    method.prepare()
    method.build()
    # Of the start's small classifier all classes are alike.
    kernel = method.networks["network"].head.classifier.kernel
    draws = tf.random.stateless_normal(tuple(kernel.shape), (1, 2))
    kernel.assign(draws)
    batch = next(iter(method.batches(0, 1, ALONE)))
    network = method.model.network
    logits = network.classify(network.pool(batch["images"], training=True), True)
    terms = method.train_step(batch)
    return terms["reid/loss"], tf.nn.log_softmax(logits).numpy(), batch["identities"]


@pytest.mark.parametrize(
    ("translated", "own", "other", "share"),
    [
        (True, 0.1, 0.0, 0.1),
        (True, 0.1, 0.3, 0.1),
        (True, 0.0, 0.3, 0.3),
        (False, 0.1, 0.0, 0.0),
        (False, 0.1, 0.3, 0.3),
    ],
)
def test_the_loss_by_hand(tiny_config, tiny_samples, translated, own, other, share):
    """0.9 of the target on the identity, 0.1 / N on each: CamStyle's of fakes."""
    config = smoothed(
        tiny_config, translated_label_smoothing=own, label_smoothing=other
    )
    samples = tiny_samples[0]
    loss, logs, classes = first_loss(config, samples, samples if translated else None)
    rows, people = logs.shape
    target = np.full((rows, people), share / people)
    target[np.arange(rows), classes] += 1 - share
    assert np.std(logs) > 0.1
    np.testing.assert_allclose(loss, -(target * logs).sum() / rows, rtol=1e-4)


def test_without_translated_images_a_line_says_so(
    tiny_config, tiny_samples, tmp_path, caplog
):
    config = smoothed(tiny_config, translated_label_smoothing=0.1, epochs=1)
    options = {"devices": ["CPU:0"], "progress": False}
    with caplog.at_level(logging.WARNING):
        train_reid(config, tiny_samples[0], tmp_path / "run", **options)
    (line,) = [m for m in caplog.messages if "smoothing" in m]
    assert line.startswith("reid.translated_label_smoothing is 0.1 but no translated")
