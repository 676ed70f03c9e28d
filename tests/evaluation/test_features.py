"""Features and identity accuracy of image files, with networks that can be foretold."""

import logging
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import LabelMap
from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet, feature_file, features
from tfipgan.evaluation.features import (
    classes_and_features,
    extract_features,
    extract_to_file,
    identity_accuracy,
)
from tfipgan.files.worker import Worker

SIZE = (8, 4)
REDS = (0, 51, 102, 153, 204)


@pytest.fixture
def mean_colour(monkeypatch):
    """A stand-in for a network: the feature is the mean colour."""

    def embed(images):
        assert images.shape[1:] == (*SIZE, 3)
        return tf.reduce_mean(images, axis=(1, 2))

    monkeypatch.setattr(features, "InferenceNetwork", lambda network: network)
    return embed


def favoured_class(images):
    """The logits of a classifier that names class round(5 x red)."""
    red = tf.reduce_mean(images, axis=(1, 2))[:, 0]
    return tf.one_hot(tf.cast(tf.round(red * 5), tf.int32), 5)


@pytest.fixture
def samples(tmp_path):
    """Five one-coloured images of persons 10, 20, .. 50, last first."""
    made = []
    for number, red in enumerate(REDS):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (6, 12), (red, 255, 0)).save(path)
        made.append(Sample(str(path), 10 * (number + 1), number % 2))
    return made[::-1]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_features_are_in_order_with_their_labels(mean_colour, samples, batch_size):
    found = extract_features(mean_colour, samples, SIZE, batch_size)
    expected = [[red / 255, 1, 0] for red in reversed(REDS)]
    np.testing.assert_allclose(found.features, expected, atol=1e-6)
    assert found.features.dtype == np.float32
    np.testing.assert_array_equal(found.person_ids, [50, 40, 30, 20, 10])
    np.testing.assert_array_equal(found.camera_ids, [0, 1, 0, 1, 0])
    assert list(found.paths) == [s.path for s in samples]


def test_one_graph_for_all_batches(mean_colour, samples):
    traced = []

    def spying(images):
        traced.append(images.shape)
        return mean_colour(images)

    extract_features(spying, samples, SIZE, 2)
    assert len(traced) == 1


def test_identity_accuracy_counts_what_the_classifier_names(samples):
    labels = LabelMap((10, 20, 30, 40, 50))
    assert identity_accuracy(favoured_class, labels, samples, SIZE, 2) == 1.0
    # Classes are places in the label map, not numbers in names.
    wrong = [Sample(s.path, 10, s.camera_id) for s in samples]
    assert identity_accuracy(favoured_class, labels, wrong, SIZE) == pytest.approx(0.2)
    two = LabelMap((20, 30))
    some = [s for s in samples if s.person_id in (20, 30)]
    assert identity_accuracy(favoured_class, two, some, SIZE) == 0.0


def test_a_stranger_is_an_error_before_any_work(samples):
    with pytest.raises(InputError, match="person 50 is not among the 2 identities"):
        identity_accuracy(None, LabelMap((10, 20)), samples, SIZE)


def test_progress_goes_to_stderr_if_asked(mean_colour, samples, capsys):
    extract_features(mean_colour, samples, SIZE, 2)
    assert capsys.readouterr() == ("", "")
    extract_features(mean_colour, samples, SIZE, 2, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "5/5" in err


def test_a_trained_network(tiny_network, tiny_samples):
    """Rows have length 1, and are no one's but the image's, whatever the batch."""
    network = tiny_network
    all_rows = extract_features(network, tiny_samples[0], (32, 16), 30).features
    np.testing.assert_allclose(np.linalg.norm(all_rows, axis=1), 1, rtol=1e-5)
    some = extract_features(network, tiny_samples[0][:5], (32, 16), 2).features
    np.testing.assert_allclose(some, all_rows[:5], rtol=1e-4, atol=1e-6)
    assert len(np.unique(all_rows.round(6), axis=0)) > 20
    (images,) = features.inference_batches([tiny_samples[0][0].path], (32, 16), 1)
    expected = network.extract_features(images / 255)
    np.testing.assert_allclose(all_rows[:1], expected, rtol=1e-4, atol=1e-6)


def test_classes_and_descriptors_in_one_pass(tiny_network, tiny_samples):
    samples = tiny_samples[0]
    classes, rows = classes_and_features(tiny_network, samples, (32, 16), 7)
    expected = extract_features(tiny_network, samples, (32, 16), 30).features
    assert rows.shape == expected.shape
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-6)
    batches = features.inference_batches(samples, (32, 16), 30)
    (logits,) = [tiny_network(images / 255.0).numpy() for images in batches]
    assert classes.dtype == np.int64
    np.testing.assert_array_equal(classes, logits.argmax(axis=1))


