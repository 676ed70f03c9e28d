"""What an adaptation leaves of each epoch's clusters: numbers, labels, a sheet."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfipgan.data.filenames import Sample
from tfipgan.files.output_file import atomic_file
from tfipgan.reports.cluster_report import FOLDER
from tfipgan.reports.cluster_sheet import cluster_sheet


def cluster_numbers(labels: np.ndarray, cameras: np.ndarray) -> dict[str, float]:
    """Return what a run logs of a clustering, by the names in metrics.jsonl.

    Args:
        labels: int64 (images,), clusters from 0, at least one; -1 is none.
        cameras: int64 (images,), alike where they aren't known.
    """
    clustered = labels >= 0
    count = int(labels.max()) + 1
    pairs = np.stack([labels[clustered], cameras[clustered]])
    return {
        "adapt/clusters": count,
        "adapt/outliers": float(np.mean(~clustered)),
        "adapt/cameras_per_cluster": np.unique(pairs, axis=1).shape[1] / count,
    }


def write_clusters(
    run_path: Path,
    epoch: int,
    about: Mapping,
    samples: Sequence[Sample],
    labels: np.ndarray,
) -> None:
    """Write RUN/clusters/clusters_EPOCH.json.

    Args:
        run_path: the run folder.
        epoch: from 1.
        about: what else is written, beside the epoch and each image's cluster.
        samples, labels: the images and their clusters; -1 is none.
    """
    named = dict(zip(_names(samples), labels.tolist(), strict=True))
    with atomic_file(_file(run_path, epoch, "json")) as temporary:
        content = {"epoch": epoch, **about, "labels": named}
        temporary.write_text(json.dumps(content) + "\n")


def draw_clusters(
    run_path: Path,
    epoch: int,
    samples: Sequence[Sample],
    labels: np.ndarray,
    *,
    image_size: tuple[int, int],
    cameras: bool,
) -> None:
    """Draw RUN/clusters/clusters_EPOCH.png, as `cluster_sheet`."""
    path = _file(run_path, epoch, "png")
    cluster_sheet(samples, labels, path, image_size=image_size, cameras=cameras)


def _file(run_path, epoch, ending):
    return run_path / FOLDER / f"clusters_{epoch:04d}.{ending}"


def _names(samples):
    """Return the images' names below the folder that holds them all."""
    top = os.path.commonpath({os.path.dirname(s.path) for s in samples})
    return [Path(s.path).relative_to(top).as_posix() for s in samples]
