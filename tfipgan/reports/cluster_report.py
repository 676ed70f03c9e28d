"""An adaptation's clusters in a page: the numbers of each epoch, and the last sheet."""

import json
from pathlib import Path

from tfipgan.errors import InputError

FOLDER = "clusters"
# A run has hundreds of epochs at most; a page shows so many, the last one always.
MOST_ROWS = 50
_NUMBERS = ("clusters", "outliers", "images_per_cluster", "cameras_per_cluster")


def cluster_figure(run: Path) -> dict | None:
    """Return the last sheet of clusters as a page's entry; None if there is none.

    Args:
        run: the run folder of `tfipgan adapt`, or of any other run.
    """
    sheets = sorted((run / FOLDER).glob("clusters_*.png"))
    if not sheets:
        return None
    epoch = int(sheets[-1].stem.rpartition("_")[2])
    return {
        "title": "Clusters of the training images",
        "path": sheets[-1],
        "caption": f"Of epoch {epoch}: each row is a cluster, which stood for a person "
        "in that epoch's training; below each image its camera, if it is known. A row "
        "of one camera alone says that clusters are cameras, one of several people "
        "that people have merged.",
    }


def cluster_table(run: Path) -> dict | None:
    """Return the clusters of each epoch as a page's table; None if there are none.

    Args:
        run: as for `cluster_figure`.

    Raises:
        InputError: a file of an epoch's clusters is damaged.
    """
    paths = sorted((run / FOLDER).glob("clusters_*.json"))
    if not paths:
        return None
    if len(paths) > MOST_ROWS:
        last = len(paths) - 1
        paths = [paths[k * last // (MOST_ROWS - 1)] for k in range(MOST_ROWS)]
    return {
        "title": "Clusters by epoch",
        "columns": [
            "epoch", "clusters", "images in none", "images a cluster",
            "cameras a cluster",
        ],
        "rows": [_row(path) for path in paths],
        "note": "Of the training images; no label is known here. Cameras a cluster: "
        "how many cameras saw it, on average, if they are known.",
    }  # fmt: skip


def _row(path: Path) -> list:
    try:
        about = json.loads(path.read_bytes())
        quality = about["quality"]
        clusters, outliers, images, cameras = (float(quality[n]) for n in _NUMBERS)
        return [
            int(about["epoch"]), int(clusters), f"{100 * outliers:.1f}%",
            f"{images:.1f}", f"{cameras:.2f}" if cameras else None,
        ]  # fmt: skip
    except (
        ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError,
        RecursionError,
    ) as error:  # fmt: skip
        raise InputError(
            f"{path} is damaged ({error!r}); expected an epoch's clusters, as `tfipgan "
            "adapt` writes them: remove it to leave that epoch out"
        ) from error
