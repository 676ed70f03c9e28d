"""tfipgan train-reid: the re-ID network, or the semantic discriminator."""

from collections.abc import Sequence
from dataclasses import replace
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
from tfipgan.data.filenames import Sample


@click.command("train-reid")
@config_options
@click.option(
    "--data",
    type=FOLDER,
    required=True,
    multiple=True,
    help="Dataset with identities; with cameras for reid.labels=camera. Repeated, all "
    "of them are trained on: people and cameras of each are kept apart.",
)
@click.option(
    "--translated",
    type=FOLDER,
    multiple=True,
    help="Train on these images, translated from the dataset's, instead. With several "
    "--data one for each, in their order.",
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
    data: tuple[Path, ...],
    translated: tuple[Path, ...],
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
    A folder that translate made must hold the images that its manifest lists. Of
    several datasets each is recognised by itself; --format and --pattern are for all.
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

    if verify_contents and not translated:
        raise click.UsageError("--verify-contents is for --translated.")
    by_camera = config.reid.labels == "camera"
    if by_camera and translated:
        raise InputError(ONLY_REAL)
    if translated and len(translated) != len(data):
        raise InputError(
            f"{len(translated)} --translated with {len(data)} --data: expected one for "
            "each dataset, in the same order, or none"
        )
    # The others write nothing; what they find there is the chief's.
    chief = worker_share().index == 0
    if chief and not resume:
        require_new_folder(out, RESUME)
    misnamed = {} if skip_unreadable else None
    datasets = [
        read_dataset(
            folder,
            format=format,
            pattern=pattern,
            splits=("train",),
            misnamed=misnamed,
        )
        for folder in data
    ]
    samples = [
        (camera_samples if by_camera else training_samples)(dataset)
        for dataset in datasets
    ]
    reading = {"skip": skip_unreadable, "progress": progress}
    new, left_out = [], {}
    for folder, dataset in zip(translated, datasets, strict=False):
        if verify_contents:
            read_manifest(folder)  # without one there is nothing to compare with
        found, more_left_out = readable_as_listed(
            folder,
            training_samples(
                read_images(
                    folder,
                    format=dataset.format,
                    pattern=dataset.pattern,
                    misnamed=misnamed,
                )
            ),
            contents=verify_contents,
            **reading,
        )
        new.append(found)
        left_out |= more_left_out
    # Of these only the names are read if others are trained on and none is held out.
    if not translated or config.reid.held_out_identities:
        for number, folder in enumerate(data):
            samples[number], more_left_out = readable_as_listed(
                folder, samples[number], **reading
            )
            left_out |= more_left_out
    run = train(
        config,
        _joined(samples),
        out,
        translated=_joined(new) if translated else None,
        left_out={**left_out, **(misnamed or {})},
        devices=devices,
        cache_gib=cache_gib,
        resume=resume,
        progress=progress,
    )
    if chief:
        click.echo(run.path)


def _joined(parts: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Return the samples of all datasets, each marked as its own dataset's."""
    return [
        replace(sample, dataset=number) if number else sample
        for number, part in enumerate(parts)
        for sample in part
    ]
