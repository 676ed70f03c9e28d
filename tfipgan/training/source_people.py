"""The source's people beside a target's clusters, as classes that are sure.

As in SpCL (Ge et al. 2020), where they share one memory with the clusters; here their
part of it is made anew with each epoch's network, as the clusters' is.
"""

from collections.abc import Sequence

import numpy as np

from tfipgan.data.filenames import NO_CAMERA, Sample
from tfipgan.data.labels import LabelMap
from tfipgan.training.cluster_memory import find_proxies


class SourcePeople:
    """Labelled images of a source, as clusters that need no clustering.

    Args:
        samples: training samples with identities.
        by_camera: whether cameras take part; if not, or where the camera of any image
            isn't known, they are alike.

    Raises:
        InputError: no sample, or one without an identity.

    Attributes:
        samples: as given.
        labels: int64 (images,), each one's person, from 0.
        cameras: int64 (images,).
        pairs: `Proxies`, of each person in each camera.
    """

    def __init__(self, samples: Sequence[Sample], by_camera: bool):
        self.samples = tuple(samples)
        people = LabelMap.from_samples(samples)
        self.labels = np.array([people.index(s.person_id) for s in samples], np.int64)
        cameras = np.array([s.camera_id for s in samples], np.int64)
        known = by_camera and not (cameras == NO_CAMERA).any()
        self.cameras = cameras if known else np.zeros_like(cameras)
        self.pairs = find_proxies(self.labels, self.cameras)
