"""tfipgan extract: descriptors of a folder of images."""

import click

from tfipgan.cli.common import FOLDER, NEW_FILE, dataset_options, runtime_options


@click.command("extract")
@click.option("--model", type=FOLDER, required=True, help="Run of train-reid.")
@click.option("--images", type=FOLDER, required=True, help="Folder of images.")
@click.option("--out", type=NEW_FILE, required=True, help="The .npz file to write.")
@dataset_options()
@runtime_options
def extract(model, images, out, format, pattern, progress):
    """Write the L2-normalised descriptors of all images below a folder.

    Names that match no format are kept, with person -2 and camera -1.
    """
    from tfipgan.data.datasets import read_images
    from tfipgan.data.inspection import require_readable
    from tfipgan.evaluation.features import extract_features
    from tfipgan.runs import load_reid_network, open_run

    run = open_run(model, "reid")
    samples = read_images(images, format=format, pattern=pattern, labelled=False)
    require_readable(samples)
    features = extract_features(
        load_reid_network(run),
        samples,
        run.config.reid.image_size,
        run.config.evaluation.batch_size,
        progress,
    )
    features.save(out)
    click.echo(f"{len(features)} images, {features.features.shape[1]} values each")
