"""The figure of a report that shows where a network is active in the ranked images."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.per_query import RankingDetail
from tfipgan.reports.ranked_lists import ranked_list_sheet

ACTIVATION_FILE = "activation_maps.png"
# As wide as the ranked lists, of ten images: each is there twice.
_COUNT = 5


def activation_sheet(
    folder: Path,
    query: FeatureSet,
    gallery: FeatureSet,
    detail: RankingDetail,
    rows: np.ndarray,
    activation: Callable[[Sequence[str]], Mapping[str, np.ndarray]] | None,
) -> list[dict]:
    """Draw the figure, and return its entry in the report; none if there is none.

    There is no figure without `activation`, nor for features without paths.

    Args:
        rows: the queries to show.
        activation: as for `write_evaluation_report`.
    """
    if activation is None or query.paths is None or gallery.paths is None:
        return []
    top = detail.top[rows, :_COUNT]
    paths = [*query.paths[rows].tolist(), *gallery.paths[top[top >= 0]].tolist()]
    path = folder / ACTIVATION_FILE
    maps = activation(paths)
    height, width = maps[paths[0]].shape
    ranked_list_sheet(
        query, gallery, detail, path, rows=rows, count=_COUNT, activation=maps
    )
    return [
        {
            "title": "Activation maps",
            "path": path,
            "caption": "The same queries and the first images of their lists, each "
            "with the network's activation over it: the sum of the squares over the "
            f"channels of its last map, which has {height} x {width} places, from "
            "blue, where the image has least of it, to red, where it has most. Places "
            "of high activation make up most of the features; it does not say why two "
            "images are near.",
        }
    ]
