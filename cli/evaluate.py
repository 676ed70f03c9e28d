"""tfipgan evaluate: rank-k and mAP on query and gallery, and what they look like."""

import shlex
from pathlib import Path

import click

from tfipgan.cli.common import (
    FOLDER,
    NEW_FILE,
    dataset_options,
    require_stripes,
    set_up_tensorflow,
    stripes_option,
)
from tfipgan.errors import InputError
from tfipgan.evaluation.checks import APS, PROTOCOLS
from tfipgan.evaluation.distances import METRICS
from tfipgan.evaluation.query_expansion import ALPHA
from tfipgan.reports.ranked_lists import CHOICES

MEBIBYTE = 2**20


@click.command("evaluate")
@click.option("--model", type=FOLDER, help="Run of train-reid; needs --data.")
@click.option(
    "--data",
    type=FOLDER,
    multiple=True,
    help="Dataset with query and gallery. May be repeated: a table with a row of each.",
)
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
    "--flip",
    is_flag=True,
    help="With --model: average the features of each image and its mirror image.",
)
@stripes_option("With --model")
@click.option(
    "--multi-query",
    is_flag=True,
    help="Average the features of several images of a query's person and camera: those "
    "in the dataset's gt_bbox, or without one the queries themselves.",
)
@click.option(
    "--camel",
    type=FOLDER,
    help="Project query and gallery by their cameras with this file of fit-camel.",
)
@click.option(
    "--query-expansion",
    type=click.IntRange(min=1),
    metavar="K",
    help="Add the K nearest gallery images to each query's features before it ranks.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(min=0),
    help="With --query-expansion: an image's weight is its cosine to this power.  "
    f"[default: {ALPHA:g}]",
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
    "distances, ROC, cameras. Of several datasets, a folder of each in it.",
)
@click.option(
    "--activation-maps",
    is_flag=True,
    help="With --model and --figures: show where the network looks in each image.",
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
    data: tuple[Path, ...],
    query: Path | None,
    gallery: Path | None,
    metric,
    ap,
    protocol,
    rerank,
    flip,
    pool_stripes,
    multi_query,
    camel,
    query_expansion,
    alpha,
    false_accept_rate,
    memory,
    seed,
    json_path,
    figures,
    activation_maps,
    show,
    threads,
    no_progress,
    format,
    pattern,
):
    """Rank the gallery for each query and print rank-k, mAP and mINP.

    Either a network on one dataset or several (--model, --data), or two feature files
    (--query, --gallery). Settings that are not given are the run's, or euclidean,
    standard and market1501.
    """
    from tfipgan.cli.evaluation_results import (
        evaluated,
        print_result,
        print_table,
        require_possible,
        write_json,
    )
    from tfipgan.config import EvaluationConfig
    from tfipgan.files.output_file import require_short_name

    if figures is not None:
        require_short_name(figures)
    given = {"model": model, "data": data or None, "query": query, "gallery": gallery}
    names = {name for name, value in given.items() if value is not None}
    _require_fitting(
        names, flip, pool_stripes, alpha, query_expansion, activation_maps, figures
    )
    projections = None
    if camel is not None:
        from tfipgan.evaluation.camera_projections import CameraProjections

        projections = CameraProjections.load(camel)
    if names == {"query", "gallery"}:
        settings = EvaluationConfig()
        sets = [_of_files(query, gallery, figures)]
        titles, folders = [f"{query} in {gallery}"], [figures]
    else:
        settings, sets = _of_network(
            model, data, format, pattern, flip, pool_stripes, multi_query,
            not no_progress, figures, threads,
        )  # fmt: skip
        titles, folders = [f"{model} on {d}" for d in data], _folders_in(figures, data)
    options = {
        "metric": metric or settings.metric,
        "ap": ap or settings.ap,
        "protocol": protocol or settings.protocol,
        "memory_bytes": memory * MEBIBYTE,
        "rerank": rerank,
        "seed": seed,
        "query_expansion": query_expansion,
        "alpha": ALPHA if alpha is None else alpha,
    }
    require_possible(options, multi_query)
    needs_detail = bool(json_path or figures or false_accept_rate)
    if figures is not None:
        from tfipgan.reports.evaluation_report import write_evaluation_report
    results = []
    # Not by `enumerate`, which would hold a set's features while the next is made.
    for found in sets:
        number = len(results)
        try:
            if projections is not None:
                found = found.projected(projections)
            metrics, point, shown = evaluated(
                found, options, multi_query, flip, needs_detail, false_accept_rate
            )
            if figures is not None:
                activation = found.activation if activation_maps else None
                write_evaluation_report(
                    folders[number],
                    *shown,
                    title=titles[number],
                    operating_point=point,
                    activation=activation,
                    queries=show,
                    run=model,
                    commands=[_command_line()],
                )
        except InputError as error:
            if len(data) < 2:
                raise
            raise InputError(f"{data[number]}: {error}") from None
        results.append((metrics, point))
        del found, shown
    if json_path is not None:
        write_json(json_path, [metrics for metrics, _ in results], data)
    if len(results) > 1:
        print_table([str(folder) for folder in data], results)
    else:
        print_result(*results[0])


