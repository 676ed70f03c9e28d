"""What trainings on the clusters of an unlabelled target share.

Each epoch clusters the features of all images and trains on the clusters as if they
were people. No identity of the target is ever read: who is on an image, as far as its
name says it, is forgotten before anything is done.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tfipgan.config import Config
from tfipgan.data.filenames import NO_CAMERA, Sample
from tfipgan.data.labels import LabelMap, without_identities
from tfipgan.data.pipelines import reid_batches
from tfipgan.errors import TrainingError
from tfipgan.evaluation.features import extract_rows, graph_of, with_mirror_images
from tfipgan.models import ReidNetwork
from tfipgan.models.from_config import build_reid_network
from tfipgan.models.inference import InferenceNetwork
from tfipgan.runs.run import Run
from tfipgan.training.cluster_files import draw_clusters, write_clusters
from tfipgan.training.method import Method
from tfipgan.training.starting_network import (
    adapted_config,
    feature_network,
    load_start,
)
from tfipgan.weights.fingerprint import weights_digest
from tfipgan.weights.local_copies import copy_weights

# Fewer tell nothing apart.
FEWEST_CLUSTERS = 2


class TargetMethod(Method):
    """A re-ID network trained on a target's images, from the weights of another run.

    A subclass sets `labels_of_images`, an int64 array of each image's cluster with -1
    for those in none, at each epoch's begin.

    Args:
        config: of the run; `backbone` and `reid` are taken from `start`.
        start: the run to go on from.
        samples: of the target.
    """

    kind, title = "reid", "adapt"
    remakes_batches = True
    # What an epoch is called in messages.
    epoch_name = "epoch"
    # Whether a feature is the mean of an image's and its mirror image's.
    mirror_images = False

    def __init__(self, config: Config, start: Run, samples: Sequence[Sample]):
        super().__init__(adapted_config(config, start), {})
        self._start = start
        self._samples = without_identities(samples)
        self.images = {"target": self._samples}
        self.labels_of_images: np.ndarray | None = None
        self._local: ReidNetwork | None = None

    def prepare(self):
        self.adapted = self._start.path.resolve().name
        cameras = np.array([s.camera_id for s in self._samples], np.int64)
        self._unknown_cameras = int((cameras == NO_CAMERA).sum())
        # Alike, where they are not to be told apart.
        known = not self._unknown_cameras
        self._cameras = cameras if known else np.zeros_like(cameras)
        # Outside of the strategy, where the digest does not depend on the devices.
        self._source = load_start(self._start)
        self.digests["model"] = weights_digest(self._source)

    def on_train_begin(self, run, checkpoints, step):
        self._checkpoints = checkpoints

    def _build_network(self):
        """Return the network to train, in the strategy's scope."""
        precision = self.config.adapt.precision
        network = feature_network(self.config, self._source, precision)
        del self._source
        return network

    def _describe(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the features of images by the trained network as it is now."""
        reid = self.config.reid
        if self._local is None:
            # Not the trained network itself, which all workers would have to run; and
            # one for all epochs, so that its graph is traced once.
            self._local = build_reid_network(self.config.backbone, reid, None)
            self._inference = InferenceNetwork(self._local)
            describe = self._inference
            if self.mirror_images:
                describe = with_mirror_images(describe)
            self._graph = graph_of(describe, reid.image_size)
        copy_weights(self.networks["network"], self._local)
        self._inference.take_weights(self._local)
        return extract_rows(
            self._graph, samples, reid.image_size, self.config.evaluation.batch_size
        )

    def _count_clusters(self, labels: np.ndarray, epoch: int, remedy: str) -> int:
        """Return how many clusters there are.

        Raises:
            TrainingError: fewer than two.
        """
        count = int(labels.max()) + 1
        if count < FEWEST_CLUSTERS:
            last = self._checkpoints.last()
            kept = f"the last checkpoint, {last}, stays" if last else "nothing is lost"
            raise TrainingError(
                f"{self.epoch_name} {epoch + 1}: {len(labels)} images make {count} "
                f"clusters, expected at least {FEWEST_CLUSTERS} to tell apart; {kept}; "
                f"{remedy}"
            )
        return count

    def _class_batches(self, samples, classes: np.ndarray, count: int, **options):
        """Return `reid_batches` of images of `count` classes, uncropped.

        Args:
            samples: of the images.
            classes: (n,) ints from 0, the class of each.
            count: how many classes there are.
            options: others of `reid_batches`, such as the order.
        """
        adapt = self.config.adapt
        return reid_batches(
            [
                replace(sample, person_id=number)
                for sample, number in zip(samples, classes.tolist(), strict=True)
            ],
            LabelMap(tuple(range(count))),
            image_size=self.config.reid.image_size,
            batch_size=self.batch_size,
            seed=self.config.seed,
            crop=False,
            flip=adapt.random_flip,
            pad_crop=adapt.pad_crop,
            erasing=adapt.random_erasing,
            fill=self.config.backbone.mean,
            **options,
        )

    def _keep_clusters(self, run: Run, epoch: int, about: dict, cameras: bool):
        """Write the epoch's clusters and, every few epochs, a sheet of them.

        Args:
            epoch: from 1.
            about: what the clustering says of itself.
            cameras: whether the sheet names the cameras.
        """
        labels = self.labels_of_images
        write_clusters(run.path, epoch, about, self._samples, labels)
        every = self.config.adapt.sheet_every_epochs
        if epoch % every == 0 or epoch in (1, self.epochs):
            draw_clusters(
                run.path,
                epoch,
                self._samples,
                labels,
                image_size=self.config.reid.image_size,
                cameras=cameras,
            )
