"""tfipgan train-reid: the re-ID network, or the semantic discriminator."""

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


@click.command("train-reid")
@config_options
@click.option(
    "--data",
    type=FOLDER,
    required=True,
    help="Dataset with identities; with cameras for reid.labels=camera.",
)
@click.option(
    "--translated",
    type=FOLDER,
    help="Train on these images, translated from the dataset's, instead.",
)
@click.option("--out", type=FOLDER, required=True, help="Run folder to make.")
@dataset_options()
@skip_option("RUN/left_out.json lists them")
@training_options
@runtime_options
def train_reid(
    config,
    data,
    translated: Path | None,
    out,
    format,
    pattern,
    skip_unreadable,
    devices,
    cache_gib,
    resume,
    progress,
):
    """Train a re-ID network on a labelled dataset, or on its translated images.

    Trained at the GAN's image size it is the semantic discriminator of train-gan. With
    reid.labels=camera it is the classifier of cameras that translation-quality asks.
    """
    from tfipgan.config.workers import worker_share
    from tfipgan.data.datasets import (
        camera_samples,
        read_dataset,
        read_images,
        training_samples,
    )
    from tfipgan.data.readable import check_readable
    from tfipgan.errors import InputError
    from tfipgan.files.output_file import require_new_folder
    from tfipgan.runs.run import RESUME
    from tfipgan.training.reid_run import ONLY_REAL
    from tfipgan.training.reid_run import train_reid as train

    by_camera = config.reid.labels == "camera"
    if by_camera and translated is not None:
        raise InputError(ONLY_REAL)
    # The others write nothing; what they find there is the chief's.
    chief = worker_share().index == 0
    if chief and not resume:
        require_new_folder(out, RESUME)
    dataset = read_dataset(data, format=format, pattern=pattern, splits=("train",))
    samples = (camera_samples if by_camera else training_samples)(dataset)
    reading = {"skip": skip_unreadable, "progress": progress}
    translated_samples, left_out = None, {}
    if translated is not None:
        translated_samples, left_out = check_readable(
            training_samples(
                read_images(translated, format=dataset.format, pattern=dataset.pattern)
            ),
            **reading,
        )
    # Of these only the names are read if others are trained on and none is held out.
    if translated is None or config.reid.held_out_identities:
        samples, more_left_out = check_readable(samples, **reading)
        left_out |= more_left_out
    run = train(
        config,
        samples,
        out,
        translated=translated_samples,
        left_out=left_out,
        devices=devices,
        cache_gib=cache_gib,
        resume=resume,
        progress=progress,
    )
    if chief:
        click.echo(run.path)
