"""tfipgan fit-camel: a projection for each camera of the target."""

from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, NEW_FILE


@click.command("fit-camel")
@click.option(
    "--features",
    type=FOLDER,
    required=True,
    help="Feature file of the target's training images; identities are not read.",
)
@click.option("--out", type=NEW_FILE, required=True, help="The .npz file to write.")
@click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Principal axes of the features to go on with.",
)
@click.option(
    "--clusters",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Clusters of the images, more than there are people or not.",
)
@click.option(
    "--consistency",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    help="How much the cameras' projections are to be alike.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of k-means."
)
def fit_camel(features: Path, out: Path, dimensions, clusters, consistency, seed):
    """Learn a projection for each camera from a feature file, without labels (CAMEL).

    `tfipgan evaluate --camel OUT` projects query and gallery by it.
    """
    from tfipgan.evaluation import FeatureSet
    from tfipgan.evaluation.camel import fit_camel as fit
    from tfipgan.files.output_file import require_new_file

    require_new_file(out)
    found = FeatureSet.load(features)
    projections = fit(
        found,
        dimensions=dimensions,
        clusters=clusters,
        consistency=consistency,
        seed=seed,
    )
    projections.save(out)
    click.echo(
        f"{len(found)} images of {len(projections.cameras)} cameras, "
        f"{projections.basis.shape[1]} values each"
    )
