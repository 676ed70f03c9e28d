"""tfipgan evaluate: rank-k and mAP on query and gallery."""

import json
from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, NEW_FILE, dataset_options, set_up_tensorflow
from tfipgan.evaluation.metrics import APS, METRICS, PROTOCOLS

SHOWN = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP")


@click.command("evaluate")
@click.option("--model", type=FOLDER, help="Run of train-reid; needs --data.")
@click.option("--data", type=FOLDER, help="Dataset with query and gallery.")
@click.option("--query", type=FOLDER, help="Feature file of the queries.")
@click.option("--gallery", type=FOLDER, help="Feature file of the gallery.")
@click.option("--metric", type=click.Choice(METRICS), help="Distance.")
@click.option("--ap", type=click.Choice(APS), help="Average precision.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="What is left out.")
@click.option("--json", "json_path", type=NEW_FILE, help="Write all numbers here.")
@click.option("--figures", type=FOLDER, help="Write the CMC curve into this folder.")
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
    json_path,
    figures,
    threads,
    no_progress,
    format,
    pattern,
):
    """Rank the gallery for each query and print rank-k and mAP.

    Either a network on a dataset (--model, --data), or two feature files (--query,
    --gallery). Settings that are not given are the run's, or euclidean, standard and
    market1501.
    """
    from tfipgan.config import EvaluationConfig
    from tfipgan.evaluation import FeatureSet, evaluate_ranking

    given = {"model": model, "data": data, "query": query, "gallery": gallery}
    names = {name for name, value in given.items() if value is not None}
    if names == {"query", "gallery"}:
        settings = EvaluationConfig()
        features = FeatureSet.load(query), FeatureSet.load(gallery)
    elif names == {"model", "data"}:
        set_up_tensorflow(threads)
        settings, features = _extract(model, data, format, pattern, not no_progress)
    else:
        raise click.UsageError(
            "expected --model and --data, or --query and --gallery; got "
            + (" and ".join(f"--{name}" for name in sorted(names)) or "none of them")
        )
    metrics = evaluate_ranking(
        *features,
        metric=metric or settings.metric,
        ap=ap or settings.ap,
        protocol=protocol or settings.protocol,
    )
    if json_path is not None:
        _write_json(metrics, json_path)
    if figures is not None:
        from tfipgan.evaluation.figures import cmc_plot

        cmc_plot({"this network": metrics["cmc"]}, figures / "cmc.png")
    for name in SHOWN:
        click.echo(f"{name:8s} {metrics[name]:.4f}")
    click.echo(
        f"{metrics['num_queries_evaluated']} queries, {metrics['num_gallery']} gallery "
        f"images, {metrics['num_queries_without_match']} queries without a match"
    )


def _extract(model, data, format, pattern, progress):
    """Return the run's evaluation settings, and the query's and gallery's features."""
    from tfipgan.data.datasets import read_dataset
    from tfipgan.data.inspection import require_readable
    from tfipgan.evaluation.features import extract_features
    from tfipgan.runs import load_reid_network, open_run

    run = open_run(model, "reid")
    dataset = read_dataset(
        data, format=format, pattern=pattern, splits=("query", "gallery")
    )
    require_readable([*dataset.query, *dataset.gallery])
    network = load_reid_network(run)
    features = [
        extract_features(
            network,
            samples,
            run.config.reid.image_size,
            run.config.evaluation.batch_size,
            progress,
        )
        for samples in (dataset.query, dataset.gallery)
    ]
    return run.config.evaluation, features


def _write_json(metrics, path):
    from tfipgan.output_file import written_aside

    with written_aside(path) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")
