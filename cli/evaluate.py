"""tfipgan evaluate: rank-k and mAP on query and gallery, and what they look like."""

import json
import shlex
from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, NEW_FILE, dataset_options, set_up_tensorflow
from tfipgan.evaluation.distances import METRICS
from tfipgan.evaluation.requirements import APS, PROTOCOLS
from tfipgan.reports.ranked_lists import CHOICES

SHOWN = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
MEBIBYTE = 2**20


@click.command("evaluate")
@click.option("--model", type=FOLDER, help="Run of train-reid; needs --data.")
@click.option("--data", type=FOLDER, help="Dataset with query and gallery.")
@click.option("--query", type=FOLDER, help="Feature file of the queries.")
@click.option("--gallery", type=FOLDER, help="Feature file of the gallery.")
@click.option("--metric", type=click.Choice(METRICS), help="Distance.")
@click.option("--ap", type=click.Choice(APS), help="Average precision.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="What is left out.")
@click.option(
    "--rerank",
    is_flag=True,
    help="Rank by k-reciprocal re-ranked distances (Zhong et al. 2017).",
)
@click.option(
    "--threshold",
    "false_accept_rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="RATE",
    help="Also give the distance below which two images are of the same person, with "
    "at most this share of false ones, such as 0.001.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    metavar="MIB",
    help="For the distances held at a time, beside the features.",
)
@click.option("--seed", type=int, default=0, help="Of the draws of cuhk03.")
@click.option("--json", "json_path", type=NEW_FILE, help="Write all numbers here.")
@click.option(
    "--figures",
    type=FOLDER,
    help="Write report.html and its figures into this folder: ranked lists, CMC, "
    "distances, ROC, cameras.",
)
@click.option(
    "--show",
    type=click.Choice(CHOICES),
    default="spread",
    show_default=True,
    help="Which queries' ranked lists --figures draws.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--no-progress", is_flag=True, help="Show no progress bar.")
@dataset_options()
def evaluate(
    model: Path | None,
    data: Path | None,
    query: Path | None,
    gallery: Path | None,
    metric,
    ap,
    protocol,
    rerank,
    false_accept_rate,
    memory,
    seed,
    json_path,
    figures,
    show,
    threads,
    no_progress,
    format,
    pattern,
):
    """Rank the gallery for each query and print rank-k, mAP and mINP.

    Either a network on a dataset (--model, --data), or two feature files (--query,
    --gallery). Settings that are not given are the run's, or euclidean, standard and
    market1501.
    """
    from tfipgan.config import EvaluationConfig
    from tfipgan.data.output_place import common_folder, require_outside
    from tfipgan.evaluation import FeatureSet
    from tfipgan.evaluation.metrics import evaluate_in_detail, evaluate_ranking
    from tfipgan.files.output_file import require_short_name

    if figures is not None:
        require_short_name(figures)
    given = {"model": model, "data": data, "query": query, "gallery": gallery}
    names = {name for name, value in given.items() if value is not None}
    if names == {"query", "gallery"}:
        settings = EvaluationConfig()
        features = FeatureSet.load(query), FeatureSet.load(gallery)
        if figures is not None:
            found = [common_folder(f.paths) for f in features if f.paths is not None]
            require_outside(figures, folders=filter(None, found), may_hold=True)
    elif names == {"model", "data"}:
        if figures is not None:
            require_outside(figures, datasets=[data], may_hold=True)
        set_up_tensorflow(threads)
        settings, features = _extract(model, data, format, pattern, not no_progress)
    else:
        raise click.UsageError(
            "expected --model and --data, or --query and --gallery; got "
            + (" and ".join(f"--{name}" for name in sorted(names)) or "none of them")
        )
    options = {
        "metric": metric or settings.metric,
        "ap": ap or settings.ap,
        "protocol": protocol or settings.protocol,
        "memory_bytes": memory * MEBIBYTE,
        "rerank": rerank,
        "seed": seed,
    }
    needs_detail = json_path or figures or false_accept_rate
    detail = point = None
    if needs_detail:
        metrics, detail = evaluate_in_detail(*features, **options)
        metrics, point = _with_distances(metrics, detail, false_accept_rate)
    else:
        metrics = evaluate_ranking(*features, **options)
    if json_path is not None:
        _write_json(metrics, json_path)
    if figures is not None:
        from tfipgan.reports.evaluation_report import write_evaluation_report

        title = f"{model} on {data}" if model else f"{query} in {gallery}"
        write_evaluation_report(
            figures,
            *features,
            metrics,
            detail,
            title=title,
            operating_point=point,
            queries=show,
            commands=[_command_line()],
        )
    for name in SHOWN:
        click.echo(f"{name:8s} {metrics[name]:.4f}")
    click.echo(_counts(metrics))
    if metrics["num_gallery_copies"]:
        click.echo(
            f"{metrics['num_gallery_copies']} times left out: the query image itself, "
            "which the gallery has too (tfipgan inspect lists copies)"
        )
    if point is not None:
        click.echo(
            f"same person below a distance of {_short(point.threshold)}: "
            f"{point.true_accept_rate:.2%} of the same person's pairs, and "
            f"{point.num_false_accepts} of {point.num_negative_pairs} others "
            f"({point.false_accept_rate:.2g})"
        )


def _with_distances(metrics, detail, false_accept_rate):
    """Return the metrics with what the detail adds, and the operating point or None."""
    import dataclasses

    from tfipgan.evaluation.verification import (
        area_under_curve,
        equal_error_rate,
        operating_point,
    )

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


def _command_line():
    """Return the command with the options that were given."""
    context = click.get_current_context()
    words = ["tfipgan", context.command.name]
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if source is click.core.ParameterSource.COMMANDLINE:
            value = context.params[parameter.name]
            words += [parameter.opts[0]] + ([] if value is True else [str(value)])
    return shlex.join(words)


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


def _extract(model, data, format, pattern, progress):
    """Return the run's evaluation settings, and the query's and gallery's features."""
    from tfipgan.data.datasets import read_dataset
    from tfipgan.data.readable import check_readable
    from tfipgan.evaluation.features import extract_features
    from tfipgan.runs.run import load_reid_network, open_run

    run = open_run(model, "reid")
    dataset = read_dataset(
        data, format=format, pattern=pattern, splits=("query", "gallery")
    )
    splits = [
        check_readable(samples, progress=progress)[0]
        for samples in (dataset.query, dataset.gallery)
    ]
    network = load_reid_network(run)
    features = [
        extract_features(
            network,
            samples,
            run.config.reid.image_size,
            run.config.evaluation.batch_size,
            progress,
        )
        for samples in splits
    ]
    return run.config.evaluation, features


def _write_json(metrics, path):
    from tfipgan.files.output_file import written_aside

    with written_aside(path) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")
