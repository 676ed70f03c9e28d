"""tfipgan inspect: what is in a dataset, and what looks wrong."""

import json
from pathlib import Path

import click

from tfipgan.cli.common import set_up_tensorflow
from tfipgan.config import load_config
from tfipgan.data.filenames import EXAMPLE_PATTERN, NAMING_FORMATS
from tfipgan.errors import shorten_name
from tfipgan.reports.text_table import align_columns


@click.command("inspect")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["auto", *NAMING_FORMATS]),
    default="auto",
    show_default=True,
    help="How the names are read; auto recognises all but pattern.",
)
@click.option(
    "--pattern",
    metavar="REGEX",
    help="For names of your own: a regular expression with the groups person and "
    f"camera, like '{EXAMPLE_PATTERN}'; -1 is junk.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--no-images", is_flag=True, help="Look at names only, open no image.")
@click.option("--no-progress", is_flag=True, help="Show no progress bar.")
@click.option(
    "--augment",
    metavar="FILE|NAME",
    help="Draw training images as train-reid would augment them with this config.",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value of that config, such as reid.random_erasing=0.5.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for augmentation.png, which --augment draws.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 if there are problems.")
@click.pass_context
def inspect(
    context: click.Context,
    dataset: Path,
    format_name: str,
    pattern: str | None,
    as_json: bool,
    no_images: bool,
    no_progress: bool,
    augment: str | None,
    overrides: tuple[str, ...],
    figures: Path | None,
    strict: bool,
) -> None:
    """Count DATASET's images, identities and cameras, and list what looks wrong.

    DATASET is a folder in the form of Market-1501, DukeMTMC-reID, MSMT17 or
    CUHK03-NP, or one of your own with a pattern. Every image is opened and decoded.
    """
    from tfipgan.data.inspection import inspect_dataset

    if (augment is None) != (figures is None) or (overrides and augment is None):
        raise click.UsageError("--augment and --figures go together, --set with them.")
    sheet = None
    if augment is not None:
        config = load_config(augment, overrides)
        sheet = _draw_augmented(dataset, format_name, pattern, config, figures)
    result = inspect_dataset(
        dataset,
        format=format_name,
        pattern=pattern,
        check_images=not no_images,
        progress=not no_progress,
    )
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        click.echo(f"{result.root}: {result.format}\n")
        click.echo(_table(result.splits))
        for heading, lines in (
            ("Problems", result.problems),
            ("Notes", result.notes),
        ):
            if lines:
                click.echo(f"\n{heading}")
                for line in lines:
                    click.echo(f"- {line}")
        if result.unreadable:
            click.echo("\nFiles that can't be read")
            for path, why in result.unreadable.items():
                click.echo(f"- {shorten_name(path)}: {why}")
        if not result.problems:
            click.echo("\nNo problems found.")
        if sheet is not None:
            click.echo(f"\nAugmented images: {sheet}")
    if strict and result.problems:
        context.exit(1)


def _draw_augmented(dataset, format, pattern, config, figures) -> Path:
    """Draw what train-reid would be fed of the dataset; return the sheet's path.

    As train-reid with --skip-unreadable does: what can't be read is listed anyway.
    """
    set_up_tensorflow(None)
    from tfipgan.data.datasets import camera_samples, read_dataset, training_samples
    from tfipgan.data.output_place import require_outside
    from tfipgan.data.readable import check_readable
    from tfipgan.training.augmentation_sheet import write_augmentation_sheet

    require_outside(figures, datasets=[dataset], may_hold=True)
    found = read_dataset(
        dataset, format=format, pattern=pattern, splits=("train",), misnamed={}
    )
    by_camera = config.reid.labels == "camera"
    samples = (camera_samples if by_camera else training_samples)(found)
    samples, _ = check_readable(samples, skip=True)
    path = figures / "augmentation.png"
    write_augmentation_sheet(config, samples, path)
    return path


def _table(splits: dict) -> str:
    """Return counts, a row per split, and images per camera, a row per camera."""
    kinds = ("images", "identities", "junk", "distractors", "unlabelled")
    counts = [["split", *kinds, "cameras"]]
    for split, summary in splits.items():
        row = [f"{getattr(summary, kind):,}" for kind in kinds]
        counts.append([split, *row, f"{len(summary.cameras.keys() - {-1})}"])
    cameras = sorted({c for summary in splits.values() for c in summary.cameras})
    per_camera = [["images of camera", *splits]]
    for camera in cameras:
        row = [f"{s.cameras.get(camera, 0):,}" for s in splits.values()]
        per_camera.append(["none" if camera == -1 else str(camera), *row])
    return "\n\n".join(
        align_columns(rows, [place > 0 for place in range(len(rows[0]))])
        for rows in (counts, per_camera)
    )
