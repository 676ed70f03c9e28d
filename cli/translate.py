"""tfipgan translate: the source dataset in the style of every target camera."""

import click

from tfipgan.cli.common import FOLDER, dataset_options, runtime_options


@click.command("translate")
@click.option("--model", type=FOLDER, required=True, help="Run of train-gan.")
@click.option("--source", type=FOLDER, required=True, help="Dataset to translate.")
@click.option("--out", type=FOLDER, required=True, help="Folder to make.")
@click.option(
    "--image-format",
    type=click.Choice(["jpeg", "png"]),
    help="Of the files written.  [default: the run's translation.format]",
)
@dataset_options()
@runtime_options
def translate(model, source, out, image_format, format, pattern, progress):
    """Write each training image of SOURCE once for each target camera.

    Names stay, with _to_c<camera> before the ending: 0002_c1s1_000451_03_to_c4.jpg.
    """
    from tfipgan.data.datasets import read_split, training_samples
    from tfipgan.data.inspection import require_readable
    from tfipgan.data.layouts import find_layout
    from tfipgan.output_file import require_new_folder
    from tfipgan.runs import load_generator, open_run
    from tfipgan.translation import translate_dataset

    require_new_folder(out)
    run = open_run(model, "gan")
    layout = find_layout(
        source, format=format, pattern=pattern, splits=("train",), flat=True
    )
    samples = training_samples(read_split(layout, "train"))
    require_readable(samples)
    written = translate_dataset(
        load_generator(run),
        run.domains,
        samples,
        layout.folders["train"],
        out,
        image_size=run.config.gan.image_size,
        batch_size=run.config.translation.batch_size,
        format=image_format or run.config.translation.format,
        quality=run.config.translation.quality,
        progress=progress,
    )
    click.echo(f"{written} images, {len(run.domains.cameras)} for each source image")
