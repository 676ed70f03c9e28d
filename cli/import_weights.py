"""tfipgan import-weights: a public PyTorch checkpoint as a run of this project."""

import re
from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, image_size, set_up_tensorflow

KINDS = ("stargan-generator", "stargan-discriminator", "resnet")


def _cameras(context, parameter, value):
    if value is None:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", value):
        raise click.BadParameter(f"{value!r}, expected numbers such as 1,2,5")
    return tuple(int(number) for number in value.split(","))


def _channels(context, parameter, value):
    if value is None:
        return None
    try:
        red, green, blue = (float(number) for number in value.split(","))
    except ValueError:
        message = f"{value!r}, expected three numbers such as 0.485,0.456,0.406"
        raise click.BadParameter(message) from None
    return red, green, blue


@click.command("import-weights")
@click.option("--kind", type=click.Choice(KINDS), required=True)
@click.option(
    "--from",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A .safetensors file, or a PyTorch one (.pth, .ckpt, .tar; needs PyTorch).",
)
@click.option("--out", type=FOLDER, required=True, help="Run folder to make.")
@click.option(
    "--cameras",
    callback=_cameras,
    metavar="1,2,...",
    help="The StarGAN's domains in its order, but the last, which is the source.",
)
@click.option(
    "--image-size",
    callback=image_size,
    metavar="HEIGHTxWIDTH",
    help="Size to run at.  [default: 128x64; 256x128 for resnet]",
)
@click.option(
    "--mean",
    callback=_channels,
    metavar="R,G,B",
    help="A ResNet's, of RGB values in [0, 1].  [default: ImageNet's]",
)
@click.option(
    "--std",
    callback=_channels,
    metavar="R,G,B",
    help="A ResNet's, of RGB values in [0, 1].  [default: ImageNet's]",
)
@click.option(
    "--last-stride",
    type=click.Choice(["1", "2"]),
    help="A ResNet's, of its last stack; most re-ID checkpoints have 1.  [default: 2]",
)
@click.option(
    "--pooling",
    type=click.Choice(["avg", "gem"]),
    help="A ResNet's; gem takes the p of the file.  [default: avg]",
)
@click.option(
    "--neck",
    type=click.Choice(["none", "bnneck"]),
    help="Take a re-ID checkpoint's batch norm of pooled features.  [default: none]",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="PREFIX",
    help="Leave out names that begin so. May be repeated.",
)
def import_weights(
    kind,
    path,
    out,
    cameras,
    image_size,
    mean,
    std,
    last_stride,
    pooling,
    neck,
    ignore,
):
    """Make a run of a public PyTorch checkpoint.

    \b
    stargan-generator      yunjey/stargan's G; `translate` takes the run
    stargan-discriminator  its D, to start a train-gan from
    resnet                 torchvision's or timm's ResNet-18, -34, -50, -101, or
                           IBN-Net's -a and -b, alone or within a re-ID checkpoint of
                           BoT, fast-reid, OpenUnReID, cluster-contrast and so on;
                           `extract`, and backbone.weights of train-reid, take the run

    The network's size is read from the file. A missing or unexpected tensor is an error
    that lists them all. A ResNet's classifier is left out. So are the further layers of
    a re-ID checkpoint, unless --pooling or --neck takes them; the log names them.
    """
    is_stargan = kind != "resnet"
    if is_stargan and cameras is None:
        raise click.UsageError(f"--kind {kind} needs --cameras, which no file knows")
    for name, value, fits in (
        ("--cameras", cameras, is_stargan),
        ("--mean", mean, not is_stargan),
        ("--std", std, not is_stargan),
        ("--last-stride", last_stride, not is_stargan),
        ("--pooling", pooling, not is_stargan),
        ("--neck", neck, not is_stargan),
    ):
        if value is not None and not fits:
            raise click.UsageError(f"{name} is not for --kind {kind}")
    set_up_tensorflow(None)
    from tfipgan.runs import importing

    given = {
        "cameras": cameras,
        "image_size": image_size,
        "mean": mean,
        "std": std,
        "last_stride": last_stride and int(last_stride),
        "pooling": pooling,
        "neck": neck,
    }
    options = {name: value for name, value in given.items() if value is not None}
    importer = {
        "stargan-generator": importing.import_generator,
        "stargan-discriminator": importing.import_discriminator,
        "resnet": importing.import_resnet,
    }[kind]
    run = importer(path, out, ignore=ignore, **options)
    click.echo(run.path)