@pytest.fixture
def whole(tiny_network, tiny_samples, tmp_path):
    """The bytes of a feature file that was written without a break."""
    out = tmp_path / "whole.npz"
    extract_to_file(tiny_network, tiny_samples[0], (32, 16), out, 7)
    return out.read_bytes()


def test_a_feature_file(whole, tiny_network, tiny_samples, tmp_path, caplog):
    out = tmp_path / "new" / "out.npz"
    with caplog.at_level(logging.INFO):
        shape = extract_to_file(tiny_network, tiny_samples[0], (32, 16), out, 7)
    assert not caplog.records
    assert out.read_bytes() == whole and [*out.parent.iterdir()] == [out]
    expected = extract_features(tiny_network, tiny_samples[0], (32, 16), 7)
    expected.save(tmp_path / "expected.npz")
    assert (tmp_path / "expected.npz").read_bytes() == whole
    assert shape == expected.features.shape


def test_an_extraction_that_failed_goes_on(
    whole, tiny_network, tiny_samples, tmp_path, monkeypatch, caplog, capsys
):
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0], (32, 16), out, 7)
    decoded = []
    real_batches = features.inference_batches

    def batches(samples, image_size, batch_size):
        decoded.append(len(samples))
        for number, batch in enumerate(real_batches(samples, image_size, batch_size)):
            if number == stops[-1]:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(features, "inference_batches", batches)
    stops = [None, 1, 2]
    while stops[-1]:
        with pytest.raises(KeyboardInterrupt):
            extract_to_file(*arguments)
        assert not out.exists()
        stops.pop()
    with caplog.at_level(logging.INFO):
        extract_to_file(*arguments, progress=True)
    assert decoded == [30, 16, 9]
    assert out.read_bytes() == whole
    assert not Path(f"{out}.part").exists()
    assert f"{out}.part: going on after 21 of 30" in caplog.text
    assert "30/30" in capsys.readouterr().err


def test_another_batch_size_starts_anew(
    whole, tiny_network, tiny_samples, tmp_path, monkeypatch, caplog
):
    """Rows may differ in their last bit by the batch that they were in."""
    out = tmp_path / "out.npz"
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(feature_file, "write_features", _fail_to_save)
        extract_to_file(tiny_network, tiny_samples[0], (32, 16), out, 8)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        extract_to_file(tiny_network, tiny_samples[0], (32, 16), out, 7)
    assert f"{out}.part is of other settings: starting anew" in caplog.text
    assert out.read_bytes() == whole


def test_the_mirror_image_too_starts_anew(
    tiny_network, tiny_samples, tmp_path, monkeypatch, caplog
):
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0][:8], (32, 16), out, 7)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(feature_file, "write_features", _fail_to_save)
        extract_to_file(*arguments)
    with caplog.at_level(logging.INFO):
        extract_to_file(*arguments, flip=True)
    assert f"{out}.part is of other settings: starting anew" in caplog.text
    expected = extract_features(*arguments[:3], 7, flip=True)
    np.testing.assert_array_equal(FeatureSet.load(out).features, expected.features)


def test_a_file_that_could_not_be_saved_is_at_once_the_next_time(
    whole, tiny_network, tiny_samples, tmp_path, monkeypatch
):
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0], (32, 16), out, 7)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(feature_file, "write_features", _fail_to_save)
        extract_to_file(*arguments)
    with monkeypatch.context() as patch:
        patch.setattr(features, "InferenceNetwork", lambda network: _fail_to_compute)
        extract_to_file(*arguments)
    assert out.read_bytes() == whole


