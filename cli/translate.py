"""tfipgan translate: the source dataset in the style of every target camera."""

import functools
import os
from dataclasses import replace

import click

from tfipgan.cli.common import (
    FOLDER,
    dataset_options,
    image_size,
    runtime_options,
    set_up_tensorflow,
    skip_option,
)
from tfipgan.config.workers import worker_share
from tfipgan.files.worker import share_done

_NEEDED = ("source", "out")
# How images are found, the source's and the target's.
_NAMING = ("skip_unreadable", "format", "pattern")
_THEIRS = ("target_format", "target_pattern")
METHODS = ("gan", "colour-map", "redraw")
# Of what colour-map makes, in the manifest, where a GAN's run has its own.
_NAME = "colour-map"


def _or_verify(command):
    """Add --verify, with which the command is not run and needs no options.

    It stands above what imports TensorFlow, which only a --model to compare with needs.
    """

    @click.option(
        "--verify",
        type=FOLDER,
        metavar="FOLDER",
        help="Make nothing, but compare FOLDER with its manifest; with --source and "
        "--model, or --method colour-map and --target, these too.",
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapper(context, verify, **options):
        if verify is not None:
            if options["out"] is not None:
                raise click.UsageError("--verify names the folder, leave out --out.")
            _verify(verify, options)
            return
        for parameter in context.command.params:
            if parameter.name in _NEEDED and options[parameter.name] is None:
                raise click.MissingParameter(ctx=context, param=parameter)
        command(**options)

    return wrapper


@click.command("translate")
@click.option("--model", type=FOLDER, help="Run of train-gan.")
@click.option("--source", type=FOLDER, help="Dataset to translate.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="gan",
    show_default=True,
    help="By the run's generator; by the colours of --target's cameras; or, in the "
    "built-in world, drawn again as they would show it.",
)
@click.option(
    "--target", type=FOLDER, help="Dataset whose cameras colour-map or redraw takes."
)
@click.option(
    "--image-size",
    callback=image_size,
    metavar="HEIGHTxWIDTH",
    help="Of colour-map's images, in pixels.  [default: 128x64]",
)
@click.option("--out", type=FOLDER, help="Folder to make.")
@click.option(
    "--image-format",
    type=click.Choice(["jpeg", "png"]),
    help="Of the files written.  [default: the run's translation.format, or jpeg]",
)
@skip_option("the manifest lists them")
@_or_verify
@dataset_options()
@dataset_options("target")
@runtime_options
def translate(
    model,
    source,
    method,
    target,
    image_size,
    out,
    image_format,
    skip_unreadable,
    format,
    pattern,
    target_format,
    target_pattern,
    progress,
):
    """Write each training image of SOURCE once for each target camera.

    Names stay, with _to_c<camera> before the ending: 0002_c1s1_000451_03_to_c4.jpg.
    The same command goes on where a killed one ended: until all is done, the images are
    in OUT.part. OUT/manifest.jsonl lists them with their checksums. All but --verify
    needs --source and --out, and --model, or another --method with --target. Several
    processes share the work if TF_CONFIG makes them workers.

    colour-map gives the pixels of each of SOURCE's cameras the mean and covariance of
    each camera of TARGET's training images. It takes seconds and trains nothing: what a
    GAN has to beat.

    redraw is for the two datasets of one `tfipgan synthesize`. It reads no image but
    what they were drawn with, writes no manifest, and starts anew after it was killed.
    """
    from tfipgan.data.images import ImageEncoding
    from tfipgan.data.output_place import require_outside
    from tfipgan.files.output_file import require_new_folder
    from tfipgan.files.partial_output import require_new_output
    from tfipgan.translation.dataset import translate_dataset
    from tfipgan.translation.manifest_check import readable_as_listed

    _require_options(
        method,
        model=model,
        target=target,
        image_size=image_size,
        image_format=image_format,
        skip_unreadable=skip_unreadable or None,
        format=None if format == "auto" else format,
        pattern=pattern,
        target_format=None if target_format == "auto" else target_format,
        target_pattern=target_pattern,
    )
    worker = worker_share()
    read = [source] if target is None else [source, target]
    require_outside(out, datasets=read)
    require_new_output(out, require_new_folder)
    if method == "redraw":
        _redraw(source, target, out, worker)
        return
    reading = {"skip": skip_unreadable, "progress": progress}
    made_of = _of_run(model) if method == "gan" else None
    misnamed = {} if skip_unreadable else None
    samples, root = _source_images(source, format, pattern, misnamed)
    samples, left_out = readable_as_listed(root, samples, **reading)
    left_out |= misnamed or {}
    if made_of is None:
        theirs, their_root = _target_images(
            target, target_format, target_pattern, {} if skip_unreadable else None
        )
        theirs, _ = readable_as_listed(their_root, theirs, **reading)
        made_of = _of_colours(samples, theirs, image_size)
    translator, settings, provenance = made_of
    written = translate_dataset(
        translator,
        samples,
        root,
        out,
        batch_size=settings.batch_size,
        encoding=ImageEncoding(image_format or settings.format, settings.quality),
        provenance=replace(provenance, source=source.resolve().name),
        left_out=left_out,
        worker=worker,
        progress=progress,
    )
    if written is None:
        click.echo(share_done(worker, out))
        return
    click.echo(f"{written} images, {len(translator.cameras)} for each source image")


def _require_options(method, all_given=True, **options):
    """See that the method's options are given, if all are to be, and no other's."""
    needed, optional = {
        "gan": ("model", ("image_format", *_NAMING)),
        "colour-map": ("target", ("image_size", "image_format", *_NAMING, *_THEIRS)),
        "redraw": ("target", ()),
    }[method]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is not None and name not in (needed, *optional):
            raise click.UsageError(
                f"{option} has no meaning with --method {method}; leave it out, or "
                "give the other --method"
            )
        if all_given and value is None and name == needed:
            raise click.UsageError(f"Missing option '{option}'.")


def _redraw(source, target, out, worker):
    """Draw the scenes of a dataset of the built-in world anew; on one worker."""
    from tfipgan.world.datasets import redraw

    if worker.index:
        click.echo(f"the first worker draws {out}")
        return
    click.echo(f"{redraw(out, source, target)} images")


def _of_run(model):
    """Return the translator of a GAN run, its settings, and its `Provenance`."""
    from tfipgan.runs.run import load_translator_and_checkpoints, open_run
    from tfipgan.translation.dataset import Provenance
    from tfipgan.weights.checkpoints import checkpoint_step

    run = open_run(model, "gan")
    translator, checkpoints = load_translator_and_checkpoints(run)
    steps = [checkpoint_step(checkpoint) for checkpoint in checkpoints]
    # Of a network for each camera a list, in the order of the cameras.
    step = steps if len(steps) > 1 else steps[0]
    return translator, run.config.translation, Provenance(model.resolve().name, step)


def _of_colours(source, target, image_size):
    """As `_of_run`, of the map between the colours of two datasets."""
    from tfipgan.config import GanConfig, TranslationConfig
    from tfipgan.translation.colour_map import fit_colour_map
    from tfipgan.translation.dataset import Provenance

    size = image_size or GanConfig().image_size
    translator = fit_colour_map(source, target, size)
    return translator, TranslationConfig(), Provenance(_NAME, step=0)


def _source_images(source, format, pattern, misnamed=None):
    """Return a dataset's training samples and the folder that they are below."""
    from tfipgan.data.datasets import training_samples

    samples, root = _training_images(source, format, pattern, misnamed)
    return training_samples(samples), root


def _target_images(target, format, pattern, misnamed):
    """As `_source_images`, of a dataset that needs no identities."""
    from tfipgan.data.datasets import camera_samples

    samples, root = _training_images(target, format, pattern, misnamed)
    return camera_samples(samples), root


def _training_images(dataset, format, pattern, misnamed):
    from tfipgan.data.datasets import read_split
    from tfipgan.data.layouts import find_layout

    layout = find_layout(
        dataset,
        format=format,
        pattern=pattern,
        splits=("train",),
        flat=True,
        skip=misnamed is not None,
    )
    return read_split(layout, "train", misnamed), layout.folders["train"]


def _verify(folder, options):
    """Print what differs, one line if nothing does; exit with 1 if something does."""
    from tfipgan.translation.manifest import read_manifest
    from tfipgan.translation.manifest_check import check_translated

    if options["method"] == "redraw":
        raise click.UsageError(
            "--verify compares a folder with its manifest, and --method redraw writes "
            "none; make it again instead."
        )
    _require_options(
        options["method"],
        all_given=False,
        **{name: options[name] for name in ("model", "target", "image_size")},
    )
    if options["target"] is not None and options["source"] is None:
        raise click.UsageError("--target is compared with --source, give that too.")
    manifest = read_manifest(folder)
    differences, sources = [], None
    if options["source"] is not None:
        samples, root = _source_images(
            options["source"],
            options["format"],
            options["pattern"],
            {} if options["skip_unreadable"] else None,
        )
        sources = {os.path.relpath(s.path, root): s.path for s in samples}
    if options["model"] is not None:
        expected = manifest.header["model"].get("generator")
        if _weights_digest(options["model"], options["threads"]) != expected:
            differences.append(f"{options['model']} has other weights")
    if options["target"] is not None:
        expected = manifest.header["model"].get("generator")
        if _map_digest(samples, root, manifest.header, options) != expected:
            differences.append(f"{options['target']} gives another colour map")
    elif options["method"] == "colour-map" and not _is_of_colours(manifest.header):
        differences.append(f"{folder} was not made with --method colour-map")
    differences += check_translated(
        manifest, sources, progress=not options["no_progress"]
    )
    if differences:
        click.echo("\n".join(differences))
        raise click.exceptions.Exit(1)
    compared = ("source", "model", "target")
    also = [f"its {what}" for what in compared if options[what] is not None]
    click.echo(
        f"{manifest.header['images']} images"
        f"{''.join(f', {what}' for what in also)}: all as the manifest says"
    )


def _is_of_colours(header):
    return (header["model"].get("run"), header["model"].get("step")) == (_NAME, 0)


def _map_digest(samples, root, header, options):
    """Return the digest of the map from these images to --target's cameras."""
    set_up_tensorflow(options["threads"])
    from tfipgan.translation.manifest_check import readable_as_listed
    from tfipgan.weights.fingerprint import weights_digest

    skip = options["skip_unreadable"]
    theirs, their_root = _target_images(
        options["target"],
        options["target_format"],
        options["target_pattern"],
        {} if skip else None,
    )
    reading = {"skip": skip, "progress": not options["no_progress"]}
    samples, _ = readable_as_listed(root, samples, **reading)
    theirs, _ = readable_as_listed(their_root, theirs, **reading)
    size = options["image_size"] or tuple(header["image_size"])
    return weights_digest(*_of_colours(samples, theirs, size)[0].networks)


def _weights_digest(model, threads):
    set_up_tensorflow(threads)
    from tfipgan.runs.run import load_translator, open_run
    from tfipgan.weights.fingerprint import weights_digest

    return weights_digest(*load_translator(open_run(model, "gan")).networks)
