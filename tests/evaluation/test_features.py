"""Features and identity accuracy of image files, with networks that can be foretold."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import LabelMap
from tfipgan.errors import InputError
from tfipgan.evaluation.features import extract_features, identity_accuracy

SIZE = (8, 4)
REDS = (0, 51, 102, 153, 204)


class MeanColour:
    """The descriptor is the mean colour; the logits favour class round(5 x red)."""

    def embed(self, images):
        assert images.shape[1:] == (*SIZE, 3)
        return tf.reduce_mean(images, axis=(1, 2))

    def __call__(self, images):
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
def test_features_are_in_order_with_their_labels(samples, batch_size):
    features = extract_features(MeanColour(), samples, SIZE, batch_size)
    expected = [[red / 255, 1, 0] for red in reversed(REDS)]
    np.testing.assert_allclose(features.features, expected, atol=1e-6)
    assert features.features.dtype == np.float32
    np.testing.assert_array_equal(features.person_ids, [50, 40, 30, 20, 10])
    np.testing.assert_array_equal(features.camera_ids, [0, 1, 0, 1, 0])
    assert list(features.paths) == [s.path for s in samples]


def test_identity_accuracy_counts_what_the_classifier_names(samples):
    labels = LabelMap((10, 20, 30, 40, 50))
    assert identity_accuracy(MeanColour(), labels, samples, SIZE, 2) == 1.0
    # Classes are places in the label map, not numbers in names.
    wrong = [Sample(s.path, 10, s.camera_id) for s in samples]
    assert identity_accuracy(MeanColour(), labels, wrong, SIZE) == pytest.approx(0.2)
    two = LabelMap((20, 30))
    some = [s for s in samples if s.person_id in (20, 30)]
    assert identity_accuracy(MeanColour(), two, some, SIZE) == 0.0


def test_a_stranger_is_an_error_before_any_work(samples):
    with pytest.raises(InputError, match="person 50 is not among the 2 identities"):
        identity_accuracy(None, LabelMap((10, 20)), samples, SIZE)


def test_progress_goes_to_stderr_if_asked(samples, capsys):
    extract_features(MeanColour(), samples, SIZE, 2)
    assert capsys.readouterr() == ("", "")
    extract_features(MeanColour(), samples, SIZE, 2, progress=True)
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
