"""Where in an image a network finds what its feature is made of."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfipgan.data.filenames import Sample
from tfipgan.data.pipelines import inference_batches
from tfipgan.evaluation.features import graph_of
from tfipgan.models.inference import InferenceNetwork


def activation_maps(
    network,
    samples: Sequence[Sample],
    image_size: tuple[int, int],
    batch_size: int = 64,
) -> np.ndarray:
    """Return how active the network is over each of the samples' images.

    At each place of the last map, which is what the feature is pooled from, it is
    the sum of the squares over all channels (Zagoruyko and Komodakis 2017), here as a
    share of the image's own span: 0 where it is least, 1 where it is most. No gradient
    is needed. It says where the feature comes from, not why two images are near.

    Args:
        network: `ReidNetwork`.
        samples, image_size, batch_size: as for `extract_features`.

    Returns:
        float32 (images, rows, columns) in [0, 1], such as 8 x 4 places of an image of
        256x128; zeros for an image of which all places are as active.
    """
    network = InferenceNetwork(network)

    def squares(images):
        return tf.reduce_sum(tf.square(network.last_map(images)), axis=-1)

    graph = graph_of(squares, image_size)
    batches = inference_batches(samples, image_size, batch_size)
    maps = np.concatenate([graph(images).numpy() for images in batches])
    lowest = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - lowest
    return (maps - lowest) / np.where(span > 0, span, 1)
