"""tfipgan identity-accuracy: how many images a classifier still names (Table 2)."""

import click

from tfipgan.cli.common import FOLDER, dataset_options, runtime_options, skip_option


@click.command("identity-accuracy")
@click.option("--classifier", type=FOLDER, required=True, help="Run of train-reid.")
@click.option("--images", type=FOLDER, help="Folder of images.")
@click.option("--data", type=FOLDER, help="Dataset: its training images, instead.")
@skip_option("the log says how many")
@dataset_options()
@runtime_options
def identity_accuracy(
    classifier, images, data, skip_unreadable, format, pattern, progress
):
    """Print the share of images whose identity the classifier names (paper Table 2).

    The images are the classifier's own training set, real or translated.
    """
    from tfipgan.data.datasets import read_dataset, read_images, training_samples
    from tfipgan.evaluation.features import identity_accuracy as measure
    from tfipgan.runs.run import load_reid_network, open_run, require_classifier
    from tfipgan.translation.manifest_check import readable_as_listed

    if (images is None) == (data is None):
        raise click.UsageError("expected one of --images and --data")
    misnamed = {} if skip_unreadable else None
    names = {"format": format, "pattern": pattern, "misnamed": misnamed}
    run = open_run(classifier, "reid")
    labels = require_classifier(run)
    if data is None:
        found = read_images(images, **names)
    else:
        found = read_dataset(data, splits=("train",), **names)
    samples = training_samples(found)
    samples, _ = readable_as_listed(
        images or data, samples, skip=skip_unreadable, progress=progress
    )
    accuracy = measure(
        load_reid_network(run),
        labels,
        samples,
        run.config.reid.image_size,
        run.config.evaluation.batch_size,
        progress,
    )
    click.echo(f"{accuracy:.4f}")
