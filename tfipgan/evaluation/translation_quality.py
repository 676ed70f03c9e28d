"""How close translated images are to each camera's, and how sharp they are.

A classifier of the target's cameras measures it, which the GAN was not trained with.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import LabelMap, is_whole_target
from tfipgan.errors import InputError, shorten_name
from tfipgan.evaluation.features import classes_and_features
from tfipgan.evaluation.kernel_distance import kernel_distance
from tfipgan.evaluation.sharpness import energies_at_one_size

_FEWEST = 2  # that a kernel distance takes


@dataclass(frozen=True)
class CameraQuality:
    """What is measured of one camera; its attributes are the keys of the JSON.

    Attributes:
        camera: the target's number.
        images: translated images.
        accuracy: share of them whose camera the classifier names; None of a set that is
            translated to the whole target.
        real_images: held-out real images; None if the target has none at all.
        real_accuracy: share of them whose camera the classifier names, or None.
        distance: from the translated to the real training images (`kernel_distance`).
        source_distance: from the source's images to these, or None.
        floor: from the held-out real images to these, or None.
        sharpness: mean `gradient_energy` of the translated images over that of the real
            training images, at the translated images' size; None if that is 0.
        fine: the same of `fine_energy`; more than 1 is a grid, or grain.
    """

    camera: int
    images: int
    accuracy: float | None
    real_images: int | None
    real_accuracy: float | None
    distance: float
    source_distance: float | None
    floor: float | None
    sharpness: float | None
    fine: float | None


def translation_quality(
    network,
    labels: LabelMap,
    translated: Sequence[Sample],
    real: Sequence[Sample],
    held_out: Sequence[Sample] = (),
    source: Sequence[Sample] = (),
    *,
    image_size: tuple[int, int],
    batch_size: int = 64,
    progress: bool = False,
) -> dict:
    """Measure a translated set camera by camera; docs/method.md defines the numbers.

    A set that is translated to the whole target as one domain (`is_whole_target`) is
    compared as a whole with each camera.

    Args:
        network: `ReidNetwork`, the classifier, in inference mode.
        labels: of the cameras it tells apart, as class_ids.
        translated: images that carry the number of the camera they were made for.
        real: the target's training images.
        held_out: other real images of the target, with other people if it has such.
        source: the source's images as they are.
        image_size, batch_size, progress: as for `extract_features`.

    Returns:
        Plain values: "accuracy" and "real_accuracy", shares of all images; "distance",
        "source_distance", "floor", "sharpness" and "fine", means over the cameras;
        "cameras", a dict of `CameraQuality`'s attributes for each. What there is no
        image for is None.

    Raises:
        InputError: an image among the translated that is none; cameras that are not the
            target's or not the classifier's; fewer than two images of a camera.
    """
    cameras = _check(labels, translated, real, source)
    # All in one pass, for which the network is made into a graph once.
    sets = [translated, real, held_out, source]
    classes, features = classes_and_features(
        network, [s for one in sets for s in one], image_size, batch_size, progress
    )
    measured = []
    start = 0
    for one in sets:
        rows = slice(start, start + len(one))
        camera_ids = np.array([s.camera_id for s in one], np.int64)
        measured.append(_Images(camera_ids, classes[rows], features[rows]))
        start = rows.stop
    made, real, others, source = measured
    whole = _is_whole(translated)
    made_energies, real_energies = energies_at_one_size(*sets[:2], batch_size)
    found = [
        CameraQuality(
            camera,
            **_measure(camera, labels.index(camera), whole, made, real, others, source),
            **_ratios(
                made_energies if whole else made_energies[made.cameras == camera],
                real_energies[real.cameras == camera],
            ),
        )
        for camera in cameras
    ]
    return {
        "accuracy": _mean(found, "accuracy", "images"),
        "real_accuracy": _mean(found, "real_accuracy", "real_images"),
        "distance": _mean(found, "distance"),
        "source_distance": _mean(found, "source_distance"),
        "floor": _mean(found, "floor"),
        "sharpness": _mean(found, "sharpness"),
        "fine": _mean(found, "fine"),
        "cameras": [asdict(camera) for camera in found],
    }


def _check(labels, translated, real, source):
    """Return the target's cameras, once the sets are seen to fit each other."""
    for sample in translated:
        if sample.source_camera_id is None:
            raise InputError(
                f"{shorten_name(sample.path)} is not a translated image, its name does "
                "not end in _to_c<camera>; expected a folder that `tfipgan translate` "
                "made"
            )
    cameras = sorted({s.camera_id for s in real})
    made = sorted({s.camera_id for s in translated})
    if not _is_whole(translated) and made != cameras:
        raise InputError(
            f"the translated images are of cameras {_listed(made)}, the target's "
            f"training images of {_listed(cameras)}; expected the same: give the "
            "target that they were translated to"
        )
    unknown = set(cameras) - set(labels.class_ids)
    if unknown:
        raise InputError(
            f"the classifier tells cameras {_listed(labels.class_ids)} apart and does "
            f"not know the target's camera {min(unknown)}: train it on the target"
        )
    for camera in cameras:
        of_it = translated if _is_whole(translated) else _of(camera, translated)
        for images, kind in ((of_it, "translated"), (_of(camera, real), "real")):
            if len(images) < _FEWEST:
                raise InputError(
                    f"camera {camera} has {len(images)} {kind} image, expected at "
                    f"least {_FEWEST} to measure a distance: add images"
                )
    if source and len(source) < _FEWEST:
        raise InputError(
            f"the source has {len(source)} image, expected at least {_FEWEST} to "
            "measure a distance: add images, or leave the source out"
        )
    return cameras


