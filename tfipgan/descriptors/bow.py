"""BoW, a person descriptor of colour words (Zheng et al. 2015, Market-1501's baseline).

An image is cut into patches, each patch votes for the words of a codebook that are
nearest to its colour names, and each horizontal strip counts its votes. Which words
there are, how often, and what an image looks like on average is learnt from images
without labels.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from tfipgan.descriptors.colour_names import NAMES, colour_names
from tfipgan.errors import InputError

SIZE = (128, 64)
PATCH = 4
STRIPS = 16
WORDS = 350
# Words that a patch votes for, and how its weight falls with their distance.
NEAREST = 10
FALL = 9.0
# Of so many patches the words are learnt, evenly from all images.
MOST_PATCHES = 50_000


def patches(image: np.ndarray) -> np.ndarray:
    """Return the mean colour names of each 4 x 4 pixels, float32 (32, 16, 11).

    Args:
        image: uint8 RGB (128, 64, 3).
    """
    rows, columns = (side // PATCH for side in SIZE)
    names = colour_names(image).reshape(rows, PATCH, columns, PATCH, len(NAMES))
    return names.mean(axis=(1, 3))


class BagOfWords:
    """What BoW has learnt, and the descriptors that it gives.

    Args:
        words: float32 (words, 11), colour names; at least 10 words.
        idf: float (words), the weight of each.
        mean: float (16 * words), the mean histogram.

    Call: an image, uint8 RGB (128, 64, 3); returns float32 (16 * words,), of length 1.
    """

    def __init__(self, words: np.ndarray, idf: np.ndarray, mean: np.ndarray):
        self.words, self.idf, self.mean = words, idf, mean

    def __call__(self, image: np.ndarray) -> np.ndarray:
        histogram = histograms(patches(image), self.words).ravel() - self.mean
        found = histogram * np.tile(np.sqrt(self.idf), STRIPS)
        length = np.linalg.norm(found) or 1.0
        return (found / length).astype(np.float32)


def histograms(cells: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return each strip's votes for each word, float64 (16, words).

    A patch votes for its 10 nearest words, by exp(-distance / 9), times a Gaussian of
    its place: 1 in the middle of the image, exp(-1) in the middle of a side. A word
    that many patches of the image vote for counts less ("burstiness"): its votes are
    divided by the root of the number of patches.

    Args:
        cells: float32 (32, 16, 11) of `patches`.
        words: float32 (words, 11).
    """
    flat = cells.reshape(-1, cells.shape[2]).astype(np.float64)
    squares = (
        (flat**2).sum(axis=1)[:, None]
        - 2 * flat @ words.T.astype(np.float64)
        + (words.astype(np.float64) ** 2).sum(axis=1)
    )
    nearest = np.argpartition(squares, NEAREST - 1, axis=1)[:, :NEAREST]
    squares = np.take_along_axis(squares, nearest, axis=1)
    votes = np.exp(-np.sqrt(np.maximum(squares, 0)) / FALL)
    votes *= _mask(*cells.shape[:2]).reshape(-1, 1)
    strip = np.arange(len(flat)) * STRIPS // len(flat)
    places = strip[:, None] * len(words) + nearest
    found = np.bincount(places.ravel(), votes.ravel(), minlength=STRIPS * len(words))
    counts = np.bincount(nearest.ravel(), minlength=len(words))
    return found.reshape(STRIPS, -1) / np.sqrt(np.maximum(counts, 1))


def learn_words(cells: Sequence[np.ndarray], seed: int = 0) -> BagOfWords:
    """Return BoW with the words, their idf and the mean histogram of images.

    Words are the means of k-means over the patches. The idf of a word is
    log((1 + images) / (1 + images that vote for it)) + 1, so that no word is lost.

    Args:
        cells: `patches` of each image.
        seed: of k-means.

    Raises:
        InputError: too few different patches for 350 words.
    """
    points = np.concatenate([image.reshape(-1, len(NAMES)) for image in cells])
    points = points[:: -(-len(points) // MOST_PATCHES)]
    different = len(np.unique(points, axis=0))
    if different < WORDS:
        raise InputError(
            f"{len(cells)} images have {different} different patches, expected at "
            f"least {WORDS}, one for each word of BoW's codebook: give more images to "
            "learn it from"
        )
    # On several threads sums are rounded in the order in which these end.
    with threadpool_limits(1):
        found = KMeans(WORDS, n_init=1, max_iter=50, random_state=seed).fit(
            points.astype(np.float64)
        )
    words = found.cluster_centers_.astype(np.float32)
    total, images_with = np.zeros(STRIPS * WORDS), np.zeros(WORDS)
    for image in cells:
        histogram = histograms(image, words)
        total += histogram.ravel()
        images_with += histogram.any(axis=0)
    idf = np.log((1 + len(cells)) / (1 + images_with)) + 1
    return BagOfWords(words, idf, total / len(cells))


def _mask(rows, columns):
    """Return how much a patch at each place counts, float64 (rows, columns)."""
    down, right = np.linspace(-1, 1, rows), np.linspace(-1, 1, columns)
    return np.exp(-(down[:, None] ** 2) - right**2)
