"""An evaluation to look at: its figures, and one page with them and all tables."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.per_query import RankingDetail
from tfipgan.evaluation.verification import (
    OperatingPoint,
    area_under_curve,
    equal_error_rate,
    roc,
)
from tfipgan.evaluation.verification import (
    operating_point as operating_point_at,
)
from tfipgan.reports.activation_sheet import ACTIVATION_FILE, activation_sheet
from tfipgan.reports.cluster_report import cluster_figure, cluster_table
from tfipgan.reports.figures import (
    camera_heat_map,
    cmc_plot,
    distance_histogram,
    roc_plot,
)
from tfipgan.reports.html_report import write_report
from tfipgan.reports.ranked_lists import choose_queries, ranked_list_sheet

_RESULTS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
_LEFT_OUT = {
    "num_queries_junk": "junk (person id -1)",
    "num_queries_not_in_gallery": "the gallery has no image of the person",
    "num_queries_own_camera_only": "the protocol leaves out all gallery images of the "
    "person: the query image itself, or the query's own camera",
}
_COUNTS = {
    "num_queries": "query images",
    "num_queries_evaluated": "of them evaluated",
    "num_queries_without_match": "of them left out: without a match",
    "num_queries_averaged": "of them means of several images",
    "num_gallery": "gallery images",
    "num_gallery_junk": "of them junk (person id -1), left out",
    "num_gallery_copies": "times left out: the query image itself",
}
_SETTINGS = {
    "metric": "distance",
    "ap": "average precision",
    "rerank": "re-ranking",
    "query_expansion": "query expansion by so many images",
    "query_expansion_alpha": "power of their cosines as weights",
    "flip": "mean with the mirror image",
    "pool_stripes": "stripes of the last map, each pooled by its maximum",
    "camel": "projected as of their cameras (CAMEL)",
    "multi_query": "mean of several queries, of the folder",
}
_ORDER = {
    "spread": "from the best to the worst, at even steps",
    "worst": "those of lowest average precision, the worst first",
    "best": "those of highest average precision, the best first",
    "first": "the first ones, in their own order",
}
_RATES = (0.0001, 0.001, 0.01, 0.1)
_FIGURES = (
    "cmc.png",
    "ranked_lists.png",
    ACTIVATION_FILE,
    "distances.png",
    "roc.png",
    "cameras.png",
)


def write_evaluation_report(
    folder: str | os.PathLike,
    query: FeatureSet,
    gallery: FeatureSet,
    metrics: Mapping,
    detail: RankingDetail,
    *,
    title: str,
    commands: Sequence[str] = (),
    operating_point: OperatingPoint | None = None,
    queries: str = "spread",
    num_queries: int = 12,
    activation: Callable[[Sequence[str]], Mapping[str, np.ndarray]] | None = None,
    run: Path | None = None,
) -> Path:
    """Write report.html into a folder, and each of its figures as a PNG file.

    The files are cmc.png, distances.png and, if there is something to draw:
    ranked_lists.png (both sets have paths), roc.png (there are pairs of two persons)
    and cameras.png (cameras are known); the page says which are missing and why.
    Earlier files of these names are replaced, or removed if they would not be written.
    Equal input gives equal bytes.

    Args:
        metrics, detail: of `evaluate_in_detail` for these two sets.
        commands: command lines to show.
        operating_point: the threshold to mark in figures and tables.
        queries, num_queries: which ranked lists, as for `choose_queries`.
        activation: function of paths that returns {path: its map of `activation_maps`},
            for activation_maps.png; None for no such figure.
        run: the network's run folder; the page shows the clusters of one of `adapt`.

    Returns:
        The page's path.

    Raises:
        InputError: as the figures.
        OSError: the folder can't be written to.
    """
    folder = Path(folder)
    rows = choose_queries(detail, queries, num_queries)
    parts = [
        _cmc(folder, metrics),
        _ranked_lists(folder, query, gallery, detail, rows, queries),
        *activation_sheet(folder, query, gallery, detail, rows, activation),
        _distances(folder, metrics, detail, operating_point),
        _roc(folder, detail, operating_point),
        _cameras(folder, detail),
    ]
    if run is not None and (clusters := cluster_figure(run)):
        parts.append(clusters)
    figures = [part for part in parts if not isinstance(part, str)]
    page = folder / "report.html"
    write_report(
        page,
        title=title,
        summary=[_summary(metrics), *(part for part in parts if isinstance(part, str))],
        tables=_tables(metrics, detail, operating_point, run),
        figures=figures,
        details=_details(query, detail, rows),
        commands=commands,
    )
    drawn = {figure["path"] for figure in figures}
    for name in _FIGURES:
        if folder / name not in drawn:
            (folder / name).unlink(missing_ok=True)
    return page


# Each of these draws a figure and gives its entry in the report, or says in a sentence
# why there is none.


def _cmc(folder, metrics):
    path = folder / "cmc.png"
    cmc_plot({"this network": metrics["cmc"]}, path)
    return {
        "title": "Cumulative matching characteristic",
        "path": path,
        "caption": "The share of queries with a right match among the first k images.",
    }


def _ranked_lists(folder, query, gallery, detail, rows, queries):
    sets = (("query", query), ("gallery", gallery))
    without = [name for name, features in sets if features.paths is None]
    if without:
        return (
            f"No ranked lists: the {' and '.join(without)} features were written "
            "without the images' paths; extract them again with `tfipgan extract`."
        )
    path = folder / "ranked_lists.png"
    unreadable = ranked_list_sheet(query, gallery, detail, path, rows=rows)
    caption = (
        f"{len(rows)} queries, {_ORDER[queries]}. Left the query, then the gallery "
        "images nearest to it that the protocol leaves in; below each its camera and "
        "its distance from the query."
    )
    if unreadable:
        caption += (
            f" {unreadable} of the images can't be read at the paths that the feature "
            "files hold (seen from the folder the command ran in) and are grey."
        )
    return {"title": "Ranked lists", "path": path, "caption": caption}


def _distances(folder, metrics, detail, point):
    path = folder / "distances.png"
    threshold = None if point is None else point.threshold
    distance_histogram(detail.histogram, path, threshold, _distance(metrics))
    return {
        "title": "Distances of pairs",
        "path": path,
        "caption": "All pairs of a query and a gallery image that the protocol leaves "
        "in. The less the two shapes overlap, the better a threshold can tell whether "
        "two images show one person.",
    }


def _roc(folder, detail, point):
    if not _has_both(detail.histogram):
        return (
            "No ROC and no thresholds: all pairs that the protocol leaves in show one "
            "person; add images of other persons to the gallery."
        )
    path = folder / "roc.png"
    rates = None
    if point is not None:
        rates = point.false_accept_rate, point.true_accept_rate
    roc_plot(*roc(detail.histogram), path, rates)
    return {
        "title": "Receiver operating characteristic",
        "path": path,
        "caption": "What a threshold on the distance accepts: how many pairs of the "
        "same person, for how many pairs of different persons by mistake.",
    }


def _cameras(folder, detail):
    if detail.camera_pairs is None:
        return "No table of cameras: some images have no camera id."
    path = folder / "cameras.png"
    camera_heat_map(detail.camera_pairs, path)
    return {
        "title": "Rank-1 by cameras",
        "path": path,
        "caption": "How often a query of one camera finds its person first where only "
        "the images of one gallery camera are searched. Grey: no query has a match.",
    }


def _summary(metrics) -> str:
    return (
        f"{metrics['num_queries_evaluated']:,} queries searched in "
        f"{metrics['num_gallery'] - metrics['num_gallery_junk']:,} gallery images by "
        f"{_distance(metrics)}: rank-1 {metrics['rank-1']:.3f}, mAP "
        f"{metrics['mAP']:.3f}."
    )


def _distance(metrics) -> str:
    kind = "re-ranked" if metrics.get("rerank") else metrics["metric"]
    return f"{kind} distance"


def _tables(metrics, detail, point, run) -> list[dict]:
    results = [key for key in _RESULTS if key in metrics]
    tables = [
        {
            "title": "Ranking",
            "columns": results,
            "rows": [[metrics[key] for key in results]],
            "note": "Fractions of 1, means over the queries evaluated.",
        },
        {
            "title": "Images",
            "columns": ["what", "number"],
            "rows": [
                [text, metrics[key]]
                for key, text in _COUNTS.items()
                if key in metrics and (metrics[key] or key != "num_gallery_copies")
            ],
        },
    ]
    left_out = [
        [text, metrics[key]] for key, text in _LEFT_OUT.items() if metrics.get(key)
    ]
    if left_out:
        tables.append(
            {
                "title": "Queries left out",
                "columns": ["why", "queries"],
                "rows": left_out,
            }
        )
    tables.append(
        {
            "title": "Protocol",
            "columns": ["setting", "value"],
            "rows": [
                [_SETTINGS.get(key, key), _setting(value)]
                for key, value in metrics.items()
                if (isinstance(value, str | bool | int) or key in _SETTINGS)
                and not key.startswith("num_")
            ],
        }
    )
    if _has_both(detail.histogram):
        tables.append(_thresholds(detail.histogram, metrics, point))
    if run is not None and (clusters := cluster_table(run)):
        tables.append(clusters)
    return tables


def _details(query, detail, rows) -> list[dict]:
    tables = [] if query.paths is None else [_shown(query, detail, rows)]
    if detail.camera_pairs is not None:
        tables += _camera_tables(detail.camera_pairs)
    return tables


def _setting(value) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _thresholds(histogram, metrics, point) -> dict:
    asked = {rate: operating_point_at(histogram, rate) for rate in _RATES}
    asked = {rate: p for rate, p in asked.items() if not p.has_too_few_negatives}
    if point is not None:
        asked[point.requested_rate] = point
    doubt = ""
    if point is not None and point.has_too_few_negatives:
        doubt = (
            " The chosen rate is less than one of these pairs, too few to tell it "
            "from 0."
        )
    return {
        "title": "Same person or not: thresholds",
        "columns": [
            "false accepts allowed",
            f"{_distance(metrics)} below",
            "false accepts",
            "same person accepted",
        ],
        "rows": [
            [
                _percent(rate) + (" (chosen)" if found is point else ""),
                f"{found.threshold:.6g}",
                _percent(found.false_accept_rate),
                _percent(found.true_accept_rate),
            ]
            for rate, found in sorted(asked.items())
        ],
        "note": f"Calibrated on these images: {histogram.positives.sum():,} pairs of "
        f"the same person, {histogram.negatives.sum():,} of different persons. Other "
        "cameras and other people need a threshold of their own. Equal error rate "
        f"{_percent(equal_error_rate(histogram))}, area under the ROC "
        f"{area_under_curve(histogram):.4f}.{doubt}",
    }


def _has_both(histogram) -> bool:
    return bool(histogram.positives.sum() and histogram.negatives.sum())


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g}%"


def _shown(query, detail, rows) -> dict:
    return {
        "title": "Queries of the ranked lists",
        "columns": ["file", "person", "camera", "AP", "first match at rank"],
        "rows": [
            [
                Path(str(query.paths[row])).name,
                int(query.person_ids[row]),
                int(query.camera_ids[row]),
                float(detail.average_precision[row]),
                int(detail.first_rank[row]),
            ]
            for row in rows
        ],
    }


def _camera_tables(pairs) -> list[dict]:
    columns = ["query camera", *(str(camera) for camera in pairs.gallery_cameras)]

    def table(title, values, note):
        cells = [
            [None if math.isnan(value) else value for value in row]
            for row in np.asarray(values).tolist()
        ]
        return {
            "title": title,
            "columns": columns,
            "rows": [
                [int(camera), *row]
                for camera, row in zip(pairs.query_cameras, cells, strict=True)
            ],
            "note": note,
        }

    across = "Across: the gallery camera that alone is searched."
    return [
        table("Rank-1 by cameras", pairs.rank1, across),
        table("mAP by cameras", pairs.mean_ap, across),
        table("Queries by cameras", pairs.num_queries, "Those with a match there."),
    ]
