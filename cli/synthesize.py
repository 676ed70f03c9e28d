"""`tfipgan synthesize`: writes the two datasets of the built-in world."""

import re
from pathlib import Path

import click


def _size(context, parameter, value):
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)
    if not match:
        raise click.BadParameter(f"{value!r} isn't HEIGHTxWIDTH, such as 128x64")
    height, width = (int(number) for number in match.groups())
    if height % 16 or width % 16 or height < 32 or width < 16:
        raise click.BadParameter(
            f"{value} must be in multiples of 16 and at least 32x16"
        )
    return height, width


@click.command("synthesize")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed and options give the same bytes.",
)
@click.option(
    "--identities",
    type=click.IntRange(min=2),
    default=160,
    show_default=True,
    help="Training identities of each dataset; a third are look-alikes in pairs.",
)
@click.option(
    "--test-identities",
    type=click.IntRange(min=2),
    default=160,
    show_default=True,
    help="Test identities of each dataset.",
)
@click.option(
    "--cameras",
    type=click.IntRange(min=2),
    default=4,
    show_default=True,
    help="Cameras of each dataset; two or more see each person.",
)
@click.option(
    "--images-per-camera",
    type=click.IntRange(min=2),
    default=2,
    show_default=True,
    help="Images of a test identity in each camera that sees them; a training "
    "identity has as many images as if all cameras saw them.",
)
@click.option(
    "--size",
    callback=_size,
    default="128x64",
    show_default=True,
    metavar="HEIGHTxWIDTH",
    help="Pixels of an image.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 3),
    default=1.0,
    show_default=True,
    help="How far the cameras' looks are from neutral (0) and drift.",
)
def synthesize(
    out, seed, identities, test_identities, cameras, images_per_camera, size, strength
):
    """Draw two re-identification datasets: OUT/source and OUT/target.

    Pedestrians drawn from a seed, in Market-1501's form. Both datasets are drawn by the
    same rules, from other places, cameras and people; no identity is in both.
    """
    from tfipgan.data.output_place import require_outside
    from tfipgan.files.output_file import full_disk_names_output
    from tfipgan.world import datasets as synthetic
    from tfipgan.world.record import WorldOptions

    require_outside(out)
    with full_disk_names_output(out):
        counts = synthetic.synthesize(
            out,
            WorldOptions(
                seed=seed,
                identities=identities,
                test_identities=test_identities,
                cameras=cameras,
                images_per_camera=images_per_camera,
                image_size=size,
                strength=strength,
            ),
        )
    for dataset, splits in counts.items():
        for split, images in splits.items():
            click.echo(f"{out / dataset / split}: {images} images")
