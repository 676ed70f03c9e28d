"""PUL: clusters by k-means, of which reliable images train, from RUN's weights on.

Fan, Zheng, Yan and Yang, "Unsupervised Person Re-identification: Clustering and
Fine-tuning", ACM TOMM 2018 (`tfipgan adapt --method pul`). Each round clusters the
features of the round before and starts anew from the weights of the run to go on
from, so no round's mistakes stay in the network, only in the clusters. The training
step is in `pul_training.py`; `PulMethod` is all else of a run, `adapt_pul` the run. No
identity is ever read.
"""

import logging
import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfipgan.clustering.reliable import reliable_clusters, require_images
from tfipgan.config import Config
from tfipgan.config.training_checks import check_pul
from tfipgan.data.epoch_order import shuffled_passes
from tfipgan.data.filenames import Sample
from tfipgan.runs.run import Run
from tfipgan.training.cluster_files import cluster_numbers
from tfipgan.training.pul_training import PulTraining
from tfipgan.training.runner import run_training
from tfipgan.training.target_method import TargetMethod

logger = logging.getLogger(__name__)


class PulMethod(TargetMethod):
    """Trains a run's network on reliable images of a target; see `adapt_pul`.

    An epoch of the runner is a round.
    """

    remedy = "start a new one with a lower pul.learning_rate"
    extendable = ("pul.rounds",)
    epoch_name = "round"

    def __init__(self, config: Config, start: Run, samples: Sequence[Sample]):
        super().__init__(config, start, samples)
        pul = config.pul
        self.epochs, self.epoch_steps = pul.rounds, pul.steps
        self.batch_size = pul.batch_size

    def check_config(self):
        return check_pul(self.config)

    def prepare(self):
        require_images(len(self._samples), self.config.pul.clusters)
        super().prepare()

    def build(self):
        pul = self.config.pul
        network = self._build_network()
        image = tf.zeros((1, *self.config.reid.image_size, 3))
        self._size = network.extract_features(image).shape[1]
        self.model = PulTraining(
            network,
            self._size,
            pul.clusters,
            dropout=pul.dropout,
            learning_rate=pul.learning_rate,
            momentum=pul.momentum,
        )
        self.networks = {"network": network, "classifier": self.model.classifier}
        self.optimizers = {"optimizer": self.model.optimizer}

    def train_step(self, batch):
        return self.model.train_step(batch)

    def batches(self, start_step, end_step, worker):
        pul = self.config.pul
        kept = np.flatnonzero(self.labels_of_images >= 0)
        order = shuffled_passes(
            len(kept),
            pul.batch_size,
            pul.steps,
            start_step // pul.steps,
            self.config.seed,
        )
        return self._class_batches(
            [self._samples[place] for place in kept],
            self.labels_of_images[kept],
            pul.clusters,
            order=order,
            dropout_units=self._size,
            start_step=start_step,
            end_step=end_step,
            worker=worker,
        )

    def learning_rates(self, step):
        return {"adapt/learning_rate": self.config.pul.learning_rate}

    def summary(self):
        return (
            f"{len(self._samples)} images, {self.epochs} rounds of {self.epoch_steps} "
            "steps, each from the start's weights"
        )

    def arrays(self):
        if self.labels_of_images is None:
            return {}
        return {"labels": self.labels_of_images}

    def set_arrays(self, arrays: Mapping[str, np.ndarray]):
        if arrays:
            self.labels_of_images = np.asarray(arrays["labels"], np.int64)

    def on_epoch_begin(self, epoch):
        features = self._describe(self._samples)
        pul = self.config.pul
        labels = reliable_clusters(
            features, pul.clusters, pul.reliability, self.config.seed + epoch
        )
        remedy = "look for images or features that are all alike"
        count = self._count_clusters(labels, epoch, remedy)
        self.labels_of_images = labels
        logger.info(
            "round %d: %d clusters, %.1f%% of the images reliable",
            epoch + 1,
            count,
            100 * np.mean(labels >= 0),
        )

    def renew(self, epoch):
        self.model.start_anew(self.config.seed, epoch)

    def on_epoch_end(self, run, step, log):
        labels, pul = self.labels_of_images, self.config.pul
        numbers = cluster_numbers(labels, self._cameras)
        log.write(step, numbers)
        epoch = step // self.epoch_steps
        quality = {name.removeprefix("adapt/"): x for name, x in numbers.items()}
        quality["images_per_cluster"] = float((labels >= 0).sum() / quality["clusters"])
        known = not self._unknown_cameras
        if not known:
            quality["cameras_per_cluster"] = 0.0
        settings = {"clusters": pul.clusters, "reliability": pul.reliability}
        about = {"settings": settings, "quality": quality}
        self._keep_clusters(run, epoch, about, known)


def adapt_pul(
    config: Config,
    start: Run,
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    devices: Sequence[str] | None = None,
    resume: bool = False,
    progress: bool = True,
    left_out: Mapping[str, str] | None = None,
) -> Run:
    """Train on from a re-ID run on a target's images by PUL; no label is read.

    The new run is the last round's network. It gives features, and has no classifier
    of its own: that of the clusters is in its checkpoints for --resume only.

    Args:
        config: of the run, which keeps it with `backbone` and `reid` of `start`; of
            `adapt` what is done to images, the sheets and the precision are used.
        start: a re-ID run, of which only features are used.
        samples: of the target, in the order of the cluster files.
        out: the run folder to make.
        devices, resume, progress, left_out: as for `run_training`.

    Returns:
        The run, as `run_training`.

    Raises:
        InputError: fewer images than clusters; a run that tells cameras apart, or whose
            features are NaN; or as `run_training`.
        TrainingError: a round finds fewer than two clusters; or as `run_training`.
        ConfigError, SystemExit: as `run_training`.
    """
    return run_training(
        PulMethod(config, start, samples),
        out,
        devices=devices,
        resume=resume,
        progress=progress,
        left_out=left_out,
    )
