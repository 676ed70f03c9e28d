"""tfipgan export: a run as a SavedModel that TensorFlow Serving runs as it is."""

import click

from tfipgan.cli.common import FOLDER, set_up_tensorflow


@click.command("export")
@click.argument("network", type=click.Choice(["translator", "extractor"]))
@click.option(
    "--model",
    type=FOLDER,
    required=True,
    help="Run of train-gan for the translator, of train-reid for the extractor; or of "
    "import-weights.",
)
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="Folder of models; OUT/translator/<version> or OUT/extractor/<version> is "
    "made.",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Number of the version.  [default: one more than the highest]",
)
@click.option(
    "--image-format",
    type=click.Choice(["jpeg", "png"]),
    help="Of the images the translator gives.  [default: the run's translation.format]",
)
@click.option(
    "--check-images",
    type=FOLDER,
    help="Folder of images to compare the network and its export on.  [default: drawn]",
)
def export(network, model, out, version, image_format, check_images):
    """Write the run's network as a SavedModel for TensorFlow Serving.

    \b
    translator    of image files and camera numbers makes image files
    extractor     of image files makes features

    The export is loaded and compared with the network before it gets its number, so
    what has one can be served. The folder is printed.
    """
    if image_format is not None and network != "translator":
        raise click.UsageError("--image-format is for the translator")
    set_up_tensorflow(None)
    from tfipgan.export.saved_models import export_extractor, export_translator
    from tfipgan.runs.run import open_run

    options = {"version": version, "check_images": check_images}
    if network == "translator":
        run = open_run(model, "gan")
        path = export_translator(run, out, image_format=image_format, **options)
    else:
        path = export_extractor(open_run(model, "reid"), out, **options)
    click.echo(path)
