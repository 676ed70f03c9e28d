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
@click.option(
    "--verify-contents",
    is_flag=True,
    help="Compare the checksums too of what --translated's manifest lists, not only "
    "names and sizes.",
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
    verify_contents,
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
    A folder that translate made must hold the images that its manifest lists.
    """
    from tfipgan.config.workers import worker_share
    from tfipgan.data.datasets import (
        camera_samples,
        read_dataset,
        read_images,
        training_samples,
    )
    from tfipgan.errors import InputError
    from tfipgan.files.output_file import require_new_folder
    from tfipgan.runs.run import RESUME
    from tfipgan.training.reid import ONLY_REAL
    from tfipgan.training.reid import train_reid as train
    from tfipgan.translation.manifest import read_manifest
    from tfipgan.translation.manifest_check import readable_as_listed

    if verify_contents and translated is None:
        raise click.UsageError("--verify-contents is for --translated.")
    by_camera = config.reid.labels == "camera"
    if by_camera and translated is not None:
        raise InputError(ONLY_REAL)
    # The others write nothing; what they find there is the chief's.
    chief = worker_share().index == 0
    if chief and not resume:
        require_new_folder(out, RESUME)
    misnamed = {} if skip_unreadable else None
    dataset = read_dataset(
        data, format=format, pattern=pattern, splits=("train",), misnamed=misnamed
    )
    samples = (camera_samples if by_camera else training_samples)(dataset)
    reading = {"skip": skip_unreadable, "progress": progress}
    translated_samples, left_out = None, {}
    if translated is not None:
        if verify_contents:
            read_manifest(translated)  # without one there is nothing to compare with
        translated_samples, left_out = readable_as_listed(
            translated,
            training_samples(
                read_images(
                    translated,
                    format=dataset.format,
                    pattern=dataset.pattern,
                    misnamed=misnamed,
                )
            ),
            contents=verify_contents,
            **reading,
        )
    # Of these only the names are read if others are trained on and none is held out.
    if translated is None or config.reid.held_out_identities:
        samples, more_left_out = readable_as_listed(data, samples, **reading)
        left_out |= more_left_out
    run = train(
        config,
        samples,
        out,
        translated=translated_samples,
        left_out={**left_out, **(misnamed or {})},
        devices=devices,
        cache_gib=cache_gib,
        resume=resume,
        progress=progress,
    )
    if chief:
        click.echo(run.path)
