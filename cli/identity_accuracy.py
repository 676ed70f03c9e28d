"""tfipgan identity-accuracy: how many images a classifier still names (Table 2)."""

import click

from tfipgan.cli.common import FOLDER, dataset_options, runtime_options, skip_option


@click.command("identity-accuracy")
@click.option("--classifier", type=FOLDER, required=True, help="Run of train-reid.")
@click.option("--images", type=FOLDER, required=True, help="Folder of images.")
@skip_option("the log says how many")
@dataset_options()
@runtime_options
def identity_accuracy(classifier, images, skip_unreadable, format, pattern, progress):
    """Print the share of images whose identity the classifier names (paper Table 2).

    The images are the classifier's own training set, real or translated.
    """
    from tfipgan.data.datasets import read_images, training_samples
    from tfipgan.data.readable import check_readable
    from tfipgan.evaluation.features import identity_accuracy as measure
    from tfipgan.runs import load_reid_network, open_run, require_classifier

    run = open_run(classifier, "reid")
    labels = require_classifier(run)
    samples = training_samples(read_images(images, format=format, pattern=pattern))
    samples, _ = check_readable(samples, skip=skip_unreadable, progress=progress)
    accuracy = measure(
        load_reid_network(run),
        labels,
        samples,
        run.config.reid.image_size,
        run.config.evaluation.batch_size,
        progress,
    )
    click.echo(f"{accuracy:.4f}")
