"""Features and identity predictions of image files."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_unit
from tfipgan.data.labels import LabelMap
from tfipgan.data.pipelines import inference_batches
from tfipgan.errors import InputError, shorten_name
from tfipgan.evaluation.feature_file import features_to_file
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.files.worker import ALONE, Worker
from tfipgan.models.inference import InferenceNetwork
from tfipgan.models.stripes import check_stripes
from tfipgan.weights.fingerprint import fingerprint


def extract_features(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
    flip: bool = False,
    pool_stripes: int | None = None,
) -> FeatureSet:
    """Return the features of the samples' images, in their order.

    Args:
        network: `ReidNetwork`; its `extract_features` says what a row is.
        samples: at least one.
        image_size: (height, width) that the network was trained on.
        batch_size: images at a time.
        progress: whether to show a progress bar on stderr.
        flip: whether a row is the mean of the features of the image and of its
            mirror image, L2-normalised again.
        pool_stripes: of `InferenceNetwork`.

    Raises:
        InputError: features that are NaN or infinite; more stripes than rows.
    """
    if pool_stripes is not None:
        check_stripes(pool_stripes, image_size[0], network.backbone.last_stride)
    graph = graph_of(feature_function(network, flip, pool_stripes), image_size)
    return FeatureSet(
        extract_rows(graph, samples, image_size, batch_size, progress),
        np.array([s.person_id for s in samples], np.int64),
        np.array([s.camera_id for s in samples], np.int64),
        [s.path for s in samples],
    )


def feature_function(network, flip: bool = False, pool_stripes: int | None = None):
    """Return a function of images in [0, 1] that gives their features.

    Args:
        network, flip, pool_stripes: as for `extract_features`.
    """
    if pool_stripes is None:
        describe = InferenceNetwork(network)
    else:
        describe = InferenceNetwork(network, pool_stripes)
    return with_mirror_images(describe) if flip else describe


def extract_rows(
    graph,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
) -> np.ndarray:
    """Return a row for each of the samples' images, float32, in their order.

    Args:
        graph: of `graph_of`; a caller that keeps it saves tracing it again.
        samples, image_size, batch_size, progress: as for `extract_features`.

    Raises:
        InputError: rows that are NaN or infinite.
    """
    rows = _Rows(len(samples))
    _apply(graph, rows, samples, image_size, batch_size, progress)
    return rows.array


def with_mirror_images(describe):
    """Return a function of images that gives their features, more reliable ones.

    Args:
        describe: a function of images that gives features.

    Returns:
        A function of the same kind: the mean of the features of the image and of its
        mirror image, L2-normalised again.
    """

    def describe_both(images):
        mirrored = tf.reverse(images, axis=[2])
        return tf.math.l2_normalize(describe(images) + describe(mirrored), axis=-1)

    return describe_both


def extract_to_file(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    out: str | os.PathLike,
    batch_size: int = 64,
    progress: bool = False,
    worker: Worker = ALONE,
    flip: bool = False,
    pool_stripes: int | None = None,
) -> tuple[int, int] | None:
    """Write the features of the samples' images to a feature file.

    Until it is whole they are in OUT.part, and the same call goes on with what an
    earlier one, killed or failed, has left there: the file has the same bytes then as
    from one call. What decides the rows must be the same for that: the weights, the
    image files, the sizes, TensorFlow; if not, it starts anew and logs why.

    Several workers, each with the same call but its own `worker`, make the same file:
    each computes the rows of its batches, and the last one to end joins them all.

    Args:
        out: the new .npz file.
        network, samples, image_size, batch_size, progress, flip, pool_stripes: as for
            `extract_features`.
        worker: which of the processes that share the work.

    Returns:
        The shape of the features, images and values of each; None if this worker has
        done its share and others have not.

    Raises:
        InputError: features that are NaN or infinite; more stripes than rows; `out`
            is there, or another
            process writes it, or OUT.part is something else, or of workers with other
            settings or in another number.
        OSError: an image is gone, or `out` can't be written.
    """
    height, width = image_size
    settings = f"{height}x{width}, {batch_size}{', flip' if flip else ''}"
    if pool_stripes is not None:
        check_stripes(pool_stripes, height, network.backbone.last_stride)
        settings += f", {pool_stripes} stripes"
    about = {**fingerprint(samples, network), "settings": settings}

    def describe_share(rows, share):
        graph = graph_of(feature_function(network, flip, pool_stripes), image_size)
        _apply(graph, rows, share, image_size, batch_size, progress)

    return features_to_file(out, about, samples, batch_size, describe_share, worker)


def classes_and_features(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a classifier names the samples' images, and their features.

    Args:
        network: `ReidNetwork` with a classifier, in inference mode.
        samples, image_size, batch_size, progress: as for `extract_features`.

    Returns:
        The classes, int64 (images,), and the rows of `ReidNetwork.extract_features`,
        float32 (images, feature_size), L2-normalised.

    Raises:
        InputError: logits or features that are NaN or infinite.
    """

    def both(images):
        pooled = network.pool(images)
        return tf.concat([network.classify(pooled), network.describe(pooled)], axis=1)

    rows = _Rows(len(samples))
    _apply(graph_of(both, image_size), rows, samples, image_size, batch_size, progress)
    logits, features = np.split(rows.array, [network.head.num_classes], axis=1)
    return logits.argmax(axis=1), features


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
    hits = _Hits(expected)
    graph = graph_of(network, image_size)
    _apply(graph, hits, samples, image_size, batch_size, progress)
    return hits.count / len(samples)


class _Rows:
    """Rows in memory, put in by batches: a `FeaturePart` that does not outlive us."""

    def __init__(self, count):
        self.count, self.num_done = count, 0
        self.array = None

    def append(self, rows):
        if self.array is None:
            self.array = np.empty((self.count, rows.shape[1]), np.float32)
        self.array[self.num_done : self.num_done + len(rows)] = rows
        self.num_done += len(rows)


class _Hits:
    """Of rows of logits, put in by batches: how many name the class expected."""

    def __init__(self, expected):
        self.num_done = self.count = 0
        self._expected = expected

    def append(self, rows):
        expected = self._expected[self.num_done : self.num_done + len(rows)]
        self.count += int((rows.argmax(axis=1) == expected).sum())
        self.num_done += len(rows)


def graph_of(function, image_size: tuple[int, int]):
    """Return a function of images in [0, 1] as a graph, of batches in [0, 255]."""
    # One graph for all batches: the last may be smaller.
    images_spec = tf.TensorSpec((None, *image_size, 3), tf.float32)
    return tf.function(
        lambda images: function(to_unit(images)), input_signature=[images_spec]
    )


def _apply(graph, rows, samples, image_size, batch_size, progress):
    """Append what the graph makes of the images that are not done."""
    before, count = rows.num_done, len(samples)
    samples = samples[before:]
    bar = tqdm(
        total=count,
        initial=before,
        unit="image",
        disable=not progress,
        dynamic_ncols=True,
    )
    with bar:
        for images in inference_batches(samples, image_size, batch_size):
            batch = graph(images).numpy()
            bad = ~np.isfinite(batch).all(axis=1)
            if bad.any():
                path = samples[rows.num_done + int(bad.argmax()) - before].path
                raise InputError(
                    f"{shorten_name(path)}: what the network makes of it is NaN or "
                    f"infinite ({int(bad.sum())} such images of a batch of "
                    f"{len(batch)}); look for a diverged network"
                )
            rows.append(batch)
            bar.update(len(batch))
