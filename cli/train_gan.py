"""tfipgan train-gan: the generator and the domain discriminator."""

from pathlib import Path

import click

from tfipgan.cli.common import (
    FOLDER,
    config_options,
    dataset_options,
    runtime_options,
    skip_option,
    training_options,
)


@click.command("train-gan")
@config_options
@click.option("--source", type=FOLDER, required=True, help="Dataset with identities.")
@click.option(
    "--target",
    type=FOLDER,
    required=True,
    help="Dataset, or folder of images, with cameras; identities are not read.",
)
@click.option(
    "--semantic",
    type=FOLDER,
    help="Run of train-reid on the source; not needed with gan.lambda_semantic=0.",
)
@click.option("--out", type=FOLDER, required=True, help="Run folder to make.")
@dataset_options("source")
@dataset_options("target")
@skip_option("RUN/left_out.json lists them")
@training_options
@runtime_options
def train_gan(
    config,
    source: Path,
    target: Path,
    semantic: Path | None,
    out: Path,
    source_format,
    source_pattern,
    target_format,
    target_pattern,
    skip_unreadable,
    devices,
    cache_gib,
    resume,
    progress,
):
    """Train IPGAN: one generator from the source to every camera of the target.

    With another gan.method. cyclegan: CycleGAN, between the source and the target as a
    whole. spgan: that and SPGAN's siamese network. camstyle: a CycleGAN from the source
    to each camera of the target, each a run of its own below OUT.
    """
    from tfipgan.config.workers import worker_share
    from tfipgan.data.datasets import camera_samples, read_dataset, training_samples
    from tfipgan.data.output_place import require_outside
    from tfipgan.errors import InputError
    from tfipgan.files.output_file import require_new_folder
    from tfipgan.runs.run import RESUME, open_run
    from tfipgan.training.camstyle import train_camstyle
    from tfipgan.training.cyclegan import train_cyclegan
    from tfipgan.training.ipgan import train_gan as train
    from tfipgan.training.spgan import train_spgan
    from tfipgan.translation.manifest_check import readable_as_listed

    method = config.gan.method
    if method != "stargan" and semantic:
        raise InputError(
            f"--semantic {semantic} with gan.method {method}, which has no semantic "
            "loss; leave it out"
        )
    # The others write nothing; what they find there is the chief's.
    chief = worker_share().index == 0
    if chief:  # its sheets of samples are images
        require_outside(out, datasets=[source, target])
    if chief and not resume:
        require_new_folder(out, RESUME)
    misnamed = {} if skip_unreadable else None
    source_samples = training_samples(
        read_dataset(
            source,
            format=source_format,
            pattern=source_pattern,
            splits=("train",),
            misnamed=misnamed,
        )
    )
    target_samples = camera_samples(
        read_dataset(
            target,
            format=target_format,
            pattern=target_pattern,
            splits=("train",),
            misnamed=misnamed,
        )
    )
    reading = {"skip": skip_unreadable, "progress": progress}
    source_samples, left_out = readable_as_listed(source, source_samples, **reading)
    target_samples, more_left_out = readable_as_listed(
        target, target_samples, **reading
    )
    options = {
        "left_out": {**left_out, **more_left_out, **(misnamed or {})},
        "devices": devices,
        "cache_gib": cache_gib,
        "resume": resume,
        "progress": progress,
    }
    given = config, source_samples, target_samples
    if method == "stargan":
        semantic_run = open_run(semantic, "reid") if semantic else None
        run = train(*given, semantic_run, out, **options)
    else:
        others = {
            "cyclegan": train_cyclegan,
            "spgan": train_spgan,
            "camstyle": train_camstyle,
        }
        run = others[method](*given, out, **options)
    if chief:
        click.echo(run.path)
