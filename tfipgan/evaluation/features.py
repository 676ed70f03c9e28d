"""Descriptors and identity predictions of image files."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_unit
from tfipgan.data.labels import LabelMap
from tfipgan.data.pipelines import inference_batches
from tfipgan.evaluation.feature_set import FeatureSet


def extract_features(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
) -> FeatureSet:
    """Return the descriptors of the samples' images, in their order.

    Args:
        network: `ReidNetwork`; `embed` gives L2-normalised rows.
        samples: at least one.
        image_size: (height, width) that the network was trained on.
        batch_size: images at a time.
        progress: whether to show a progress bar on stderr.
    """
    features = _apply(network.embed, samples, image_size, batch_size, progress)
    return FeatureSet(
        features,
        np.array([s.person_id for s in samples], np.int64),
        np.array([s.camera_id for s in samples], np.int64),
        [s.path for s in samples],
    )


def identity_accuracy(
    network,
    labels: LabelMap,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
) -> float:
    """Return the share of images whose identity the classifier names (paper Table 2).

    Args:
        network: `ReidNetwork`, the classifier, in inference mode.
        labels: of its training identities.
        samples: real or translated images of those identities.
        image_size, batch_size, progress: as for `extract_features`.

    Raises:
        InputError: an identity that the classifier was not trained on.
    """
    expected = np.array([labels.index(s.person_id) for s in samples])
    logits = _apply(network, samples, image_size, batch_size, progress)
    return float(np.mean(logits.argmax(axis=1) == expected))


def _apply(function, samples, image_size, batch_size, progress):
    graph = tf.function(lambda images: function(to_unit(images)))
    batches = inference_batches([s.path for s in samples], image_size, batch_size)
    bar = tqdm(
        total=len(samples), unit="image", disable=not progress, dynamic_ncols=True
    )
    rows = []
    with bar:
        for images in batches:
            rows.append(graph(images).numpy())
            bar.update(len(rows[-1]))
    return np.concatenate(rows)
