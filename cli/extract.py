"""tfipgan extract: descriptors of a folder of images."""

import logging

import click

from tfipgan.cli.common import (
    FOLDER,
    NEW_FILE,
    dataset_options,
    runtime_options,
    skip_option,
)
from tfipgan.config.workers import worker_share
from tfipgan.files.worker import share_done

logger = logging.getLogger(__name__)


@click.command("extract")
@click.option("--model", type=FOLDER, required=True, help="Run of train-reid.")
@click.option("--images", type=FOLDER, required=True, help="Folder of images.")
@click.option("--out", type=NEW_FILE, required=True, help="The .npz file to write.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Images at a time.  [default: the run's evaluation.batch_size]",
)
@click.option(
    "--flip",
    is_flag=True,
    help="Average the features of each image and its mirror image.",
)
@skip_option("the log lists them", names=False)
@dataset_options()
@runtime_options
def extract(
    model, images, out, batch_size, flip, skip_unreadable, format, pattern, progress
):
    """Write the L2-normalised descriptors of all images below a folder.

    Names that match no format are kept, with person -2 and camera -1. The same command
    goes on where a killed one ended: until all is done, the features are in OUT.part.
    Several processes share the work if TF_CONFIG makes them workers.
    """
    from tfipgan.data.datasets import read_images
    from tfipgan.errors import shorten_name
    from tfipgan.evaluation.features import extract_to_file
    from tfipgan.files.output_file import require_new_file
    from tfipgan.files.partial_output import require_new_output
    from tfipgan.runs.run import load_reid_network, open_run
    from tfipgan.translation.manifest_check import readable_as_listed

    worker = worker_share()
    require_new_output(out, require_new_file)
    run = open_run(model, "reid")
    samples = read_images(images, format=format, pattern=pattern, labelled=False)
    samples, left_out = readable_as_listed(
        images, samples, skip=skip_unreadable, progress=progress
    )
    for path, why in left_out.items():
        logger.warning("left out: %s (%s)", shorten_name(path), why)
    shape = extract_to_file(
        load_reid_network(run),
        samples,
        run.config.reid.image_size,
        out,
        batch_size or run.config.evaluation.batch_size,
        progress,
        worker,
        flip,
    )
    if shape is None:
        click.echo(share_done(worker, out))
        return
    click.echo(f"{shape[0]} images, {shape[1]} values each")