def _require_fitting(
    names, flip, pool_stripes, alpha, query_expansion, activation_maps, figures
):
    """Raise UsageError for options that go with others which are not given."""
    if names not in ({"query", "gallery"}, {"model", "data"}):
        raise click.UsageError(
            "expected --model and --data, or --query and --gallery; got "
            + (" and ".join(f"--{name}" for name in sorted(names)) or "none of them")
        )
    for option, given in (("--flip", flip), ("--pool-stripes", pool_stripes)):
        if given and "model" not in names:
            raise click.UsageError(
                f"{option} is for --model; expected feature files of "
                f"`tfipgan extract {option}`"
            )
    if activation_maps and ("model" not in names or figures is None):
        raise click.UsageError("--activation-maps needs --model and --figures")
    if alpha is not None and query_expansion is None:
        raise click.UsageError("--alpha needs --query-expansion")


def _of_files(query, gallery, figures):
    """Return the features of two files, and no more of them."""
    from tfipgan.cli.evaluation_results import EvaluatedSets
    from tfipgan.data.output_place import common_folder, require_outside
    from tfipgan.evaluation import FeatureSet

    features = FeatureSet.load(query), FeatureSet.load(gallery)
    if figures is not None:
        found = [common_folder(f.paths) for f in features if f.paths is not None]
        require_outside(figures, folders=filter(None, found), may_hold=True)
    return EvaluatedSets(*features)


def _of_network(
    model,
    data,
    format,
    pattern,
    flip,
    pool_stripes,
    multi_query,
    progress,
    figures,
    threads,
):
    """Return the run's evaluation settings, and `EvaluatedSets` one by one."""
    from tfipgan.data.multi_query import POOL_FOLDER
    from tfipgan.data.output_place import require_outside

    if figures is not None:
        pools = [d / POOL_FOLDER for d in data] if multi_query else []
        require_outside(figures, datasets=data, folders=pools, may_hold=True)
    set_up_tensorflow(threads)
    from tfipgan.cli.evaluated_network import features_of
    from tfipgan.runs.run import open_run

    run = open_run(model, "reid")
    require_stripes(run, pool_stripes)
    return run.config.evaluation, features_of(
        run,
        data,
        format=format,
        pattern=pattern,
        flip=flip,
        pool_stripes=pool_stripes,
        multi_query=multi_query,
        progress=progress,
    )


def _folders_in(figures, data):
    """Return the folder of each dataset's figures: of its name, if there are others."""
    if figures is None or len(data) == 1:
        return [figures] * len(data)
    taken = []
    for folder in data:
        name = wanted = folder.resolve().name or "data"
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.append(name)
    return [figures / name for name in taken]


def _command_line():
    """Return the command with the options that were given."""
    context = click.get_current_context()
    words = ["tfipgan", context.command.name]
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if source is click.core.ParameterSource.COMMANDLINE:
            value = context.params[parameter.name]
            for one in value if parameter.multiple else [value]:
                words += [parameter.opts[0]] + ([] if one is True else [str(one)])
    return shlex.join(words)
