"""One evaluation of `tfipgan evaluate`: its numbers, and how they are printed."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.camera_projections import CameraProjections
from tfipgan.evaluation.checks import check_options
from tfipgan.evaluation.metrics import evaluate_in_detail, evaluate_ranking
from tfipgan.evaluation.per_query import RankingDetail
from tfipgan.evaluation.query_expansion import (
    averaged_queries,
    check_averaging,
    check_expansion,
)
from tfipgan.evaluation.verification import (
    OperatingPoint,
    area_under_curve,
    equal_error_rate,
    operating_point,
)
from tfipgan.files.output_file import atomic_file
from tfipgan.reports.text_table import format_table

SHOWN = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")


@dataclasses.dataclass(frozen=True)
class EvaluatedSets:
    """What is evaluated: a dataset as a network sees it, or two feature files.

    Attributes:
        query, gallery: their features.
        pool: of the images that --multi-query averages; None for the queries.
        pool_name: of their folder.
        activation: function of paths of query and gallery, gives {path: its map of
            `activation_maps`}; None without a network.
        camel: whether the features are projected by CAMEL.
        pool_stripes: of `extract_features`, for the numbers.
    """

    query: FeatureSet
    gallery: FeatureSet
    pool: FeatureSet | None = None
    pool_name: str = "query"
    activation: Callable[[Sequence[str]], Mapping[str, np.ndarray]] | None = None
    camel: bool = False
    pool_stripes: int | None = None

    def projected(self, projections: CameraProjections) -> "EvaluatedSets":
        """Return the same with all features projected as of their cameras.

        Raises:
            InputError: what `CameraProjections.project` raises.
        """
        return dataclasses.replace(
            self,
            query=projections.project("query", self.query),
            gallery=projections.project("gallery", self.gallery),
            pool=self.pool and projections.project(self.pool_name, self.pool),
            camel=True,
        )


def require_possible(options: Mapping, multi_query: bool) -> None:
    """Raise InputError for options that exclude each other, before any work.

    Args:
        options, multi_query: as for `evaluated`.
    """
    names = ("metric", "ap", "protocol", "memory_bytes", "rerank")
    check_options(**{name: options[name] for name in names})
    if options["query_expansion"] is not None:
        check_expansion(options["query_expansion"], options["alpha"])
    if multi_query:
        check_averaging(options["protocol"])


def evaluated(
    sets: EvaluatedSets,
    options: Mapping,
    multi_query: bool,
    flip: bool,
    needs_detail: bool,
    false_accept_rate: float | None,
) -> tuple[dict, OperatingPoint | None, tuple | None]:
    """Return the metrics, the operating point or None, and what figures are made of.

    Args:
        options: of `evaluate_ranking`.
        multi_query: whether to average several queries of a person.
        flip: whether the features are of mirror images too.
        needs_detail: whether figures or all numbers are wanted.
        false_accept_rate: of the operating point; None for none.
    """
    query, more = sets.query, {}
    if flip:
        more["flip"] = True
    if sets.camel:
        more["camel"] = True
    if sets.pool_stripes is not None:
        more["pool_stripes"] = sets.pool_stripes
    if multi_query:
        query, counts = averaged_queries(query, sets.pool, options["protocol"])
        more["multi_query"] = sets.pool_name
        more["num_queries_averaged"] = int((counts > 1).sum())
    if not needs_detail:
        metrics = evaluate_ranking(query, sets.gallery, **options)
        return {**metrics, **more}, None, None
    metrics, detail = evaluate_in_detail(query, sets.gallery, **options)
    metrics, point = _with_distances({**metrics, **more}, detail, false_accept_rate)
    return metrics, point, (query, sets.gallery, metrics, detail)


def _with_distances(
    metrics: dict, detail: RankingDetail, false_accept_rate: float | None
) -> tuple[dict, OperatingPoint | None]:
    """Return the metrics with what the detail adds, and the operating point or None."""
    metrics = dict(metrics)
    point = None
    if false_accept_rate is not None:
        point = operating_point(detail.histogram, false_accept_rate)
        metrics["threshold"] = dataclasses.asdict(point)
    if detail.histogram.negatives.any():
        metrics["equal_error_rate"] = equal_error_rate(detail.histogram)
        metrics["area_under_roc"] = area_under_curve(detail.histogram)
    pairs = detail.camera_pairs
    if pairs is not None:
        metrics["camera_pairs"] = [
            {
                "query_camera": int(pairs.query_cameras[a]),
                "gallery_camera": int(pairs.gallery_cameras[b]),
                "rank-1": float(pairs.rank1[a, b]),
                "mAP": float(pairs.mean_ap[a, b]),
                "num_queries": int(pairs.num_queries[a, b]),
            }
            for a in range(len(pairs.query_cameras))
            for b in range(len(pairs.gallery_cameras))
            if pairs.num_queries[a, b]
        ]
    return metrics, point


def print_result(metrics: dict, point: OperatingPoint | None) -> None:
    """Print the numbers of one evaluation, a line each, and what else there is."""
    for name in SHOWN:
        click.echo(f"{name:8s} {metrics[name]:.4f}")
    for line in _notes(metrics, point):
        click.echo(line)


def print_table(
    names: Sequence[str], results: Sequence[tuple[dict, OperatingPoint | None]]
) -> None:
    """Print the numbers of several datasets as a table, and what else there is."""
    rows = [
        [name, *(f"{metrics[shown]:.4f}" for shown in SHOWN)]
        for name, (metrics, _) in zip(names, results, strict=True)
    ]
    click.echo(format_table(["data", *SHOWN], rows))
    for name, result in zip(names, results, strict=True):
        for line in _notes(*result):
            click.echo(f"{name}: {line}")


def write_json(
    path: str | os.PathLike, results: Sequence[dict], data: Sequence[Path]
) -> None:
    """Write the numbers: of one dataset, or a list of several with their names."""
    content = results[0]
    if len(results) > 1:
        named = zip(data, results, strict=True)
        content = {"evaluations": [{"data": str(d), **found} for d, found in named]}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _notes(metrics, point):
    yield _counts(metrics)
    if "multi_query" in metrics:
        yield (
            f"{metrics['num_queries_averaged']} of the queries are means of several "
            f"images of {metrics['multi_query']}"
        )
    if metrics["num_gallery_copies"]:
        yield (
            f"{metrics['num_gallery_copies']} times left out: the query image itself, "
            "which the gallery has too (tfipgan inspect lists copies)"
        )
    if point is not None:
        yield (
            f"same person below a distance of {_short(point.threshold)}: "
            f"{point.true_accept_rate:.2%} of the same person's pairs, and "
            f"{point.num_false_accepts} of {point.num_negative_pairs} others "
            f"({point.false_accept_rate:.2g})"
        )


def _short(distance):
    return f"{distance:.4f}" if not 0 < distance < 0.01 else f"{distance:.4g}"


def _counts(metrics):
    line = (
        f"{metrics['num_queries_evaluated']} queries, {metrics['num_gallery']} gallery "
        f"images, {metrics['num_queries_without_match']} queries without a match"
    )
    reasons = (
        ("junk", "num_queries_junk"),
        ("person not in the gallery", "num_queries_not_in_gallery"),
        ("no other image that counts", "num_queries_own_camera_only"),
    )
    found = [f"{metrics[key]} {reason}" for reason, key in reasons if metrics[key]]
    return f"{line} ({', '.join(found)})" if found else line
