"""Adaptation to an unlabelled target by clusters of its images (`tfipgan adapt`).

Each epoch clusters the features of all images and trains on the clusters as if they
were people: cluster contrast (Dai et al. 2021) on camera-aware distances (Chen et al.
2024), with PPLR's inter-camera proxies (Cho et al. 2022). The training step is in
`cluster_training.py`; `AdaptMethod` is all else of a run, `adapt_clusters` the run. No
identity of the target is ever read: who is on an image, as far as its name says it, is
forgotten before anything is done. Of a source, which is an option, people stay classes.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import keras
import numpy as np

from tfipgan.clustering import ClusterSettings, agreement, cluster_images, score
from tfipgan.config import AdaptConfig, Config
from tfipgan.config.training_checks import check_adaptation
from tfipgan.data.cluster_sampler import ClusterOrder
from tfipgan.data.epoch_order import side_by_side
from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.runs.run import Run
from tfipgan.training.cluster_files import cluster_numbers
from tfipgan.training.cluster_memory import find_proxies, group_means
from tfipgan.training.cluster_training import ClusterTraining
from tfipgan.training.runner import run_training
from tfipgan.training.schedules import StepDecay
from tfipgan.training.source_people import SourcePeople
from tfipgan.training.target_method import TargetMethod

# What may help where too few are found.
STRONGER = (
    "start from a stronger run, such as one trained on translated images, or set "
    "adapt.eps higher or adapt.min_samples lower"
)

logger = logging.getLogger(__name__)


class AdaptMethod(TargetMethod):
    """Trains a run's network on the clusters of a target's images; `adapt_clusters`."""

    remedy = "start a new one with a lower adapt.learning_rate"
    extendable = ("adapt.epochs",)
    # What is measured twice makes better clusters (docs/adaptation.md).
    mirror_images = True

    def __init__(
        self,
        config: Config,
        start: Run,
        samples: Sequence[Sample],
        cluster: Callable,
        memory_bytes: int,
        source: Sequence[Sample] | None = None,
    ):
        super().__init__(config, start, samples)
        self._cluster, self._memory_bytes = cluster, memory_bytes
        self._source_samples = source
        if source is not None:
            self.images["source"] = source
        adapt = config.adapt
        self.epochs, self.epoch_steps = adapt.epochs, adapt.steps
        self.batch_size = len(self.images) * (
            adapt.batch_clusters * adapt.images_per_cluster
        )

    def check_config(self):
        return check_adaptation(self.config)

    def prepare(self):
        if not self._samples:
            raise InputError("no target image, expected some to adapt to")
        super().prepare()
        self._by_camera = len(np.unique(self._cameras)) > 1
        if not self._by_camera:
            why = (
                f"{self._unknown_cameras} of {len(self._samples)} images have no "
                "camera number"
            )
            logger.warning(
                "%s: clusters are made without cameras",
                why if self._unknown_cameras else "all images are of one camera",
            )
            self._cameras = np.zeros_like(self._cameras)
        self._people = None
        if self._source_samples is not None:
            self._people = SourcePeople(self._source_samples, self._by_camera)

    def build(self):
        adapt = self.config.adapt
        network = self._build_network()
        optimizer = keras.optimizers.Adam(
            self._rates(), beta_1=0.9, beta_2=0.999, epsilon=1e-8, name="optimizer"
        )
        optimizer.build(network.trainable_variables)
        self.networks, self.optimizers = {"network": network}, {"optimizer": optimizer}
        self.model = ClusterTraining(
            network,
            optimizer,
            weight_decay=adapt.weight_decay,
            temperature=adapt.temperature,
            momentum=adapt.memory_momentum,
            lambda_camera=adapt.lambda_camera if self._by_camera else 0.0,
            camera_temperature=adapt.camera_temperature,
            camera_negatives=adapt.camera_negatives,
        )

    def train_step(self, batch):
        return self.model.train_step(batch)

    def batches(self, start_step, end_step, worker):
        epoch = start_step // self.epoch_steps
        kept = np.flatnonzero(self.labels_of_images >= 0)
        order = self._order(self.labels_of_images[kept], self._cameras[kept], epoch)
        samples = [self._samples[place] for place in kept]
        proxies = self._proxies.of_image[kept]
        if self._people:
            beside = self._order(self._people.labels, self._people.cameras, epoch)
            order = side_by_side(order, beside, self.epoch_steps, epoch, len(kept))
            samples += self._people.samples
            proxies = np.append(
                proxies, self._people.pairs.of_image + proxies.max() + 1
            )
        return self._class_batches(
            samples,
            proxies,
            int(proxies.max()) + 1,
            order=order,
            start_step=start_step,
            end_step=end_step,
            worker=worker,
        )

    def learning_rates(self, step):
        return {"adapt/learning_rate": float(self._rates()(step))}

    def summary(self):
        cameras = len(np.unique(self._cameras)) if self._by_camera else "unknown"
        source = f"; {len(self._people.samples)} of the source" if self._people else ""
        return (
            f"{len(self._samples)} images, cameras: {cameras}{source}; "
            f"{self.num_steps} steps of {self.epoch_steps} in each epoch"
        )

    def arrays(self):
        if self.labels_of_images is None:
            return {}
        return {
            "labels": self.labels_of_images,
            **self.model.memories(),
            # What the clustering says of itself, as JSON.
            "about": np.frombuffer(self._about.encode(), np.uint8),
        }

    def set_arrays(self, arrays: Mapping[str, np.ndarray]):
        if not arrays:
            return
        self.labels_of_images = np.asarray(arrays["labels"], np.int64)
        self._about = np.asarray(arrays["about"], np.uint8).tobytes().decode()
        self._proxies = find_proxies(self.labels_of_images, self._cameras)
        clusters, cameras = self._proxies.clusters, self._proxies.cameras
        if self._people:
            pairs = self._people.pairs
            clusters = np.append(clusters, pairs.clusters + clusters.max() + 1)
            cameras = np.append(cameras, pairs.cameras + cameras.max() + 1)
        self.model.set_memories(arrays["memory"], arrays["proxies"], clusters, cameras)

    def on_epoch_begin(self, epoch):
        config = self.config
        features = self._describe(self._samples)
        found = self._cluster(
            features,
            self._cameras if self._by_camera else None,
            _settings(config.adapt),
            self._memory_bytes,
        )
        labels = np.asarray(found.labels, np.int64)
        count = self._count_clusters(labels, epoch, STRONGER)
        before = self.labels_of_images
        about = {
            "settings": asdict(found.settings_used),
            "quality": asdict(found.quality),
            "score": score(found.quality, self._by_camera),
            "agreement": None if before is None else agreement(labels, before),
        }
        proxies = find_proxies(labels, self._cameras)
        memory = group_means(features, labels)
        means = group_means(features, proxies.of_image)
        if self._people:
            features = self._describe(self._people.samples)
            memory = np.append(memory, group_means(features, self._people.labels), 0)
            pairs = self._people.pairs.of_image
            means = np.append(means, group_means(features, pairs), 0)
        self.set_arrays(
            {
                "labels": labels,
                "memory": memory,
                "proxies": means,
                "about": np.frombuffer(
                    json.dumps(about, default=_number).encode(), np.uint8
                ),
            }
        )
        numbers = self._numbers()
        logger.info(
            "epoch %d: %d clusters, %.1f%% of the images in none, %.2f cameras in each",
            epoch + 1,
            numbers["adapt/clusters"],
            100 * numbers["adapt/outliers"],
            numbers["adapt/cameras_per_cluster"],
        )
        if count < config.adapt.batch_clusters:
            logger.warning(
                "epoch %d has fewer clusters than a batch takes (%d), so some are "
                "more than once in it; if this stays so, %s",
                epoch + 1,
                config.adapt.batch_clusters,
                STRONGER,
            )

    def on_epoch_end(self, run, step, log):
        log.write(step, self._numbers())
        about = json.loads(self._about)
        self._keep_clusters(run, step // self.epoch_steps, about, self._by_camera)

    def _numbers(self) -> dict[str, float]:
        about = json.loads(self._about)
        numbers = {
            **cluster_numbers(self.labels_of_images, self._cameras),
            "adapt/silhouette": about["quality"]["silhouette"],
            "adapt/score": about["score"],
        }
        # Of the first epoch there is none before.
        if about["agreement"] is not None:
            numbers["adapt/agreement"] = about["agreement"]
        return numbers

    def _order(self, clusters, cameras, epoch):
        adapt = self.config.adapt
        return ClusterOrder(
            clusters,
            cameras,
            batch_clusters=adapt.batch_clusters,
            images_per_cluster=adapt.images_per_cluster,
            steps=self.epoch_steps,
            epoch=epoch,
            seed=self.config.seed,
        )

    def _rates(self):
        adapt = self.config.adapt
        epochs = adapt.decay_epoch
        epochs = epochs if isinstance(epochs, tuple) else (epochs,)
        steps = [epoch * self.epoch_steps for epoch in epochs]
        return StepDecay(adapt.learning_rate, steps, adapt.decay_factor)


def adapt_clusters(
    config: Config,
    start: Run,
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    source: Sequence[Sample] | None = None,
    memory_bytes: int = 2**30,
    cluster: Callable = cluster_images,
    devices: Sequence[str] | None = None,
    resume: bool = False,
    progress: bool = True,
    left_out: Mapping[str, str] | None = None,
) -> Run:
    """Train on from a re-ID run on a target's images, by clusters; no label is read.

    The new run gives features and has no classifier. Where an image has no camera
    number, or all are of one camera, clusters are made without cameras and the term of
    the inter-camera proxies is left out.

    Args:
        config: of the run, which keeps it with `backbone` and `reid` of `start`.
        start: a re-ID run, of which only features are used.
        samples: of the target, in the order of the cluster files.
        out: the run folder to make.
        source: training samples with identities: their people are classes beside the
            clusters, and half of each batch, which is twice as large, is of them.
        memory_bytes: of `cluster_images`.
        cluster: what clusters the images, as `cluster_images` does.
        devices, resume, progress, left_out: as for `run_training`.

    Returns:
        The run, as `run_training`.

    Raises:
        InputError: no image; a source image without an identity; a run that tells
            cameras apart, or whose features are NaN; or as `run_training`.
        TrainingError: an epoch finds fewer than two clusters; or as `run_training`.
        ConfigError, SystemExit: as `run_training`.
    """
    return run_training(
        AdaptMethod(config, start, samples, cluster, memory_bytes, source),
        out,
        devices=devices,
        resume=resume,
        progress=progress,
        left_out=left_out,
    )


def _settings(adapt: AdaptConfig) -> ClusterSettings:
    return ClusterSettings(
        distance=adapt.distance,
        k=adapt.k,
        k_intra=adapt.k_intra,
        k_inter=adapt.k_inter,
        eps=adapt.eps,
        min_samples=adapt.min_samples,
    )


def _number(value):
    """Return a NumPy number as JSON knows it."""
    return value.item()
