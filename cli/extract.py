"""tfipgan extract: descriptors of a folder of images."""

import click

from tfipgan.cli.common import FOLDER, NEW_FILE, dataset_options, runtime_options


@click.command("extract")
@click.option("--model", type=FOLDER, required=True, help="Run of train-reid.")
@click.option("--images", type=FOLDER, required=True, help="Folder of images.")
@click.option("--out", type=NEW_FILE, required=True, help="The .npz file to write.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Images at a time.  [default: the run's evaluation.batch_size]",
)
@dataset_options()
@runtime_options
def extract(model, images, out, batch_size, format, pattern, progress):
    """Write the L2-normalised descriptors of all images below a folder.

    Names that match no format are kept, with person -2 and camera -1. The same command
    goes on where a killed one ended: until all is done, the features are in OUT.part.
    """
    from tfipgan.data.datasets import read_images
    from tfipgan.data.inspection import require_readable
    from tfipgan.errors import InputError
    from tfipgan.evaluation.features import extract_to_file
    from tfipgan.runs import load_reid_network, open_run

    if out.exists():
        raise InputError(
            f"{out} exists; expected a new file for the output: give another --out, or "
            "remove it"
        )
    run = open_run(model, "reid")
    samples = read_images(images, format=format, pattern=pattern, labelled=False)
    require_readable(samples)
    features = extract_to_file(
        load_reid_network(run),
        samples,
        run.config.reid.image_size,
        out,
        batch_size or run.config.evaluation.batch_size,
        progress,
    )
    click.echo(f"{len(features)} images, {features.features.shape[1]} values each")
