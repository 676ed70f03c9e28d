"""Descriptors and identity predictions of image files."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_unit
from tfipgan.data.labels import LabelMap
from tfipgan.data.pipelines import inference_batches
from tfipgan.evaluation.feature_part import FeaturePart, fingerprint
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.inference import InferenceNetwork


def extract_features(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
) -> FeatureSet:
    """Return the descriptors of the samples' images, in their order.

    Args:
        network: `ReidNetwork`; its `embed` says what a row is.
        samples: at least one.
        image_size: (height, width) that the network was trained on.
        batch_size: images at a time.
        progress: whether to show a progress bar on stderr.
    """
    rows = _Rows(len(samples))
    _apply(InferenceNetwork(network), rows, samples, image_size, batch_size, progress)
    return _feature_set(rows, samples)


def extract_to_file(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    out: str | os.PathLike,
    batch_size: int = 64,
    progress: bool = False,
) -> FeatureSet:
    """Write the descriptors of the samples' images to a feature file.

    Until it is whole they are in OUT.part, and the same call goes on with what an
    earlier one, killed or failed, has left there: the file has the same bytes then as
    from one call. What decides the rows must be the same for that: the weights, the
    image files, the sizes, TensorFlow; if not, it starts anew and logs why.

    Args:
        out: the .npz file; one that is there is replaced.
        network, samples, image_size, batch_size, progress: as for `extract_features`.

    Returns:
        What was written; the rows are read from the disk as they are needed.

    Raises:
        InputError: OUT.part is something else.
        OSError: an image is gone, or `out` can't be written.
    """
    out = Path(out)
    height, width = image_size
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    settings = f"{height}x{width}, {batch_size}, TensorFlow {tf.__version__}, {device}"
    about = {**fingerprint(network, samples), "settings": settings}
    part = out.with_name(f"{out.name}.part")
    with FeaturePart(part, about, len(samples)) as rows:
        network = InferenceNetwork(network)
        _apply(network, rows, samples, image_size, batch_size, progress)
        features = _feature_set(rows, samples)
        features.save(out)
    rows.remove()
    return features


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
    logits = _Rows(len(samples))
    _apply(network, logits, samples, image_size, batch_size, progress)
    return float(np.mean(logits.array().argmax(axis=1) == expected))


class _Rows:
    """Rows in memory, put in by batches: a `FeaturePart` that does not outlive us."""

    def __init__(self, count):
        self.count, self.done = count, 0
        self._array = None

    def append(self, rows):
        if self._array is None:
            self._array = np.empty((self.count, rows.shape[1]), np.float32)
        self._array[self.done : self.done + len(rows)] = rows
        self.done += len(rows)

    def array(self):
        return self._array


def _apply(function, rows, samples, image_size, batch_size, progress):
    """Append what the function makes of the images that are not done."""
    # One graph for all batches: the last may be smaller.
    images_spec = tf.TensorSpec((None, *image_size, 3), tf.float32)
    graph = tf.function(
        lambda images: function(to_unit(images)), input_signature=[images_spec]
    )
    paths = [s.path for s in samples[rows.done :]]
    bar = tqdm(
        total=len(samples),
        initial=rows.done,
        unit="image",
        disable=not progress,
        dynamic_ncols=True,
    )
    with bar:
        for images in inference_batches(paths, image_size, batch_size):
            batch = graph(images).numpy()
            rows.append(batch)
            bar.update(len(batch))


def _feature_set(rows, samples):
    return FeatureSet(
        rows.array(),
        np.array([s.person_id for s in samples], np.int64),
        np.array([s.camera_id for s in samples], np.int64),
        [s.path for s in samples],
    )
