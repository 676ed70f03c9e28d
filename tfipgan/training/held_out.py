"""Identities of the source that choose a checkpoint instead of being trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfipgan.config import Config
from tfipgan.data.filenames import NO_CAMERA, Sample
from tfipgan.errors import InputError, shorten_name
from tfipgan.evaluation import evaluate_ranking
from tfipgan.evaluation.features import extract_features
from tfipgan.runs.metrics_log import read_metrics

HELD_OUT_MAP = "held_out/mAP"


def draw_held_out(samples: Sequence[Sample], count: int, seed: int) -> set[int]:
    """Return `count` identities of the samples, drawn from the seed.

    Raises:
        InputError: fewer than two would be left, none was seen by two cameras, or of an
            image of them the camera is unknown.
    """
    people = sorted({s.person_id for s in samples})
    if count and count > len(people) - 2:
        raise InputError(
            f"reid.held_out_identities is {count}, but the dataset has {len(people)} "
            "identities and training needs at least 2 of them"
        )
    drawn = np.random.default_rng(seed).choice(people, size=count, replace=False)
    held_out = set(drawn.tolist())
    cameras = {}
    for sample in samples:
        if sample.person_id in held_out:
            cameras.setdefault(sample.person_id, set()).add(sample.camera_id)
    # The ranking would say so too, after an epoch.
    unknown = [
        s.path for s in samples if s.person_id in held_out and s.camera_id == NO_CAMERA
    ]
    if unknown:
        raise InputError(
            f"{shorten_name(unknown[0])}: {len(unknown)} images of held-out identities "
            "have no camera, by which they are ranked: use a pattern with a group "
            "named camera, or set reid.held_out_identities to 0"
        )
    if held_out and all(len(seen) < 2 for seen in cameras.values()):
        raise InputError(
            f"none of the {count} held-out identities was seen by two cameras, so they "
            "can't be ranked: set reid.held_out_identities higher, or to 0"
        )
    return held_out


def held_out_map(network, validation: Sequence[Sample], config: Config) -> float:
    """Return the mAP of the held-out images, each a query against all others."""
    features = extract_features(
        network, validation, config.reid.image_size, config.evaluation.batch_size
    )
    return evaluate_ranking(features, features)["mAP"]


def logged_map(log: Path, step: int | None) -> float:
    """Return the held-out mAP that was logged at a step; below all others without.

    Args:
        log: a run's metrics.jsonl, where HELD_OUT_MAP is its name.
        step: of the best checkpoint; None if there is none.
    """
    scores = [
        record[HELD_OUT_MAP]
        for record in read_metrics(log)
        if record["step"] == step and HELD_OUT_MAP in record
    ]
    return scores[0] if scores else -1.0
