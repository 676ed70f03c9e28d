"""Batch-norm statistics of other images: the cheapest adaptation, without a label.

As AdaBN (Li et al. 2017) has it; nothing is trained.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_unit
from tfipgan.data.pipelines import inference_batches
from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_folder, require_new_folder
from tfipgan.layers.batch_normalization import MOMENTUM
from tfipgan.models import ReidNetwork
from tfipgan.runs.run import RESUME, Run, create_run, open_run
from tfipgan.training.starting_network import (
    adapted_config,
    feature_network,
    load_start,
)
from tfipgan.weights.checkpoints import save_checkpoint
from tfipgan.weights.variables import named_weights

_STATISTICS = ("moving_mean", "moving_variance")
# At least so many images to a batch, or what is alike in them is normalised away.
FEWEST = 2

logger = logging.getLogger(__name__)


def adapt_statistics(
    config: Config,
    start: Run,
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Make a run of another's network with batch-norm statistics of these images.

    Args:
        config: seed and evaluation.batch_size are used, and kept.
        start: a re-ID run.
        samples: of the target; only the images are read.
        out: the run folder to make, whole or not at all.
        resume: take the run that is there, if it is of this start and config.
        progress: whether to show a progress bar on stderr.

    Raises:
        InputError: fewer than two images; a network without a feature of people, or
            with NaN weights; statistics that are NaN; `out` is not empty, or with
            `resume` a run of another start or config.
    """
    config, name = adapted_config(config, start), start.path.resolve().name
    if resume and (Path(out) / "run.json").exists():
        run = open_run(out, "reid")
        if (run.adapted, run.config) != (name, config):
            raise InputError(
                f"{out} is another run, of {run.adapted or 'no run to adapt'} or with "
                f"another config; expected one of {name}, or another --out"
            )
        return run
    require_new_folder(out, RESUME)
    if len(samples) < FEWEST:
        raise InputError(
            f"{len(samples)} target images, expected at least {FEWEST} to take batch "
            "statistics of: add images"
        )
    network = feature_network(config, load_start(start))
    _re_estimate(
        network,
        samples,
        config.reid.image_size,
        config.evaluation.batch_size,
        config.seed,
        progress,
    )
    with atomic_folder(out) as temporary:
        run = create_run(temporary, "reid", config, adapted=name)
        save_checkpoint(run.checkpoints, 0, {"network": network})
    logger.info("batch-norm statistics of %d images", len(samples))
    return open_run(out, "reid")


def _re_estimate(network: ReidNetwork, samples, image_size, batch_size, seed, progress):
    """Give the network the means of all batches' statistics, each counted alike."""
    statistics = {
        name: variable
        for name, variable in named_weights(network).items()
        if name.endswith(_STATISTICS)
    }
    # In the dataset's order a batch is of few people, and varies too little.
    order = np.random.default_rng(seed).permutation(len(samples))
    count = max(1, len(samples) // max(batch_size, FEWEST))
    sums = {name: np.zeros(v.shape, np.float64) for name, v in statistics.items()}

    @tf.function(input_signature=[tf.TensorSpec((None, *image_size, 3), tf.float32)])
    def see(images):
        network.describe(network.pool(to_unit(images), training=True), training=True)

    for part in tqdm(np.array_split(order, count), unit="batch", disable=not progress):
        # What is left of a start at 0 is the batch's own, times 1 - momentum.
        for variable in statistics.values():
            variable.assign(tf.zeros_like(variable))
        (images,) = inference_batches([samples[k] for k in part], image_size, len(part))
        see(images)
        for name, variable in statistics.items():
            sums[name] += variable.numpy()
    share = count * (1.0 - MOMENTUM)
    for name, variable in statistics.items():
        values = (sums[name] / share).astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"the images give {name} values that are NaN or infinite; look for a "
                "network that diverged"
            )
        variable.assign(values)
