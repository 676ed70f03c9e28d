"""tfipgan extract: features of a folder of images."""

import logging
import os

import click

from tfipgan.cli.common import (
    FOLDER,
    NEW_FILE,
    computing_options,
    dataset_options,
    require_stripes,
    set_up_tensorflow,
    skip_option,
    stripes_option,
)
from tfipgan.config.workers import worker_share
from tfipgan.files.worker import share_done

logger = logging.getLogger(__name__)


@click.command("extract")
@click.option(
    "--features",
    type=click.Choice(["network", "bow", "lomo"]),
    default="network",
    show_default=True,
    help="A run's features, or those of BoW or LOMO, which need no training.",
)
@click.option("--model", type=FOLDER, help="Run of train-reid, for network.")
@click.option("--images", type=FOLDER, required=True, help="Folder of images.")
@click.option("--out", type=NEW_FILE, required=True, help="The .npz file to write.")
@click.option(
    "--codebook",
    type=FOLDER,
    help="For bow: folder of images to learn its codebook from, such as the target's "
    "training images; labels are not read.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Images at a time, for network.  [default: the run's evaluation.batch_size]",
)
@click.option(
    "--flip",
    is_flag=True,
    help="For network: average the features of each image and its mirror image.",
)
@stripes_option("For network")
@skip_option("the log lists them", names=False)
@dataset_options()
@computing_options
def extract(
    features,
    model,
    images,
    out,
    codebook,
    batch_size,
    flip,
    pool_stripes,
    skip_unreadable,
    format,
    pattern,
    threads,
    progress,
):
    """Write the L2-normalised features of all images below a folder.

    Names that match no format are kept, with person -2 and camera -1. The same command
    goes on where a killed one ended: until all is done, the features are in OUT.part.
    Several processes share the work if TF_CONFIG makes them workers.
    """
    from tfipgan.data.datasets import read_images
    from tfipgan.files.output_file import require_new_file
    from tfipgan.files.partial_output import require_new_output

    _require_fitting(
        features,
        model=model,
        codebook=codebook,
        batch_size=batch_size,
        flip=flip,
        pool_stripes=pool_stripes,
    )
    worker = worker_share()
    require_new_output(out, require_new_file)
    if features == "network":
        set_up_tensorflow(threads)
        from tfipgan.runs.run import open_run

        run = open_run(model, "reid")
        require_stripes(run, pool_stripes)
    samples = read_images(images, format=format, pattern=pattern, labelled=False)
    samples = _readable(images, samples, skip_unreadable, progress)
    if features == "network":
        options = {"flip": flip, "pool_stripes": pool_stripes}
        shape = _by_network(run, samples, out, batch_size, progress, worker, options)
    else:
        from tfipgan.descriptors import extraction

        options = {"threads": threads or os.cpu_count() or 1, "progress": progress}
        if features == "lomo":
            shape = extraction.lomo_to_file(samples, out, worker=worker, **options)
        else:
            learn_from = read_images(codebook, labelled=False)
            learn_from = _readable(codebook, learn_from, skip_unreadable, progress)
            bow = extraction.learn_bow(learn_from, **options)
            shape = extraction.bow_to_file(bow, samples, out, worker=worker, **options)
    if shape is None:
        click.echo(share_done(worker, out))
        return
    click.echo(f"{shape[0]} images, {shape[1]} values each")


def _require_fitting(features, **given):
    """Raise UsageError for options that the features need, or that aren't theirs."""
    own = {
        "network": ("model", "batch_size", "flip", "pool_stripes"),
        "bow": ("codebook",),
        "lomo": (),
    }
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if value and name not in own[features]:
            (owner,) = (kind for kind, names in own.items() if name in names)
            raise click.UsageError(
                f"{option} is for --features {owner}, not for {features}"
            )
    if features == "network" and given["model"] is None:
        raise click.UsageError(
            "missing option --model: a run of train-reid; or give --features bow or "
            "lomo, which need none"
        )
    if features == "bow" and given["codebook"] is None:
        raise click.UsageError(
            "--features bow needs --codebook: a folder of images to learn its words "
            "from, such as the target's bounding_box_train"
        )


def _readable(folder, samples, skip, progress):
    """Return those of the samples that can be read; the log has the others."""
    from tfipgan.errors import shorten_name
    from tfipgan.translation.manifest_check import readable_as_listed

    samples, left_out = readable_as_listed(
        folder, samples, skip=skip, progress=progress
    )
    for path, why in left_out.items():
        logger.warning("left out: %s (%s)", shorten_name(path), why)
    return samples


def _by_network(run, samples, out, batch_size, progress, worker, options):
    from tfipgan.evaluation.features import extract_to_file
    from tfipgan.runs.run import load_reid_network

    return extract_to_file(
        load_reid_network(run),
        samples,
        run.config.reid.image_size,
        out,
        batch_size or run.config.evaluation.batch_size,
        progress,
        worker,
        **options,
    )