def test_an_extraction_that_was_killed_as_its_last_act(
    whole, tiny_network, tiny_samples, tmp_path, monkeypatch
):
    """The file has its name, and its part is there yet."""
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0], (32, 16), out, 7)
    with monkeypatch.context() as patch:
        patch.setattr(feature_file.PartialOutput, "remove", lambda part: None)
        extract_to_file(*arguments)
    assert Path(f"{out}.part").exists()
    with monkeypatch.context() as patch:
        patch.setattr(features, "InferenceNetwork", lambda network: _fail_to_compute)
        again = extract_to_file(*arguments)
    assert again[0] == 30
    assert out.read_bytes() == whole
    assert not Path(f"{out}.part").exists()


def test_a_diverged_network(mean_colour, samples, tmp_path):
    """The image is named, and nothing of its batch counted."""

    def diverged(images):
        rows = mean_colour(images)
        return tf.where(rows[:, :1] < 0.3, rows / 0.0, rows)

    for images in (samples, samples[2:]):
        with pytest.raises(
            InputError, match=r"1\.png: .* infinite \(1 .* batch of 2\)"
        ):
            extract_features(diverged, images, SIZE, 2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (5, 4, 3, 2, 1, 0)])
def test_workers_make_the_same_as_one(
    whole, tiny_network, tiny_samples, tmp_path, order
):
    """Five batches, so that a sixth worker has nothing to do."""
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0], (32, 16), out, 7)
    for index in order:
        assert not out.exists()
        made = extract_to_file(*arguments, worker=Worker(index, len(order)))
        assert (made is None) == (index != order[-1])
    assert out.read_bytes() == whole
    assert made == FeatureSet.load(out).features.shape
    assert [*tmp_path.glob("out*")] == [out]


def test_workers_that_could_not_join(
    whole, tiny_network, tiny_samples, tmp_path, monkeypatch
):
    """Whichever comes again joins, and computes nothing."""
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0], (32, 16), out, 7)
    assert extract_to_file(*arguments, worker=Worker(0, 2)) is None
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(feature_file, "write_features", _fail_to_save)
        extract_to_file(*arguments, worker=Worker(1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(features, "InferenceNetwork", lambda network: _fail_to_compute)
        extract_to_file(*arguments, worker=Worker(0, 2))
    assert out.read_bytes() == whole


def test_workers_with_other_settings(tiny_network, tiny_samples, tmp_path):
    out = tmp_path / "out.npz"
    arguments = (tiny_network, tiny_samples[0], (32, 16), out)
    extract_to_file(*arguments, 7, worker=Worker(0, 2))
    with pytest.raises(InputError, match="is of other settings than worker 1 of 2"):
        extract_to_file(*arguments, 8, worker=Worker(1, 2))


def test_a_file_that_is_there_stays(tiny_network, tiny_samples, tmp_path):
    out = tmp_path / "out.npz"
    out.write_text("mine")
    with pytest.raises(InputError, match="out.npz exists; expected a new file"):
        extract_to_file(tiny_network, tiny_samples[0], (32, 16), out, 7)
    assert out.read_text() == "mine" and [*tmp_path.iterdir()] == [out]


def _fail_to_save(*arguments):
    raise OSError("the disk is full")


def _fail_to_compute(images):
    raise AssertionError("nothing is left to compute")


def test_stripes(tiny_network, tiny_samples, tmp_path):
    """Of images twice as high as trained on: each row of the last map, and no third."""
    samples = tiny_samples[0][:4]
    found = extract_features(tiny_network, samples, (64, 16), pool_stripes=2)
    assert found.features.shape == (4, 64)
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-5)
    out = tmp_path / "out.npz"
    extract_to_file(tiny_network, samples, (64, 16), out, pool_stripes=2)
    np.testing.assert_allclose(FeatureSet.load(out).features, found.features, atol=1e-6)
    for extract in (extract_features, extract_to_file):
        more = () if extract is extract_features else (tmp_path / "other.npz",)
        with pytest.raises(InputError, match="pool-stripes is 3, expected 1 to 2"):
            extract(tiny_network, samples, (64, 16), *more, pool_stripes=3)
    assert not [*tmp_path.glob("other*")]
