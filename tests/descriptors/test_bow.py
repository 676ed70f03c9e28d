"""BoW: votes against loops, and what is learnt from images by hand."""

import numpy as np
import pytest

from tfipgan.descriptors import bow as module
from tfipgan.descriptors.bow import BagOfWords, histograms, learn_words, patches
from tfipgan.descriptors.colour_names import colour_names
from tfipgan.errors import InputError


def test_patches_are_means_of_names(rng):
    image = rng.integers(0, 256, (128, 64, 3), dtype=np.uint8)
    found = patches(image)
    assert found.shape == (32, 16, 11)
    expected = colour_names(image[20:24, 8:12]).reshape(16, 11).mean(axis=0)
    np.testing.assert_allclose(found[5, 2], expected, atol=1e-6)


def slow(cells, words):
    rows, columns = cells.shape[:2]
    votes = np.zeros((16, len(words)))
    counts = np.zeros(len(words))
    for y, x in np.ndindex(rows, columns):
        distances = [np.sqrt(((cells[y, x] - word) ** 2).sum()) for word in words]
        down, right = 2 * y / (rows - 1) - 1, 2 * x / (columns - 1) - 1
        for word in np.argsort(distances)[:10]:
            weight = np.exp(-distances[word] / 9) * np.exp(-(down**2) - right**2)
            votes[y // 2, word] += weight
            counts[word] += 1
    return votes / np.sqrt(np.where(counts, counts, 1))


def test_votes_against_loops(rng):
    cells = rng.random((32, 16, 11)).astype(np.float32)
    words = rng.random((20, 11)).astype(np.float32)
    words[3] = 50  # which nothing votes for
    found = histograms(cells, words)
    np.testing.assert_allclose(found, slow(cells, words), rtol=1e-5)
    assert not found[:, 3].any()


def test_a_descriptor_by_hand(rng):
    """The mean is taken off, words weigh by the root of their idf, the length is 1."""
    image = rng.integers(0, 256, (128, 64, 3), dtype=np.uint8)
    words = rng.random((12, 11)).astype(np.float32)
    idf, mean = rng.uniform(1, 4, 12), rng.random(16 * 12)
    expected = (slow(patches(image), words).ravel() - mean).reshape(16, 12)
    expected *= np.sqrt(idf)
    expected /= np.sqrt((expected**2).sum())
    found = BagOfWords(words, idf, mean)(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-5)


def test_an_image_like_the_mean_is_all_zeros(rng):
    image = rng.integers(0, 256, (128, 64, 3), dtype=np.uint8)
    words = rng.random((12, 11)).astype(np.float32)
    mean = histograms(patches(image), words).ravel()
    assert not BagOfWords(words, np.ones(12), mean)(image).any()


def test_what_is_learnt(rng, monkeypatch):
    """Four kinds of patches far apart, each a word; an image votes for its kinds."""
    monkeypatch.setattr(module, "WORDS", 4)
    monkeypatch.setattr(module, "NEAREST", 1)
    kinds = np.eye(11)[:4]
    images = [np.tile(kinds[k], (32, 16, 1)) for k in (0, 0, 0, 1, 2)]
    images[4][:16] = kinds[3]
    found = learn_words(images)
    order = found.words.argmax(axis=1)
    np.testing.assert_allclose(found.words, kinds[order], atol=1e-6)
    with_word = np.array([3, 1, 1, 1])[order]
    np.testing.assert_allclose(found.idf, np.log(6 / (1 + with_word)) + 1)
    expected = np.mean([histograms(image, found.words) for image in images], axis=0)
    np.testing.assert_allclose(found.mean, expected.ravel())


def test_patches_are_taken_from_all_images(rng, monkeypatch):
    """And not more than so many: every third of 3 x 512 here."""
    monkeypatch.setattr(module, "WORDS", 20)
    monkeypatch.setattr(module, "MOST_PATCHES", 512)
    seen = []
    fit = module.KMeans.fit
    monkeypatch.setattr(
        module.KMeans, "fit", lambda self, x: seen.append(x) or fit(self, x)
    )
    images = [rng.random((32, 16, 11)) for _ in range(3)]
    learn_words(images)
    (points,) = seen
    np.testing.assert_array_equal(points, np.reshape(images, (-1, 11))[::3])


def test_the_same_images_give_the_same_words(rng):
    images = [rng.random((32, 16, 11)).astype(np.float32) for _ in range(4)]
    first, again = learn_words(images), learn_words(images)
    for name in ("words", "idf", "mean"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.words.shape == (350, 11) and first.mean.shape == (5600,)


def test_too_few_patches():
    with pytest.raises(InputError) as error:
        learn_words([np.zeros((32, 16, 11)), np.ones((32, 16, 11))])
    assert str(error.value) == (
        "2 images have 2 different patches, expected at least 350, one for each word "
        "of BoW's codebook: give more images to learn it from"
    )