@dataclass(frozen=True)
class _Images:
    """The cameras of some images, what they were named, and their features."""

    cameras: np.ndarray
    classes: np.ndarray
    rows: np.ndarray

    def of(self, camera):
        kept = self.cameras == camera
        return _Images(self.cameras[kept], self.classes[kept], self.rows[kept])

    def named(self, label):
        """Return the share of the images that were named so, None without any."""
        return float(np.mean(self.classes == label)) if len(self.classes) else None

    def distance(self, other):
        """Return the kernel distance, None with too few images for one."""
        if min(len(self.rows), len(other.rows)) < _FEWEST:
            return None
        return kernel_distance(self.rows, other.rows)


def _measure(camera, label, whole, translated, real, held_out, source) -> dict:
    """Return what the classifier says of a camera's images."""
    own = translated if whole else translated.of(camera)
    real, others = real.of(camera), held_out.of(camera)
    return {
        "images": len(own.rows),
        "accuracy": None if whole else own.named(label),
        "real_images": len(others.rows) if len(held_out.rows) else None,
        "real_accuracy": others.named(label),
        "distance": own.distance(real),
        "source_distance": source.distance(real),
        "floor": others.distance(real),
    }


def _ratios(made, real) -> dict:
    """Return the energies (images, 2) of translated images over those of real ones."""
    made, real = made.mean(axis=0), real.mean(axis=0)
    names = ("sharpness", "fine")
    return {
        name: float(above / below) if below else None
        for name, above, below in zip(names, made, real, strict=True)
    }


def _is_whole(translated):
    return is_whole_target(sorted({s.camera_id for s in translated}))


def _of(camera, samples):
    return [s for s in samples if s.camera_id == camera]


def _listed(numbers):
    return ", ".join(map(str, numbers))


def _mean(found, name, weight=None):
    """Return the mean over the cameras that have a value, None if none has."""
    having = [c for c in found if getattr(c, name) is not None]
    if not having:
        return None
    weights = [getattr(c, weight) for c in having] if weight else None
    return float(np.average([getattr(c, name) for c in having], weights=weights))
