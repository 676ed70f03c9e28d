"""tfipgan subset: a dataset of some of another's cameras."""

import re

import click

from tfipgan.cli.common import FOLDER, dataset_options, skip_option


def _cameras(context, parameter, value):
    if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", value):
        raise click.BadParameter(f"{value!r}, expected numbers such as 1,2,4")
    return {int(number) for number in value.split(",")}


@click.command("subset")
@click.argument("dataset", type=FOLDER)
@click.option(
    "--cameras",
    callback=_cameras,
    metavar="1,2,..",
    required=True,
    help="The cameras to keep.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder to make.")
@dataset_options()
@skip_option("the log says how many", images=False)
def subset(dataset, cameras, out, format, pattern, skip_unreadable):
    """Copy the images of some cameras of DATASET into a dataset of their own.

    A labelled dataset can stand for an unlabelled target so: keep some of its cameras
    for the source, take others for the target, and choose values by what they give.
    """
    from tfipgan.data.layouts import find_layout
    from tfipgan.data.output_place import require_outside
    from tfipgan.data.subset import write_subset
    from tfipgan.files.output_file import require_new_folder

    require_outside(out, datasets=[dataset])
    require_new_folder(out)
    layout = find_layout(
        dataset, format=format, pattern=pattern, flat=True, skip=skip_unreadable
    )
    misnamed = {} if skip_unreadable else None
    for split, images in write_subset(layout, cameras, out, misnamed).items():
        click.echo(f"{out / split}: {images} images")
