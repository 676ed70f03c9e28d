"""What a ranking needs of its options and its two sets, and the words if it lacks."""

import numpy as np

from tfipgan.data.filenames import JUNK
from tfipgan.errors import InputError, first_few
from tfipgan.evaluation.distances import METRICS
from tfipgan.evaluation.feature_set import FeatureSet

APS = ("standard", "trapezoid")
PROTOCOLS = ("market1501", "cuhk03", "cross-camera-off")


def check_options(
    metric: str, ap: str, protocol: str, memory_bytes: int, rerank: bool
) -> None:
    """Raise InputError for an unknown option, or two that exclude each other."""
    _check_choice("metric", metric, METRICS)
    _check_choice("ap", ap, APS)
    _check_choice("protocol", protocol, PROTOCOLS)
    if memory_bytes <= 0:
        raise InputError(f"memory_bytes is {memory_bytes}, expected a positive number")
    if rerank and metric != "euclidean":
        raise InputError(f"re-ranking is for euclidean distances, not for {metric}")


def check_sets(query: FeatureSet, gallery: FeatureSet, protocol: str) -> None:
    """Raise InputError for sets without labels, of two lengths, or of junk only."""
    for name, features in (("query", query), ("gallery", gallery)):
        _check_labels(name, features, needs_cameras=protocol != "cross-camera-off")
    if query.features.shape[1] != gallery.features.shape[1]:
        raise InputError(
            f"query features have {query.features.shape[1]} values, gallery features "
            f"{gallery.features.shape[1]}; extract both with the same network"
        )
    if (gallery.person_ids == JUNK).all():
        raise InputError(
            f"all {len(gallery)} gallery images are junk (person id -1); expected "
            "images of persons: check the gallery folder and the file name format"
        )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name} is {value!r}, expected one of: {', '.join(choices)}")


def _check_labels(name: str, features: FeatureSet, needs_cameras: bool) -> None:
    unlabelled = int((features.person_ids < JUNK).sum())
    if unlabelled:
        raise InputError(
            f"{unlabelled} of {len(features)} {name} images have no person id (-2); "
            "ranking needs one for each: read the images with their file name format"
        )
    # Junk is never ranked, so its camera doesn't matter.
    camera_ids = features.camera_ids[features.person_ids != JUNK]
    unknown = int((camera_ids < 0).sum())
    if needs_cameras and unknown:
        raise InputError(
            f"{unknown} of {len(features)} {name} images have no camera id (-1), which "
            "the protocol needs: read the images with their file name "
            "format, or use 'cross-camera-off'"
        )


def why_no_match(query: FeatureSet, gallery_persons: np.ndarray, protocol: str) -> str:
    """Return what to say if no query at all has a match."""
    found = f"none of the {len(query)} queries has a match in the gallery: "
    if not np.isin(query.person_ids, gallery_persons).any():
        return found + (
            "the two have no person in common; check that query and gallery are of "
            "the same dataset and that no labels are missing"
        )
    if protocol != "cross-camera-off":
        return found + (
            "all images of a query's person are of the query's own camera, or the same "
            "image "
            f"(query cameras: {first_few(np.unique(query.camera_ids), 8)}); a dataset "
            "of one camera needs the protocol 'cross-camera-off'"
        )
    return found + (
        "the only images of a query's person are the query images themselves; add "
        "other images of these persons to the gallery"
    )
