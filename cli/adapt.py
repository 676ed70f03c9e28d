"""tfipgan adapt: a re-ID run taken on to an unlabelled target."""

from pathlib import Path

import click

from tfipgan.cli.common import (
    FOLDER,
    dataset_options,
    device_options,
    runtime_options,
    skip_option,
)
from tfipgan.config import load_config
from tfipgan.errors import InputError

MEBIBYTE = 2**20
# What the run to go on from says, whatever the config does.
_FROM_RUN = ("backbone", "reid")


def _no_network_options(context, parameter, overrides):
    for override in overrides:
        section = override.partition(".")[0].strip()
        if section in _FROM_RUN:
            raise click.BadParameter(
                f"{override!r}: {' and '.join(_FROM_RUN)} are those of the run in "
                "--model, expected values of adapt, pul, evaluation or the seed"
            )
    return overrides


@click.command("adapt")
@click.option(
    "--model",
    type=FOLDER,
    required=True,
    help="Re-ID run to go on from: trained on the source or on translations, or "
    "imported.",
)
@click.option(
    "--target",
    type=FOLDER,
    required=True,
    help="Dataset, or folder of images, with cameras if they are known; identities "
    "are not read.",
)
@click.option("--out", type=FOLDER, required=True, help="Run folder to make.")
@click.option(
    "--method",
    type=click.Choice(["clusters", "pul", "statistics"]),
    default="clusters",
    show_default=True,
    help="Train on clusters of the images (pul: by k-means, anew from --model in each "
    "round), or only take batch-norm statistics of them.",
)
@click.option(
    "--source",
    type=FOLDER,
    help="With --method clusters: dataset whose people stay classes beside the "
    "clusters, such as that which --model was trained on.",
)
@click.option(
    "--config",
    "config_path",
    metavar="FILE|NAME",
    default="base",
    show_default=True,
    help="A YAML file, or a packaged config such as synthetic/adapt. Its sections "
    "backbone and reid are not read: they come from --model.",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_no_network_options,
    help="Override a value, such as adapt.epochs=20 or pul.rounds=5. May be repeated.",
)
@click.option(
    "--unlabelled",
    is_flag=True,
    help="Take --target as a folder of images with names of any kind, subfolders "
    "included; where a name matches no format its camera is not known.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="For the distances held at a time, beside the features.",
)
@dataset_options()
@dataset_options("source")
@skip_option("RUN/left_out.json lists them")
@device_options
@runtime_options
def adapt(
    model: Path,
    target: Path,
    out: Path,
    method,
    source: Path | None,
    config_path,
    overrides,
    unlabelled,
    memory,
    format,
    pattern,
    source_format,
    source_pattern,
    skip_unreadable,
    devices,
    resume,
    progress,
):
    """Take a re-ID run on to a target that nobody has labelled.

    By its training images and their camera numbers. The new run gives features: it
    is for evaluate, extract, export and serve, and for backbone.weights.
    """
    if source and method != "clusters":
        raise click.UsageError("--source is for --method clusters")
    from tfipgan.config.workers import worker_share
    from tfipgan.data.datasets import read_dataset, read_images, training_samples
    from tfipgan.data.output_place import require_outside
    from tfipgan.files.output_file import require_new_folder
    from tfipgan.runs.run import RESUME, open_run
    from tfipgan.training.adapt import adapt_clusters
    from tfipgan.training.batch_statistics import adapt_statistics
    from tfipgan.training.pul import adapt_pul
    from tfipgan.translation.manifest_check import readable_as_listed

    if source and source.resolve() == target.resolve():
        raise InputError(
            f"{source} is --source and --target: its identities would be read; "
            "expected another dataset as --source, or none"
        )
    config = load_config(config_path, overrides)
    # The others write nothing; what they find there is the chief's.
    chief = worker_share().index == 0
    if chief:  # its sheets of clusters are images
        require_outside(out, datasets=[target, source] if source else [target])
    if chief and not resume:
        require_new_folder(out, RESUME)
    start = open_run(model, "reid")
    misnamed = {} if skip_unreadable else None
    reading = {"format": format, "pattern": pattern}
    if unlabelled:
        samples = read_images(target, labelled=False, **reading)
    else:
        samples = read_dataset(
            target, splits=("train",), misnamed=misnamed, **reading
        ).train
    samples, left_out = readable_as_listed(
        target, samples, skip=skip_unreadable, progress=progress
    )
    if method == "statistics":
        if not chief:
            return  # there is nothing to share
        run = adapt_statistics(
            config, start, samples, out, resume=resume, progress=progress
        )
        click.echo(run.path)
        return
    source_samples = None
    if source:
        source_samples, more_left_out = readable_as_listed(
            source,
            training_samples(
                read_dataset(
                    source,
                    format=source_format,
                    pattern=source_pattern,
                    splits=("train",),
                    misnamed=misnamed,
                )
            ),
            skip=skip_unreadable,
            progress=progress,
        )
        left_out = {**left_out, **more_left_out}
    options = {
        "left_out": {**left_out, **(misnamed or {})},
        "devices": devices,
        "resume": resume,
        "progress": progress,
    }
    if method == "pul":
        run = adapt_pul(config, start, samples, out, **options)
    else:
        run = adapt_clusters(
            config,
            start,
            samples,
            out,
            source=source_samples,
            memory_bytes=memory * MEBIBYTE,
            **options,
        )
    if chief:
        click.echo(run.path)
